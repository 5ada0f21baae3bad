#include "wire/router.h"

#include <algorithm>
#include <tuple>

#include "base/strings.h"

namespace slipway::wire {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

bool has_query(const Pairs& query, std::string_view name) {
  return std::any_of(query.begin(), query.end(),
                     [&](const auto& pair) { return pair.first == name; });
}

bool has_constants(const Pairs& query, const Route& route) {
  return std::all_of(route.query.begin(), route.query.end(), [&](const auto& constant) {
    return std::any_of(query.begin(), query.end(), [&](const auto& pair) {
      return pair.first == constant.first &&
             (constant.second.empty() || pair.second == constant.second);
    });
  });
}

bool has_needs(const Pairs& query, const net::Headers& headers, const Route& route) {
  return std::all_of(route.needed_query.begin(), route.needed_query.end(),
                     [&](const std::string& name) { return has_query(query, name); }) &&
         std::all_of(route.needed_headers.begin(), route.needed_headers.end(),
                     [&](const std::string& name) { return headers.has(name); });
}

}  // namespace

void Router::add(const OperationModel& operation, bool served) {
  Entry entry{&operation, served, {}, 0};
  for (const std::string& part : base::split(operation.route.path, '/')) {
    if (part.empty()) continue;
    Segment segment{Segment::Kind::kLiteral, part};
    if (part.starts_with('{') && part.ends_with("+}")) {
      segment = {Segment::Kind::kGreedy, part.substr(1, part.size() - 3)};
    } else if (part.starts_with('{') && part.ends_with('}')) {
      segment = {Segment::Kind::kLabel, part.substr(1, part.size() - 2)};
    } else {
      ++entry.literals;
    }
    entry.segments.push_back(std::move(segment));
  }
  entries_.push_back(std::move(entry));
}

bool Router::matches(const Entry& entry, std::string_view path, Pairs& labels) {
  labels.clear();
  if (path.starts_with('/')) path.remove_prefix(1);
  for (std::size_t i = 0; i < entry.segments.size(); ++i) {
    const Segment& segment = entry.segments[i];
    if (path.empty()) return false;
    if (segment.kind == Segment::Kind::kGreedy) {
      labels.emplace_back(segment.text, base::percent_decode(path));
      return true;
    }
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string text = base::percent_decode(path.substr(0, end));
    if (segment.kind == Segment::Kind::kLiteral && text != segment.text) return false;
    if (segment.kind == Segment::Kind::kLabel) {
      if (text.empty()) return false;
      labels.emplace_back(segment.text, text);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return path.empty();
}

std::optional<RouteMatch> Router::match(const net::RequestHead& head, std::string_view path) const {
  const Pairs query = base::parse_query(head.query());
  using Rank = std::tuple<bool, int, std::size_t, std::size_t, bool, bool>;
  std::optional<Rank> best;
  RouteMatch found;
  Pairs labels;
  for (const Entry& entry : entries_) {
    const Route& route = entry.operation->route;
    if (route.method != head.method || !matches(entry, path, labels) ||
        !has_constants(query, route))
      continue;
    // An operation that lacks what it cannot lack is only meant where no other fits; it is
    // then refused with the name of what is missing.
    const bool complete = has_needs(query, head.headers, route);
    const Rank rank{
        complete,           entry.literals,
        route.query.size(), complete ? route.needed_query.size() + route.needed_headers.size() : 0,
        entry.served,       entry.operation->embedded};
    if (best && rank <= *best) continue;
    best = rank;
    found.operation = entry.operation;
    found.labels.swap(labels);
  }
  if (!best) return std::nullopt;
  return found;
}

}  // namespace slipway::wire
