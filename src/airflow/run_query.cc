#include "airflow/run_query.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

constexpr std::int64_t kLargestPage = 100;
constexpr std::array<std::string_view, 5> kTimes{"execution_date", "logical_date", "run_after",
                                                 "start_date", "end_date"};
constexpr std::array<std::string_view, 4> kOtherOrders{"id", "dag_run_id", "run_id", "state"};

[[noreturn]] void refuse(const std::string& message) { throw Error("BadRequest", message, 400); }

bool is_time(std::string_view field) {
  return std::find(kTimes.begin(), kTimes.end(), field) != kTimes.end();
}

std::int64_t number_in(const std::string& name, const std::string& text) {
  const auto number = base::parse_integer(text);
  if (!number || *number < 0) refuse("'" + name + "' is not a number: " + text);
  return *number;
}

std::optional<base::Millis> time_of(const Run& run, std::string_view field) {
  if (field == "start_date") return run.state.started;
  if (field == "end_date") return run.state.ended;
  return run.logical;
}

bool fits(const Run& run, const RunQuery& query) {
  const auto& states = query.states;
  if (!states.empty() && std::find(states.begin(), states.end(), run.status()) == states.end()) {
    return false;
  }
  return std::all_of(query.bounds.begin(), query.bounds.end(), [&](const RunQuery::Bound& bound) {
    const auto at = time_of(run, bound.field);
    return at && (bound.lowest ? *at >= bound.at : *at <= bound.at);
  });
}

bool before(const Run& a, const Run& b, const std::string& field) {
  if (is_time(field)) return time_of(a, field).value_or(0) < time_of(b, field).value_or(0);
  if (field == "state") return a.status() < b.status();
  return field == "id" ? a.queued < b.queued : a.id < b.id;
}

void take_order(RunQuery& query, std::string_view value) {
  query.descending = value.starts_with('-');
  if (query.descending) value.remove_prefix(1);
  const bool known = is_time(value) || std::find(kOtherOrders.begin(), kOtherOrders.end(), value) !=
                                           kOtherOrders.end();
  if (!known) {
    refuse("Ordering with '" + std::string(value) +
           "' is disallowed or the attribute does not exist on the model");
  }
  query.order_by = value;
}

}  // namespace

bool RunQuery::wants_newest() const {
  if (!states.empty() || !bounds.empty()) return false;
  return order_by.empty() || (descending && (order_by == "start_date" || order_by == "id"));
}

PageQuery page_query(const Parameters& parameters) {
  PageQuery page;
  for (const auto& [name, value] : parameters) {
    if (name == "limit") {
      page.limit = static_cast<std::size_t>(
          std::clamp<std::int64_t>(number_in(name, value), 1, kLargestPage));
    }
    if (name == "offset") page.offset = static_cast<std::size_t>(number_in(name, value));
  }
  return page;
}

RunQuery run_query(const Parameters& parameters) {
  RunQuery query;
  query.page = page_query(parameters);
  for (const auto& [name, value] : parameters) {
    if (name == "state") {
      for (const std::string& state : base::split(value, ',')) query.states.push_back(state);
    }
    if (name == "order_by" && query.order_by.empty()) take_order(query, value);
    const bool lowest = name.ends_with("_gte");
    if (!lowest && !name.ends_with("_lte")) continue;
    const std::string field = name.substr(0, name.size() - 4);
    if (!is_time(field)) continue;
    const auto at = base::parse_iso8601(value);
    if (!at) refuse("'" + name + "' is not an ISO 8601 time");
    query.bounds.push_back({field, lowest, *at});
  }
  return query;
}

Parameters parameters_of_body(const Json& body) {
  Parameters parameters;
  for (const auto& [name, value] : body.items()) {
    if (value.is_null()) continue;
    if (name == "states") {
      for (const Json& state : base::array_or_empty(body, "states")) {
        if (state.is_string()) parameters.emplace_back("state", state.get<std::string>());
      }
      continue;
    }
    const std::string text = value.is_string() ? value.get<std::string>() : base::dump_json(value);
    parameters.emplace_back(name.starts_with("page_") ? name.substr(5) : name, text);
  }
  return parameters;
}

std::vector<Run> chosen(std::vector<Run> runs, const RunQuery& query) {
  std::erase_if(runs, [&](const Run& run) { return !fits(run, query); });
  std::stable_sort(runs.begin(), runs.end(), [&](const Run& a, const Run& b) {
    if (query.order_by.empty()) return a.queued > b.queued;
    return query.descending ? before(b, a, query.order_by) : before(a, b, query.order_by);
  });
  return runs;
}

}  // namespace slipway::airflow
