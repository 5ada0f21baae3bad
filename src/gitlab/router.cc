#include "gitlab/router.h"

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

using Values = std::map<std::string, std::string>;

constexpr std::size_t kMostSegments = 64;

bool fits(const std::vector<std::string>& pattern, std::size_t p,
          const std::vector<std::string>& path, std::size_t s, Values& values) {
  if (p == pattern.size()) return s == path.size();
  if (s == path.size()) return false;
  const std::string& wanted = pattern[p];
  if (wanted.starts_with('*')) {
    std::string taken;
    for (std::size_t end = s; end < path.size(); ++end) {
      if (end > s) taken += '/';
      taken += base::percent_decode(path[end]);
      if (fits(pattern, p + 1, path, end + 1, values)) {
        values[wanted.substr(1)] = taken;
        return true;
      }
    }
    return false;
  }
  if (wanted.starts_with(':')) {
    if (path[s].empty() || !fits(pattern, p + 1, path, s + 1, values)) return false;
    values[wanted.substr(1)] = base::percent_decode(path[s]);
    return true;
  }
  return wanted == path[s] && fits(pattern, p + 1, path, s + 1, values);
}

}  // namespace

std::optional<Values> match(std::string_view pattern, std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const auto segments = base::split(path, '/');
  if (segments.size() > kMostSegments) return std::nullopt;
  Values values;
  if (!fits(base::split(pattern, '/'), 0, segments, 0, values)) return std::nullopt;
  return values;
}

Found Router::find(std::string_view method, std::string_view path) const {
  Found found;
  const Route* by_get = nullptr;
  Values get_values;
  for (const Route& route : routes_) {
    auto values = match(route.pattern, path);
    if (!values) continue;
    if (route.method == method) {
      found.route = &route;
      found.values = std::move(*values);
      found.other_method = false;
      return found;
    }
    found.other_method = true;
    if (method == "HEAD" && route.method == "GET" && by_get == nullptr) {
      by_get = &route;
      get_values = std::move(*values);
    }
  }
  if (by_get != nullptr) {
    found.route = by_get;
    found.values = std::move(get_values);
    found.other_method = false;
  }
  return found;
}

}  // namespace slipway::gitlab
