#include "containers/host_base.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::containers {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRootEntries[] = {"/usr",    "/lib", "/lib32", "/lib64",
                                        "/libx32", "/bin", "/sbin"};

constexpr const char* kEtcEntries[] = {"alternatives",    "ca-certificates", "ca-certificates.conf",
                                       "crypto-policies", "debian_version",  "fonts",
                                       "gai.conf",        "host.conf",       "ld.so.cache",
                                       "ld.so.conf",      "ld.so.conf.d",    "localtime",
                                       "locale.alias",    "locale.conf",     "mime.types",
                                       "nsswitch.conf",   "os-release",      "pip.conf",
                                       "pki/ca-trust",    "pki/tls/certs",   "protocols",
                                       "services",        "ssl/certs",       "ssl/openssl.cnf",
                                       "timezone"};
// Settings of interpreters, whose names carry versions.
constexpr const char* kEtcPrefixes[] = {"python3", "java-"};

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
constexpr const char* kGroup = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n";

std::vector<std::string> wanted_paths() {
  std::vector<std::string> paths(std::begin(kRootEntries), std::end(kRootEntries));
  for (const char* name : kEtcEntries) paths.push_back(std::string("/etc/") + name);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator("/etc", error)) {
    const std::string name = entry.path().filename();
    for (const char* prefix : kEtcPrefixes) {
      if (name.starts_with(prefix)) paths.push_back("/etc/" + name);
    }
  }
  return paths;
}

// Only what everybody on the machine may read.
std::optional<struct stat> public_status(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  if (S_ISLNK(status.st_mode)) return status;
  const mode_t needed = S_ISDIR(status.st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
  if ((status.st_mode & needed) != needed) return std::nullopt;
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) return std::nullopt;
  return status;
}

void make_directory(const fs::path& path, mode_t mode = 0755) {
  fs::create_directories(path);
  ::chmod(path.c_str(), mode);
}

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) base::throw_errno("writing " + path.string());
  ::chmod(path.c_str(), 0644);
}

void make_link(const fs::path& path, const fs::path& target) {
  std::error_code error;
  if (fs::read_symlink(path, error) == target) return;
  fs::remove(path);
  fs::create_symlink(target, path);
}

void add_host_parts(const fs::path& directory) {
  for (const std::string& path : wanted_paths()) {
    const auto status = public_status(path);
    if (!status) continue;
    const fs::path place = directory / path.substr(1);
    make_directory(place.parent_path());
    if (S_ISLNK(status->st_mode)) {
      make_link(place, fs::read_symlink(path));
    } else if (S_ISDIR(status->st_mode)) {
      make_directory(place);
    } else {
      write_text(place, "");
    }
  }
  write_text(directory / "etc/passwd", kPasswd);
  write_text(directory / "etc/group", kGroup);
}

}  // namespace

void build_skeleton(const fs::path& directory, Base base) {
  make_directory(directory);
  for (const char* name : {"dev", "etc", "opt", "proc", "run", "sys", "var", "var/lib", "var/cache",
                           "var/log", "home", "mnt", "srv"}) {
    make_directory(directory / name);
  }
  make_directory(directory / "root", 0700);
  make_directory(directory / "tmp", 01777);
  make_directory(directory / "var/tmp", 01777);
  make_link(directory / "etc/mtab", "/proc/mounts");
  if (base == Base::kHost) add_host_parts(directory);
}

std::vector<HostPath> host_paths() {
  std::vector<HostPath> paths;
  for (const std::string& path : wanted_paths()) {
    const auto status = public_status(path);
    if (!status || S_ISLNK(status->st_mode)) continue;
    paths.push_back({path, S_ISDIR(status->st_mode)});
  }
  return paths;
}

std::vector<std::string> mounts_below(std::string_view mountinfo, std::string_view path) {
  const std::string prefix = std::string(path) + "/";
  std::vector<std::string> below;
  for (const std::string& line : base::split(mountinfo, '\n')) {
    const std::vector<std::string> fields = base::split(line, ' ');
    // Names with blanks are written as octal escapes there; none of the machine's own has any.
    if (fields.size() < 5 || !fields[4].starts_with(prefix)) continue;
    if (fields[4].find('\\') != std::string::npos) continue;
    below.push_back(fields[4]);
  }
  std::sort(below.begin(), below.end());
  below.erase(std::unique(below.begin(), below.end()), below.end());
  return below;
}

}  // namespace slipway::containers
