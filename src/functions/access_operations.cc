// Operations on who may call and how often: resource policies, concurrency, tags; and the few that
// this server answers without keeping anything.

#include <string>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "functions/decide.h"
#include "functions/functions_state.h"

namespace slipway::functions {
namespace {

constexpr std::size_t kMostTags = 50;

Json policy_document(const Json& policy) {
  return {{"Version", "2012-10-17"},
          {"Id", "default"},
          {"Statement", base::array_or_empty(policy, "Statement")}};
}

void check_target(const Room& room, const std::string& account, const Reference& reference) {
  room.target(account, reference);  // throws where there is none
}

wire::Reply add_permission(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const Reference reference = reference_of(room, call);
  check_target(room, account, reference);
  const std::string arn =
      function_arn(room.options.region, account, reference.name, reference.qualifier);
  const Json statement = statement_of(call.input, arn);
  room.store.change(account, reference.name, [&](store::Transaction&, store::Resource& function) {
    Json& policy = function.document["Policies"][reference.qualifier];
    check_revision(call.input, base::text_or(policy, "RevisionId"));
    if (!policy.contains("Statement")) policy["Statement"] = Json::array();
    for (const Json& other : policy["Statement"]) {
      if (other["Sid"] == statement["Sid"]) {
        throw Error("ResourceConflictException",
                    "The statement id (" + call.text("StatementId") +
                        ") provided already exists. Please provide a new statement id, or remove "
                        "the existing statement.",
                    409, {{"Type", "User"}});
      }
    }
    policy["Statement"].push_back(statement);
    if (base::dump_json(policy_document(policy)).size() > kMostPolicy) {
      throw Error(
          "PolicyLengthExceededException",
          "The final policy size is bigger than the limit (" + std::to_string(kMostPolicy) + ").",
          400, {{"Type", "User"}});
    }
    policy["RevisionId"] = base::uuid();
  });
  return Json{{"Statement", base::dump_json(statement)}};
}

wire::Reply get_policy(Room& room, wire::Call& call) {
  const Reference reference = reference_of(room, call);
  const store::Resource function = room.store.get(call.caller.account, reference.name);
  const Json& policies = base::object_or_empty(function.document, "Policies");
  const Json& policy = base::object_or_empty(policies, reference.qualifier);
  if (base::array_or_empty(policy, "Statement").empty()) {
    throw_not_found("The resource you requested does not exist.");
  }
  return Json{{"Policy", base::dump_json(policy_document(policy))},
              {"RevisionId", base::text_or(policy, "RevisionId")}};
}

wire::Reply remove_permission(Room& room, wire::Call& call) {
  const Reference reference = reference_of(room, call);
  room.store.change(call.caller.account, reference.name,
                    [&](store::Transaction&, store::Resource& function) {
                      Json& policy = function.document["Policies"][reference.qualifier];
                      check_revision(call.input, base::text_or(policy, "RevisionId"));
                      Json kept = Json::array();
                      for (const Json& statement : base::array_or_empty(policy, "Statement")) {
                        if (base::text_or(statement, "Sid") != call.text("StatementId")) {
                          kept.push_back(statement);
                        }
                      }
                      if (kept.size() == base::array_or_empty(policy, "Statement").size()) {
                        throw_not_found("Statement " + call.text("StatementId") +
                                        " is not found in resource policy.");
                      }
                      policy["Statement"] = std::move(kept);
                      policy["RevisionId"] = base::uuid();
                    });
  return wire::Reply();
}

wire::Reply put_concurrency(Room& room, wire::Call& call) {
  const std::int64_t reserved = base::integer_or(call.input, "ReservedConcurrentExecutions", 0);
  room.store.change(call.caller.account, reference_of(room, call).name,
                    [&](store::Transaction&, store::Resource& function) {
                      function.document["Reserved"] = reserved;
                    });
  return Json{{"ReservedConcurrentExecutions", reserved}};
}

wire::Reply get_concurrency(Room& room, wire::Call& call) {
  const store::Resource function =
      room.store.get(call.caller.account, reference_of(room, call).name);
  Json output = Json::object();
  if (function.document.contains("Reserved")) {
    output["ReservedConcurrentExecutions"] = function.document["Reserved"];
  }
  return output;
}

wire::Reply delete_concurrency(Room& room, wire::Call& call) {
  room.store.change(
      call.caller.account, reference_of(room, call).name,
      [&](store::Transaction&, store::Resource& function) { function.document.erase("Reserved"); });
  return wire::Reply();
}

// The ARN of the function whose tags are meant.
std::string tagged(const Room& room, const wire::Call& call) {
  const Reference reference = room.reference(call.caller.account, call.text("Resource"));
  room.store.get(call.caller.account, reference.name);
  return function_arn(room.options.region, call.caller.account, reference.name);
}

wire::Reply list_tags(Room& room, wire::Call& call) {
  const std::string arn = tagged(room, call);
  const auto tags = room.store.database().read(
      [&](store::Reader& reader) { return store::tags_of(reader, arn); });
  return Json{{"Tags", Json(tags)}};
}

wire::Reply tag_resource(Room& room, wire::Call& call) {
  const std::string arn = tagged(room, call);
  store::Tags tags;
  for (const auto& [key, value] : base::object_or_empty(call.input, "Tags").items()) {
    tags[key] = value.get<std::string>();
  }
  room.store.database().write([&](store::Transaction& transaction) {
    store::set_tags(transaction, arn, tags);
    if (store::tags_of(transaction, arn).size() > kMostTags) {
      throw Error("InvalidParameterValueException", "A function has at most 50 tags.");
    }
  });
  return wire::Reply();
}

wire::Reply untag_resource(Room& room, wire::Call& call) {
  const std::string arn = tagged(room, call);
  const auto keys = base::array_or_empty(call.input, "TagKeys").get<std::vector<std::string>>();
  room.store.database().write(
      [&](store::Transaction& transaction) { store::remove_tags(transaction, arn, keys); });
  return wire::Reply();
}

// There is no code signing here: no configuration's ARN, as Lambda answers where none is set.
wire::Reply get_code_signing(Room& room, wire::Call& call) {
  const std::string name = reference_of(room, call).name;
  room.store.get(call.caller.account, name);
  return Json{{"FunctionName", name}};
}

wire::Reply create_event_source_mapping(Room& room, wire::Call& call) {
  check_target(room, call.caller.account, reference_of(room, call));
  throw Error(
      "InvalidParameterValueException",
      "This server has no queues or streams to map" +
          (call.has("EventSourceArn") ? " (" + call.text("EventSourceArn") + ")" : std::string()) +
          ". Let a topic or a bucket call the function, or invoke it.");
}

}  // namespace

void register_access_operations(wire::Api& api, Room& room) {
  const auto on = [&](const char* name, wire::Reply (*run)(Room&, wire::Call&)) {
    api.on("lambda", name, [run, &room](wire::Call& call) { return run(room, call); });
  };
  on("AddPermission", add_permission);
  on("GetPolicy", get_policy);
  on("RemovePermission", remove_permission);
  on("PutFunctionConcurrency", put_concurrency);
  on("GetFunctionConcurrency", get_concurrency);
  on("DeleteFunctionConcurrency", delete_concurrency);
  on("ListTags", list_tags);
  on("TagResource", tag_resource);
  on("UntagResource", untag_resource);
  on("GetFunctionCodeSigningConfig", get_code_signing);
  on("CreateEventSourceMapping", create_event_source_mapping);
}

}  // namespace slipway::functions
