#include "ci/artifacts.h"

#include <algorithm>
#include <memory>
#include <regex>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "store/files.h"

namespace slipway::ci {
namespace {

constexpr std::size_t kDotenvBytes = 5120;
constexpr std::size_t kDotenvVariables = 20;
constexpr int kMostEntries = 1'000'000;
constexpr std::size_t kBlock = 64 * 1024;

struct Free {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, Free>;

[[noreturn]] void invalid(const std::string& reason) { throw Error("Invalid", reason, 400); }

Reader open_zip(const std::filesystem::path& file) {
  Reader reader(archive_read_new());
  archive_read_support_format_zip(reader.get());
  archive_read_support_format_empty(reader.get());
  if (archive_read_open_filename(reader.get(), file.c_str(), kBlock) != ARCHIVE_OK) {
    invalid("The artifacts archive cannot be read");
  }
  return reader;
}

// Whether a path, taken from a folder of the project, stays within it.
bool stays_inside(const std::string& folder, const std::string& path) {
  if (path.starts_with('/') || path.find('\0') != std::string::npos) return false;
  int depth = 0;
  for (const std::string& part : base::split(folder + "/" + path, '/')) {
    if (part.empty() || part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return false;
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string read_data(archive* reader, std::uint64_t limit) {
  std::string text;
  std::string block(kBlock, '\0');
  while (true) {
    const la_ssize_t got = archive_read_data(reader, block.data(), block.size());
    if (got < 0) invalid("The file cannot be unpacked");
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > limit) {
      throw Error("Invalid", "The file is longer than " + std::to_string(limit) + " bytes", 413);
    }
  }
}

std::string without_dot(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  return path;
}

}  // namespace

Json parse_dotenv(std::string_view text) {
  static const std::regex key_form("[A-Za-z0-9_]+");
  if (text.size() > kDotenvBytes) {
    invalid("Dotenv Artifact Too Big. Maximum Allowable Size: " + std::to_string(kDotenvBytes));
  }
  if (!base::is_utf8(text)) invalid("Invalid Format");
  Json variables = Json::object();
  std::string all(text);
  if (!all.empty() && all.back() == '\n') all.pop_back();
  if (all.empty()) return variables;
  for (const std::string& line : base::split(all, '\n')) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) invalid("Invalid Format");
    const std::string key(base::trim(std::string_view(line).substr(0, equals)));
    const std::string value(base::trim(std::string_view(line).substr(equals + 1)));
    if (!std::regex_match(key, key_form)) {
      invalid("Validation failed: Key can contain only letters, digits and '_'.");
    }
    variables[key] = value;
  }
  if (variables.size() > kDotenvVariables) {
    invalid("Dotenv files cannot have more than " + std::to_string(kDotenvVariables) +
            " variables");
  }
  return variables;
}

void check_archive(const std::filesystem::path& file) {
  const Reader reader = open_zip(file);
  archive_entry* entry = nullptr;
  for (int entries = 0;; ++entries) {
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) return;
    if (result < ARCHIVE_WARN) invalid("The artifacts archive is damaged");
    if (entries >= kMostEntries) invalid("The artifacts archive has too many files");
    const char* name = archive_entry_pathname(entry);
    const std::string path = name != nullptr ? name : "";
    if (path.empty()) invalid("The artifacts archive holds a path that is not UTF-8");
    if (!stays_inside("", path)) {
      invalid("The artifacts archive holds a path that leaves the project: " + path);
    }
    if (archive_entry_hardlink(entry) != nullptr) {
      invalid("The artifacts archive holds a hard link: " + path);
    }
    const char* target = archive_entry_symlink(entry);
    std::string link = target != nullptr ? target : "";
    if (link.empty() && archive_entry_filetype(entry) == AE_IFLNK) {
      link = read_data(reader.get(), kBlock);
    }
    if (!link.empty() && !stays_inside(folder_of(path), link)) {
      invalid("The artifacts archive holds a link that leaves the project: " + path);
    }
  }
}

std::optional<std::string> read_from_archive(const std::filesystem::path& file,
                                             const std::string& path, std::uint64_t limit) {
  const Reader reader = open_zip(file);
  const std::string wanted = without_dot(path);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader.get(), &entry) >= ARCHIVE_WARN) {
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || without_dot(name) != wanted) continue;
    if (archive_entry_filetype(entry) != AE_IFREG) return std::nullopt;
    return read_data(reader.get(), limit);
  }
  return std::nullopt;
}

std::string read_gzip(const std::filesystem::path& file, std::uint64_t limit) {
  Reader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  if (archive_read_open_filename(reader.get(), file.c_str(), kBlock) != ARCHIVE_OK) {
    invalid("Invalid Format");
  }
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader.get(), &entry);
  if (result == ARCHIVE_EOF) return "";
  if (result < ARCHIVE_WARN) invalid("Invalid Format");
  return read_data(reader.get(), limit);
}

std::filesystem::path Artifacts::folder(Id job) const {
  return directory_ / std::to_string(job / 1000) / std::to_string(job);
}

Artifact Artifacts::adopt(Id job, Artifact artifact, const std::filesystem::path& file) const {
  artifact.size = std::filesystem::file_size(file);
  artifact.sha256 = base::sha256_hex_of_file(file);
  store::adopt(store::system_disk(), file, folder(job) / artifact.type);
  return artifact;
}

std::optional<std::filesystem::path> Artifacts::path(const Job& job,
                                                     const std::string& type) const {
  const auto found = std::find_if(job.artifacts.begin(), job.artifacts.end(),
                                  [&](const Artifact& artifact) { return artifact.type == type; });
  if (found == job.artifacts.end()) return std::nullopt;
  const std::filesystem::path file = folder(job.id) / type;
  if (!std::filesystem::exists(file)) return std::nullopt;
  return file;
}

void Artifacts::remove(Id job) const {
  std::error_code ignored;
  std::filesystem::remove_all(folder(job), ignored);
}

}  // namespace slipway::ci
