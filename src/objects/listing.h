#pragma once

// Listing by prefix and delimiter over any ordered scan: objects, versions, uploads.
//
// A common prefix is reported once and its keys are never read: the scan is restarted
// behind it. So a bucket of a million keys in ten folders lists with ten short scans.

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::objects {

// Where a scan starts: at `key` itself where `inclusive`; otherwise behind it or, where
// `within` is set, behind that row of the key (several rows may share a key).
struct Position {
  std::string key;
  bool inclusive = true;
  std::string within;
};

struct ListQuery {
  std::string prefix;
  std::string delimiter;
  Position start;
  int limit = 1000;  // rows and common prefixes together
};

template <class Row>
struct Listing {
  std::vector<Row> rows;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string last;         // the last row's key or common prefix, where truncated
  std::string last_within;  // what `within` continues behind it; empty after a common prefix
};

// The smallest text greater than every text that starts with `prefix`; empty: there is none.
inline std::string behind_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

// The common prefix that `key` falls under, or nothing.
inline std::optional<std::string> common_prefix(const std::string& key, const std::string& prefix,
                                                const std::string& delimiter) {
  if (delimiter.empty() || !key.starts_with(prefix)) return std::nullopt;
  std::size_t at = key.find(delimiter, prefix.size());
  if (at == std::string::npos) return std::nullopt;
  return key.substr(0, at + delimiter.size());
}

// Where a list continues whose last entry was `marker`: behind the whole of a common prefix.
inline Position position_after(const std::string& marker, const std::string& within,
                               const std::string& prefix, const std::string& delimiter) {
  if (marker.empty()) return {};
  if (within.empty() && common_prefix(marker, prefix, delimiter) == marker) {
    return {behind_prefix(marker), true, ""};
  }
  return {marker, false, within};
}

// `fetch` gives at most `limit` rows in order, from a position on and before the key `end`
// (empty: no end). `within_of` gives a row's place among those of its key.
template <class Row>
Listing<Row> list_by_prefix(
    const ListQuery& query,
    const std::function<std::vector<Row>(const Position&, const std::string& end, int limit)>&
        fetch,
    const std::function<std::string(const Row&)>& within_of) {
  Listing<Row> listing;
  if (query.limit <= 0) return listing;
  const std::string end = behind_prefix(query.prefix);
  Position position = query.start;
  if (position.key < query.prefix) position = {query.prefix, true, ""};
  const bool flat = query.delimiter.empty();
  int chunk = flat ? query.limit + 1 : 16;
  int taken = 0;
  for (;;) {
    std::vector<Row> rows = fetch(position, end, chunk);
    const bool exhausted = static_cast<int>(rows.size()) < chunk;
    std::string jump;  // rows before it belong to the common prefix just taken
    for (Row& row : rows) {
      if (!jump.empty() && row.key < jump) continue;
      jump.clear();
      if (taken == query.limit) {
        listing.truncated = true;
        return listing;
      }
      ++taken;
      if (auto common = common_prefix(row.key, query.prefix, query.delimiter)) {
        jump = behind_prefix(*common);
        position = {jump, true, ""};
        listing.last = *common;
        listing.last_within.clear();
        listing.common_prefixes.push_back(std::move(*common));
      } else {
        listing.last = row.key;
        listing.last_within = within_of(row);
        position = {row.key, false, listing.last_within};
        listing.rows.push_back(std::move(row));
      }
    }
    if (exhausted) return listing;
    // Folders make long reads a waste; plain keys make short ones one.
    chunk = !jump.empty() ? std::max(2, chunk / 2) : std::min(1024, chunk * 2);
  }
}

}  // namespace slipway::objects
