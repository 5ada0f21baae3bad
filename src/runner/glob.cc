#include "runner/glob.h"

#include "base/strings.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostAlternatives = 256;

// Where the bracket expression that begins at `at` ends (past "]"), or npos; `hit`: it has `c`.
std::size_t match_class(std::string_view pattern, std::size_t at, char c, bool& hit) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size(); first = false) {
    if (pattern[i] == ']' && !first) {
      hit = found != negated;
      return i + 1;
    }
    char low = pattern[i++];
    if (low == '\\' && i < pattern.size()) low = pattern[i++];
    char high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      high = pattern[i + 1];
      i += 2;
    }
    if (low <= c && c <= high) found = true;
  }
  return std::string_view::npos;
}

// One component, without alternatives. Each "*" is tried once from its last place.
bool matches_name(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    bool matched = false;
    std::size_t next = p;
    if (p < pattern.size()) {
      if (pattern[p] == '*') {
        star = p++;
        resume = n;
        continue;
      }
      if (pattern[p] == '?') {
        matched = true;
        next = p + 1;
      } else if (pattern[p] == '[') {
        next = match_class(pattern, p, name[n], matched);
        if (next == std::string_view::npos) {
          matched = name[n] == '[';
          next = p + 1;
        }
      } else {
        const bool escaped = pattern[p] == '\\' && p + 1 < pattern.size();
        matched = pattern[escaped ? p + 1 : p] == name[n];
        next = p + (escaped ? 2 : 1);
      }
    }
    if (matched) {
      p = next;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// "a{b,c{d,e}}" as "ab", "acd", "ace".
void add_alternatives(std::string_view pattern, std::vector<std::string>& result) {
  const std::size_t open = pattern.find('{');
  std::size_t close = std::string_view::npos;
  std::vector<std::size_t> commas;
  int depth = 0;
  for (std::size_t i = open; i < pattern.size() && close == std::string_view::npos; ++i) {
    if (pattern[i] == '{') ++depth;
    if (pattern[i] == ',' && depth == 1) commas.push_back(i);
    if (pattern[i] == '}' && --depth == 0) close = i;
  }
  if (open == std::string_view::npos || close == std::string_view::npos) {
    if (result.size() < kMostAlternatives) result.emplace_back(pattern);
    return;
  }
  commas.push_back(close);
  std::size_t begin = open + 1;
  for (const std::size_t comma : commas) {
    if (result.size() >= kMostAlternatives) return;
    std::string one(pattern.substr(0, open));
    one += pattern.substr(begin, comma - begin);
    one += pattern.substr(close + 1);
    add_alternatives(one, result);
    begin = comma + 1;
  }
}

std::vector<std::string> alternatives(std::string_view pattern) {
  std::vector<std::string> result;
  add_alternatives(pattern, result);
  return result;
}

bool matches_parts(const std::vector<std::string>& pattern, std::size_t p,
                   const std::vector<std::string>& path, std::size_t n) {
  while (p < pattern.size()) {
    if (pattern[p] == "**") {
      while (p + 1 < pattern.size() && pattern[p + 1] == "**") ++p;
      for (std::size_t skip = n; skip <= path.size(); ++skip) {
        if (matches_parts(pattern, p + 1, path, skip)) return true;
      }
      return false;
    }
    if (n == path.size() || !matches_name(pattern[p], path[n])) return false;
    ++p;
    ++n;
  }
  return n == path.size();
}

bool is_literal(std::string_view part) {
  return part.find_first_of("*?[\\") == std::string_view::npos;
}

std::string joined(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

class Finder {
 public:
  explicit Finder(const fs::path& root) : root_(root) {}

  void find(const std::vector<std::string>& pattern, std::size_t at, const std::string& directory) {
    if (at == pattern.size()) {
      add_tree(directory);
      return;
    }
    const std::string& part = pattern[at];
    if (part == "**") {
      find(pattern, at + 1, directory);
      for_each(directory, [&](const std::string& path, bool is_directory) {
        if (is_directory) {
          find(pattern, at, path);
        } else if (at + 1 == pattern.size()) {
          found_.insert(path);
        }
      });
    } else if (is_literal(part)) {
      step(pattern, at, joined(directory, part));
    } else {
      for_each(directory, [&](const std::string& path, bool) {
        const std::size_t slash = path.rfind('/');
        if (matches_name(part, slash == std::string::npos ? path : path.substr(slash + 1))) {
          step(pattern, at, path);
        }
      });
    }
  }

  // The directory, where it is not the root, and everything in it.
  void add_tree(const std::string& path) {
    if (!path.empty() && !found_.insert(path).second) return;
    for_each(path, [&](const std::string& below, bool is_directory) {
      if (is_directory) {
        add_tree(below);
      } else {
        found_.insert(below);
      }
    });
  }

  std::set<std::string> take() { return std::move(found_); }

 private:
  void step(const std::vector<std::string>& pattern, std::size_t at, const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(root_ / path, error);
    if (error || !fs::exists(status)) return;
    if (fs::is_directory(status)) {
      find(pattern, at + 1, path);
    } else if (at + 1 == pattern.size() || (at + 2 == pattern.size() && pattern[at + 1] == "**")) {
      found_.insert(path);
    }
  }

  template <class Use>
  void for_each(const std::string& directory, const Use& use) {
    std::error_code error;
    for (fs::directory_iterator entry(root_ / directory, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code ignored;
      const bool is_directory = fs::is_directory(entry->symlink_status(ignored));
      use(joined(directory, entry->path().filename().string()), is_directory);
    }
  }

  const fs::path root_;
  std::set<std::string> found_;
};

void add_files(const fs::path& root, const std::string& directory, std::set<std::string>& files) {
  std::error_code error;
  for (fs::directory_iterator entry(root / directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (directory.empty() && name == ".git") continue;
    std::error_code ignored;
    if (fs::is_directory(entry->symlink_status(ignored))) {
      add_files(root, joined(directory, name), files);
    } else {
      files.insert(joined(directory, name));
    }
  }
}

}  // namespace

bool matches_path(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> parts = base::split(path, '/');
  for (const std::string& one : alternatives(pattern)) {
    if (matches_parts(base::split(one, '/'), 0, parts, 0)) return true;
  }
  return false;
}

std::string normal_pattern(std::string_view pattern, std::string_view project) {
  pattern = base::trim(pattern);
  if (pattern.starts_with('/')) {
    if (!pattern.starts_with(project)) return "";
    pattern.remove_prefix(project.size());
    if (!pattern.empty() && pattern[0] != '/') return "";
    if (pattern.empty()) return ".";
  }
  std::vector<std::string> parts;
  for (const std::string& part : base::split(pattern, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return "";
    } else {
      parts.pop_back();
    }
  }
  return parts.empty() ? (pattern.empty() ? "" : ".") : base::join(parts, "/");
}

std::set<std::string> find_paths(const fs::path& root, std::string_view pattern) {
  Finder finder(root);
  for (const std::string& one : alternatives(pattern)) {
    if (one == ".") {
      finder.add_tree("");
    } else if (!one.empty()) {
      finder.find(base::split(one, '/'), 0, "");
    }
  }
  return finder.take();
}

std::set<std::string> all_files(const fs::path& root) {
  std::set<std::string> files;
  add_files(root, "", files);
  return files;
}

}  // namespace slipway::runner
