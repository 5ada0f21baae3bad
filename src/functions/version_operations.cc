// Operations on versions and aliases.

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "functions/functions_state.h"

namespace slipway::functions {
namespace {

constexpr std::int64_t kPage = 50;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

// Takes a page out of `all`; the marker is the place of its first item.
template <class Item>
std::vector<Item> page_of(std::vector<Item> all, const Json& input, Json& output) {
  const std::string marker = base::text_or(input, "Marker");
  const auto first = marker.empty() ? 0 : base::parse_integer(marker).value_or(-1);
  if (first < 0) refuse("The marker is not one of this list's.");
  const std::int64_t size = base::integer_or(input, "MaxItems", kPage);
  const auto count = static_cast<std::int64_t>(all.size());
  const std::int64_t begin = std::min<std::int64_t>(first, count);
  const std::int64_t end = std::min(begin + size, count);
  if (end < count) output["NextMarker"] = std::to_string(end);
  return std::vector<Item>(all.begin() + begin, all.begin() + end);
}

Json version_output(const Room& room, const std::string& account, const std::string& name,
                    const Json& document) {
  const std::string number = base::text_or(document, "Version");
  return configuration_output(base::object_or_empty(document, "Configuration"), room.options.region,
                              account, name, number, number);
}

wire::Reply publish(Room& room, wire::Call& call) {
  return publish_version(room, call.caller.account, reference_of(room, call).name, call.input);
}

wire::Reply list_versions(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const std::string name = reference_of(room, call).name;
  const store::Resource function = room.store.get(account, name);
  std::vector<Json> all = {
      configuration_output(base::object_or_empty(function.document, "Configuration"),
                           room.options.region, account, name, kLatest, kLatest)};
  for (const store::Resource& version : room.store.children(account, kVersion, name)) {
    all.push_back(version_output(room, account, name, version.document));
  }
  Json output = Json::object();
  output["Versions"] = page_of(std::move(all), call.input, output);
  return output;
}

Json alias_output(const Room& room, const store::Resource& alias) {
  Json output = alias.document;
  output["AliasArn"] = function_arn(room.options.region, alias.account, alias.parent,
                                    base::text_or(alias.document, "Name"));
  return output;
}

[[noreturn]] void no_alias(const Room& room, const std::string& account, const Reference& of,
                           const std::string& alias) {
  throw_not_found("Cannot find alias arn: " +
                  function_arn(room.options.region, account, of.name, alias));
}

void check_versions(store::Reader& reader, const Room& room, const std::string& account,
                    const std::string& name, const Json& alias) {
  const auto check = [&](const std::string& version) {
    if (version != kLatest && !store::find(reader, account, kVersion, name + ":" + version)) {
      throw_not_found("Function not found: " +
                      function_arn(room.options.region, account, name, version));
    }
  };
  check(base::text_or(alias, "FunctionVersion"));
  double sum = 0;
  const Json& routing = base::object_or_empty(alias, "RoutingConfig");
  for (const auto& [version, weight] :
       base::object_or_empty(routing, "AdditionalVersionWeights").items()) {
    check(version);
    sum += weight.get<double>();
  }
  if (sum > 1) refuse("The weights of an alias are at most 1 together.");
}

void lay_over(Json& alias, const Json& request) {
  for (const char* member : {"FunctionVersion", "Description"}) {
    if (request.contains(member)) alias[member] = request[member];
  }
  if (request.contains("RoutingConfig")) {
    alias.erase("RoutingConfig");
    const Json& routing = request["RoutingConfig"];
    if (!base::object_or_empty(routing, "AdditionalVersionWeights").empty()) {
      alias["RoutingConfig"] = routing;
    }
  }
  alias["RevisionId"] = base::uuid();
}

wire::Reply create_alias(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const Reference reference = reference_of(room, call);
  const std::string alias = call.text("Name");
  room.store.get(account, reference.name);
  const base::Millis now = room.clock.now();
  store::Resource resource{.account = account,
                           .kind = kAlias,
                           .name = reference.name + ":" + alias,
                           .parent = reference.name,
                           .status = "Active",
                           .created = now,
                           .modified = now,
                           .document = {{"Name", alias}, {"Description", ""}}};
  lay_over(resource.document, call.input);
  room.store.database().write([&](store::Transaction& transaction) {
    check_versions(transaction, room, account, reference.name, resource.document);
    if (store::find(transaction, account, kAlias, resource.name)) {
      throw Error("ResourceConflictException",
                  "Alias already exists: " +
                      function_arn(room.options.region, account, reference.name, alias),
                  409, {{"Type", "User"}});
    }
    store::create(transaction, resource);
  });
  return alias_output(room, resource);
}

wire::Reply update_alias(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const Reference reference = reference_of(room, call);
  const std::string name = reference.name + ":" + call.text("Name");
  const auto alias = room.store.database().write([&](store::Transaction& transaction) {
    auto found = store::find(transaction, account, kAlias, name);
    if (!found) no_alias(room, account, reference, call.text("Name"));
    check_revision(call.input, base::text_or(found->document, "RevisionId"));
    lay_over(found->document, call.input);
    check_versions(transaction, room, account, reference.name, found->document);
    found->modified = room.clock.now();
    store::update(transaction, *found);
    return std::move(*found);
  });
  return alias_output(room, alias);
}

wire::Reply get_alias(Room& room, wire::Call& call) {
  const Reference reference = reference_of(room, call);
  const auto alias = room.store.find_alias(call.caller.account, reference.name, call.text("Name"));
  if (!alias) no_alias(room, call.caller.account, reference, call.text("Name"));
  return alias_output(room, *alias);
}

wire::Reply delete_alias(Room& room, wire::Call& call) {
  const Reference reference = reference_of(room, call);
  room.store.database().write([&](store::Transaction& transaction) {
    store::remove(transaction, call.caller.account, kAlias,
                  reference.name + ":" + call.text("Name"));
  });
  return wire::Reply();
}

wire::Reply list_aliases(Room& room, wire::Call& call) {
  const Reference reference = reference_of(room, call);
  room.store.get(call.caller.account, reference.name);
  std::vector<Json> all;
  for (const auto& alias : room.store.children(call.caller.account, kAlias, reference.name)) {
    if (call.has("FunctionVersion") &&
        base::text_or(alias.document, "FunctionVersion") != call.text("FunctionVersion")) {
      continue;
    }
    all.push_back(alias_output(room, alias));
  }
  Json output = Json::object();
  output["Aliases"] = page_of(std::move(all), call.input, output);
  return output;
}

}  // namespace

Json publish_version(Room& room, const std::string& account, const std::string& name,
                     const Json& request) {
  Json document;
  room.store.change(account, name, [&](store::Transaction& transaction, store::Resource& function) {
    Json& latest = function.document["Configuration"];
    const std::string revision = base::text_or(latest, "RevisionId");
    check_revision(request, revision);
    const std::string digest = base::text_or(latest, "CodeSha256");
    if (request.contains("CodeSha256") && base::text_or(request, "CodeSha256") != digest) {
      refuse("CodeSHA256 (" + base::text_or(request, "CodeSha256") +
             ") is different from current CodeSHA256 in $LATEST (" + digest +
             "). Please try again with the CodeSHA256 in $LATEST.");
    }
    const std::int64_t next = base::integer_or(function.document, "NextVersion", 1);
    const std::string last = std::to_string(next - 1);
    if (base::text_or(function.document, "PublishedRevision") == revision) {
      if (const auto same = store::find(transaction, account, kVersion, name + ":" + last)) {
        document = same->document;
        return;
      }
    }
    Json configuration = latest;
    if (request.contains("Description")) configuration["Description"] = request["Description"];
    configuration["RevisionId"] = base::uuid();
    document = {{"Version", std::to_string(next)},
                {"Configuration", std::move(configuration)},
                {"Code", function.document["Code"]}};
    const base::Millis now = room.clock.now();
    store::create(transaction, {.account = account,
                                .kind = kVersion,
                                .name = name + ":" + std::to_string(next),
                                .parent = name,
                                .status = "Active",
                                .created = now,
                                .modified = now,
                                .document = document});
    function.document["NextVersion"] = next + 1;
    function.document["PublishedRevision"] = revision;
  });
  return version_output(room, account, name, document);
}

void register_version_operations(wire::Api& api, Room& room) {
  const auto on = [&](const char* name, wire::Reply (*run)(Room&, wire::Call&)) {
    api.on("lambda", name, [run, &room](wire::Call& call) { return run(room, call); });
  };
  on("PublishVersion", publish);
  on("ListVersionsByFunction", list_versions);
  on("CreateAlias", create_alias);
  on("UpdateAlias", update_alias);
  on("GetAlias", get_alias);
  on("DeleteAlias", delete_alias);
  on("ListAliases", list_aliases);
}

}  // namespace slipway::functions
