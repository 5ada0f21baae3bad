#pragma once

// What a client asks of a list: which items, in which order, which page. Pure.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "airflow/runs.h"
#include "base/json.h"

namespace slipway::airflow {

using Parameters = std::vector<std::pair<std::string, std::string>>;  // of a query

struct PageQuery {
  std::size_t limit = 100;  // 100 at most, as in Airflow
  std::size_t offset = 0;
};
// Throws Error{BadRequest} where limit or offset is no number.
PageQuery page_query(const Parameters& parameters);

struct RunQuery {
  PageQuery page;
  std::vector<std::string> states;  // empty: any
  std::string order_by;             // empty: newest first
  bool descending = false;
  struct Bound {
    std::string field;
    bool lowest = false;  // …_gte, else …_lte
    base::Millis at = 0;
  };
  std::vector<Bound> bounds;

  // The newest runs from the offset on: others need not be looked at.
  bool wants_newest() const;
};
// Throws Error{BadRequest} for an order or a time that it does not understand.
RunQuery run_query(const Parameters& parameters);
// The same from the body of dagRuns/list, which names some things otherwise.
Parameters parameters_of_body(const Json& body);

// The runs that are asked for, in the order that is asked for; not yet a page of them.
std::vector<Run> chosen(std::vector<Run> runs, const RunQuery& query);

// A page of `items`.
template <class Item>
std::vector<Item> page_of(std::vector<Item> items, const PageQuery& page) {
  const std::size_t begin = std::min(page.offset, items.size());
  const std::size_t end = begin + std::min(page.limit, items.size() - begin);
  return {std::make_move_iterator(items.begin() + static_cast<std::ptrdiff_t>(begin)),
          std::make_move_iterator(items.begin() + static_cast<std::ptrdiff_t>(end))};
}

}  // namespace slipway::airflow
