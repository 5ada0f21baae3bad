#pragma once

// Pages of lists: page, per_page, and the headers by which clients walk on.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gitlab/parameters.h"
#include "net/http.h"

namespace slipway::gitlab {

struct PageRequest {
  int page = 1;       // from 1
  int per_page = 20;  // at most 100
  // pagination=keyset: only the link to the next page, no totals.
  bool keyset = false;
  int offset() const { return (page - 1) * per_page; }
};
// Throws where a number is none.
PageRequest page_request(const Parameters& parameters);

// Adds X-Page, X-Per-Page, X-Next-Page, X-Prev-Page, X-Total, X-Total-Pages and Link. The totals
// are left out beyond 10'000, as in GitLab. `address` is absolute, without its query; tokens in the
// query are not repeated.
void add_page_headers(net::Headers& headers, const PageRequest& page, std::int64_t total,
                      const std::string& address, std::string_view query);

// The part of a whole list that the page holds.
template <class Item>
std::vector<Item> slice(const std::vector<Item>& all, const PageRequest& page) {
  const std::size_t from = std::min<std::size_t>(all.size(), page.offset());
  const std::size_t to = std::min<std::size_t>(all.size(), from + page.per_page);
  return {all.begin() + static_cast<std::ptrdiff_t>(from),
          all.begin() + static_cast<std::ptrdiff_t>(to)};
}

}  // namespace slipway::gitlab
