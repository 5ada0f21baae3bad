#include "ci_config/glob.h"

#include <algorithm>

#include "base/strings.h"

namespace slipway::ci_config {
namespace {

constexpr std::size_t kMostAlternatives = 1000;

// The index behind the brace that closes the one at `open`, or npos.
std::size_t closing_brace(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

// "a{b,c}d" becomes "abd" and "acd". Past the limit, what remains is left as it stands.
std::vector<std::string> expand_braces(std::string_view pattern) {
  std::vector<std::string> done;
  std::vector<std::string> open{std::string(pattern)};
  while (!open.empty()) {
    const std::string text = std::move(open.back());
    open.pop_back();
    std::size_t start = 0;
    while (start < text.size() && text[start] != '{') start += text[start] == '\\' ? 2 : 1;
    const std::size_t end = start < text.size() ? closing_brace(text, start) : std::string::npos;
    if (end == std::string::npos || done.size() + open.size() >= kMostAlternatives) {
      done.push_back(text);
      continue;
    }
    int depth = 0;
    std::size_t from = start + 1;
    for (std::size_t i = start + 1; i <= end; ++i) {
      if (text[i] == '\\') {
        ++i;
        continue;
      }
      if (text[i] == '{') ++depth;
      if (text[i] == '}' && i < end) --depth;
      if ((text[i] == ',' && depth == 0) || i == end) {
        open.push_back(text.substr(0, start) + text.substr(from, i - from) + text.substr(end + 1));
        from = i + 1;
      }
    }
  }
  return done;
}

// Whether `c` is in the class at pattern[at] == '['; `at` moves behind it. A class without an end
// matches nothing.
bool in_class(std::string_view pattern, std::size_t& at, char c) {
  std::size_t i = at + 1;
  bool negated = false;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
    negated = true;
    ++i;
  }
  bool found = false;
  bool first = true;
  while (i < pattern.size() && (first || pattern[i] != ']')) {
    first = false;
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    const char low = pattern[i++];
    char high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      high = pattern[i++];
    }
    if (low <= c && c <= high) found = true;
  }
  if (i >= pattern.size()) {
    at = pattern.size();
    return false;
  }
  at = i + 1;
  return found != negated;
}

// One path segment against one pattern segment, remembering only the last `*`.
bool segment_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    bool advanced = false;
    if (p < pattern.size()) {
      if (pattern[p] == '*') {
        star = p++;
        star_text = t;
        continue;
      }
      if (pattern[p] == '?') {
        // A character, not a byte.
        ++p;
        ++t;
        while (t < text.size() && (static_cast<unsigned char>(text[t]) & 0xC0) == 0x80) ++t;
        continue;
      }
      if (pattern[p] == '[') {
        std::size_t after = p;
        if (in_class(pattern, after, text[t])) {
          p = after;
          ++t;
          advanced = true;
        }
      } else {
        const std::size_t literal = pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
        if (pattern[literal] == text[t]) {
          p = literal + 1;
          ++t;
          advanced = true;
        }
      }
    }
    if (advanced) continue;
    if (star == std::string_view::npos) return false;
    p = star + 1;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// Segments against segments; "**" (not the last) stands for any number of directories. Row by row,
// so that many "**" cost no more than patterns times segments.
bool path_matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  std::vector<char> reachable(path.size() + 1, 0);
  reachable[0] = 1;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    std::vector<char> next(path.size() + 1, 0);
    const bool recursive = pattern[p] == "**" && p + 1 < pattern.size();
    bool open = false;
    for (std::size_t t = 0; t <= path.size(); ++t) {
      if (recursive) {
        open = open || reachable[t] != 0;
        next[t] = open ? 1 : 0;
      } else if (t < path.size() && reachable[t] != 0 && segment_matches(pattern[p], path[t])) {
        next[t + 1] = 1;
      }
    }
    reachable = std::move(next);
  }
  return reachable[path.size()] != 0;
}

}  // namespace

Glob::Glob(std::string_view pattern) : alternatives_(expand_braces(pattern)) {}

bool Glob::matches(std::string_view path) const {
  const auto segments = base::split(path, '/');
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const std::string& one) {
    return path_matches(base::split(one, '/'), segments);
  });
}

bool matches_include_pattern(std::string_view pattern, std::string_view path) {
  // reachable[t]: the pattern so far matches the first t characters of the path.
  std::vector<char> reachable(path.size() + 1, 0);
  reachable[0] = 1;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    std::vector<char> next(path.size() + 1, 0);
    if (pattern[p] == '*') {
      const bool any = p + 1 < pattern.size() && pattern[p + 1] == '*';
      if (any) ++p;
      bool open = false;
      for (std::size_t t = 0; t <= path.size(); ++t) {
        if (t > 0 && !any && path[t - 1] == '/') open = false;
        open = open || reachable[t] != 0;
        next[t] = open ? 1 : 0;
      }
    } else {
      for (std::size_t t = 0; t < path.size(); ++t) {
        if (reachable[t] != 0 && path[t] == pattern[p]) next[t + 1] = 1;
      }
    }
    reachable = std::move(next);
  }
  return reachable[path.size()] != 0;
}

}  // namespace slipway::ci_config
