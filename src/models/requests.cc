#include "models/requests.h"

#include <algorithm>

#include "base/clock.h"

namespace slipway::models {

store::ListQuery list_query(const std::string& account, const std::string& kind, const Json& input,
                            store::Order default_order) {
  store::ListQuery query;
  query.account = account;
  query.kind = kind;
  if (input.contains("NameContains")) query.name_contains = base::text_or(input, "NameContains");
  const auto instant = [&](const char* member) -> std::optional<base::Millis> {
    if (!input.contains(member)) return std::nullopt;
    return base::from_epoch_seconds(base::number_or(input, member, 0));
  };
  query.created_after = instant("CreationTimeAfter");
  query.created_before = instant("CreationTimeBefore");
  query.sort_by = base::text_or(input, "SortBy") == "Name" ? store::SortBy::kName
                                                           : store::SortBy::kCreationTime;
  query.order = default_order;
  if (input.contains("SortOrder")) {
    query.order = base::text_or(input, "SortOrder") == "Ascending" ? store::Order::kAscending
                                                                   : store::Order::kDescending;
  }
  query.limit =
      static_cast<int>(std::clamp<std::int64_t>(base::integer_or(input, "MaxResults", 10), 1, 100));
  query.next_token = base::text_or(input, "NextToken");
  return query;
}

store::Tags tags_in(const Json& input) {
  store::Tags tags;
  for (const Json& tag : base::array_or_empty(input, "Tags")) {
    tags[base::text_or(tag, "Key")] = base::text_or(tag, "Value");
  }
  return tags;
}

Json tag_list(const store::Tags& tags) {
  Json list = Json::array();
  for (const auto& [key, value] : tags) list.push_back({{"Key", key}, {"Value", value}});
  return list;
}

Json list_answer(const store::Page& page, const char* list_name,
                 std::initializer_list<const char*> members) {
  Json summaries = Json::array();
  for (const store::Resource& resource : page.items) {
    Json summary = Json::object();
    for (const char* member : members) {
      const auto found = resource.document.find(member);
      if (found != resource.document.end()) summary[member] = *found;
    }
    summaries.push_back(std::move(summary));
  }
  Json answer = {{list_name, std::move(summaries)}};
  if (!page.next_token.empty()) answer["NextToken"] = page.next_token;
  return answer;
}

}  // namespace slipway::models
