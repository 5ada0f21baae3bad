// Endpoint configurations, and the lists of both.

#include <utility>

#include "base/error.h"
#include "endpoints/endpoints_state.h"
#include "endpoints/record.h"
#include "store/resources.h"

namespace slipway::endpoints {
namespace {

std::optional<base::Millis> time_in(const Json& input, const char* member) {
  const auto found = input.find(member);
  if (found == input.end() || !found->is_number()) return std::nullopt;
  return base::from_epoch_seconds(found->get<double>());
}

std::optional<std::string> text_in(const Json& input, const char* member) {
  if (!input.contains(member)) return std::nullopt;
  return base::text_or(input, member);
}

store::ListQuery query_of(const std::string& account, const char* kind, const Json& input) {
  store::ListQuery query;
  query.account = account;
  query.kind = kind;
  query.name_contains = text_in(input, "NameContains");
  query.status = text_in(input, "StatusEquals");
  query.created_after = time_in(input, "CreationTimeAfter");
  query.created_before = time_in(input, "CreationTimeBefore");
  query.modified_after = time_in(input, "LastModifiedTimeAfter");
  query.modified_before = time_in(input, "LastModifiedTimeBefore");
  const std::string sort = base::text_or(input, "SortBy", "CreationTime");
  if (sort == "Name") query.sort_by = store::SortBy::kName;
  if (sort == "Status") query.sort_by = store::SortBy::kStatus;
  if (base::text_or(input, "SortOrder") == "Ascending") query.order = store::Order::kAscending;
  query.limit = static_cast<int>(base::integer_or(input, "MaxResults", 10));
  query.next_token = base::text_or(input, "NextToken");
  return query;
}

}  // namespace

Json Endpoints::create_config(const std::string& account, const Json& input) {
  check_config(input, account, state_->models);
  store::Resource resource;
  resource.account = account;
  resource.kind = kEndpointConfigKind;
  resource.name = base::text_or(input, "EndpointConfigName");
  resource.created = resource.modified = state_->clock.now();
  const std::string arn = state_->config_arn(account, resource.name);
  resource.document = input;
  resource.document.erase("Tags");
  resource.document["EndpointConfigArn"] = arn;
  resource.document["CreationTime"] = base::epoch_seconds(resource.created);
  for (Json& variant : resource.document["ProductionVariants"]) {
    if (!variant.contains("InitialVariantWeight")) variant["InitialVariantWeight"] = 1.0;
  }
  store::Tags tags;
  for (const Json& tag : base::array_or_empty(input, "Tags")) {
    tags[base::text_or(tag, "Key")] = base::text_or(tag, "Value");
  }
  state_->database.write([&](store::Transaction& transaction) {
    if (store::find(transaction, account, kEndpointConfigKind, resource.name)) {
      throw Error("ValidationException",
                  "Cannot create already existing endpoint configuration \"" + arn + "\".");
    }
    store::create(transaction, resource);
    store::set_tags(transaction, arn, tags);
  });
  return {{"EndpointConfigArn", arn}};
}

Json Endpoints::describe_config(const std::string& account, const Json& input) const {
  return state_->config(account, base::text_or(input, "EndpointConfigName"));
}

// Endpoints keep what they took from it.
void Endpoints::delete_config(const std::string& account, const Json& input) {
  const std::string name = base::text_or(input, "EndpointConfigName");
  const std::string arn = state_->config_arn(account, name);
  state_->database.write([&](store::Transaction& transaction) {
    if (!store::remove(transaction, account, kEndpointConfigKind, name)) {
      throw Error("ValidationException", "Could not find endpoint configuration \"" + arn + "\".");
    }
    store::remove_all_tags(transaction, arn);
  });
}

Json Endpoints::list_configs(const std::string& account, const Json& input) const {
  const auto query = query_of(account, kEndpointConfigKind, input);
  const store::Page page =
      state_->database.read([&](store::Reader& reader) { return store::list(reader, query); });
  Json answer = {{"EndpointConfigs", Json::array()}};
  for (const store::Resource& resource : page.items) {
    answer["EndpointConfigs"].push_back(
        {{"EndpointConfigName", resource.name},
         {"EndpointConfigArn", state_->config_arn(account, resource.name)},
         {"CreationTime", base::epoch_seconds(resource.created)}});
  }
  if (!page.next_token.empty()) answer["NextToken"] = page.next_token;
  return answer;
}

Json Endpoints::list(const std::string& account, const Json& input) const {
  const auto query = query_of(account, kEndpointKind, input);
  const store::Page page =
      state_->database.read([&](store::Reader& reader) { return store::list(reader, query); });
  Json answer = {{"Endpoints", Json::array()}};
  for (const store::Resource& resource : page.items) {
    answer["Endpoints"].push_back({{"EndpointName", resource.name},
                                   {"EndpointArn", state_->endpoint_arn(account, resource.name)},
                                   {"CreationTime", base::epoch_seconds(resource.created)},
                                   {"LastModifiedTime", base::epoch_seconds(resource.modified)},
                                   {"EndpointStatus", resource.status}});
  }
  if (!page.next_token.empty()) answer["NextToken"] = page.next_token;
  return answer;
}

}  // namespace slipway::endpoints
