// Operations on functions: create, read, update, delete, list.

#include <string>
#include <utility>

#include "base/error.h"
#include "functions/decide.h"
#include "functions/functions_state.h"

namespace slipway::functions {
namespace {

constexpr std::int64_t kPage = 50;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

Json output_of(const Room& room, const store::Resource& function,
               const std::string& qualifier = "") {
  return configuration_output(base::object_or_empty(function.document, "Configuration"),
                              room.options.region, function.account, function.name, kLatest,
                              qualifier);
}

void check_kind_of_code(const Json& configuration, const Json& code) {
  const bool image = base::text_or(configuration, "PackageType") == "Image";
  if (image != code.contains("Digest")) {
    refuse(image ? "Please provide ImageUri when updating a function with packageType Image."
                 : "Please don't provide ImageUri when updating a function with packageType Zip.");
  }
}

void check_tags(const Json& tags) {
  if (tags.size() > 50) refuse("A function has at most 50 tags.");
}

wire::Reply create_function(Room& room, wire::Call& call) {
  const Json& input = call.input;
  const Reference reference = reference_of(room, call);
  if (!reference.qualifier.empty()) refuse("A function's name has no qualifier.");
  const std::string& account = call.caller.account;
  Json configuration = new_configuration(input, reference.name);
  room.check_role(call.text("Role"));
  check_tags(base::object_or_empty(input, "Tags"));
  // Before the code is taken in, which may be much work; the store looks again.
  if (room.store.find(account, reference.name)) {
    throw Error("ResourceConflictException", "Function already exist: " + reference.name, 409,
                {{"Type", "User"}});
  }
  Json code = room.take_code(account, base::object_or_empty(input, "Code"));
  check_kind_of_code(configuration, code);
  const base::Millis now = room.clock.now();
  set_code(configuration, code);
  touch(configuration, now);
  store::Resource function{.account = account,
                           .kind = kFunction,
                           .name = reference.name,
                           .parent = "",
                           .status = "Active",
                           .created = now,
                           .modified = now,
                           .document = {{"Configuration", std::move(configuration)},
                                        {"Code", std::move(code)},
                                        {"NextVersion", 1}}};
  store::Tags tags;
  for (const auto& [key, value] : base::object_or_empty(input, "Tags").items()) {
    tags[key] = value.get<std::string>();
  }
  room.store.create(function, tags);
  if (base::boolean_or(input, "Publish", false)) {
    return publish_version(room, account, reference.name, Json::object());
  }
  return output_of(room, function);
}

wire::Reply get_function(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const Reference reference = reference_of(room, call);
  const Target target = room.target(account, reference);
  const std::string arn = function_arn(room.options.region, account, reference.name);
  Json output = {
      {"Configuration", configuration_output(target.configuration, room.options.region, account,
                                             target.name, target.version, reference.qualifier)}};
  if (target.is_image()) {
    output["Code"] = {{"RepositoryType", "ECR"},
                      {"ImageUri", base::text_or(target.code, "ImageUri")},
                      {"ResolvedImageUri", base::text_or(target.code, "ResolvedImageUri")}};
  } else {
    output["Code"] = {{"RepositoryType", "S3"},
                      {"Location", room.download_url(base::text_or(target.code, "Sha256"))}};
  }
  const auto tags = room.store.database().read(
      [&](store::Reader& reader) { return store::tags_of(reader, arn); });
  if (!tags.empty()) output["Tags"] = tags;
  if (target.reserved) {
    output["Concurrency"] = {{"ReservedConcurrentExecutions", *target.reserved}};
  }
  return output;
}

wire::Reply get_configuration(Room& room, wire::Call& call) {
  const Reference reference = reference_of(room, call);
  const Target target = room.target(call.caller.account, reference);
  return configuration_output(target.configuration, room.options.region, call.caller.account,
                              target.name, target.version, reference.qualifier);
}

wire::Reply update_code(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const std::string name = reference_of(room, call).name;
  const store::Resource before = room.store.get(account, name);
  Json code = room.take_code(account, call.input);
  const Json& configuration = base::object_or_empty(before.document, "Configuration");
  check_kind_of_code(configuration, code);
  check_revision(call.input, base::text_or(configuration, "RevisionId"));
  const auto lay_over = [&](store::Resource& function) {
    Json& changed = function.document["Configuration"];
    check_revision(call.input, base::text_or(changed, "RevisionId"));
    if (call.has("Architectures")) changed["Architectures"] = call.input["Architectures"];
    set_code(changed, code);
    touch(changed, room.clock.now());
    function.document["Code"] = code;
  };
  if (base::boolean_or(call.input, "DryRun", false)) {
    store::Resource would_be = before;
    lay_over(would_be);
    return output_of(room, would_be);
  }
  const store::Resource function = room.store.change(
      account, name, [&](store::Transaction&, store::Resource& changed) { lay_over(changed); });
  room.pool.retire(account, name);
  if (base::boolean_or(call.input, "Publish", false)) {
    return publish_version(room, account, name, Json::object());
  }
  return output_of(room, function);
}

wire::Reply update_function_configuration(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const std::string name = reference_of(room, call).name;
  if (call.has("Role")) room.check_role(call.text("Role"));
  const store::Resource function =
      room.store.change(account, name, [&](store::Transaction&, store::Resource& changed) {
        Json& configuration = changed.document["Configuration"];
        check_revision(call.input, base::text_or(configuration, "RevisionId"));
        update_configuration(configuration, call.input);
        touch(configuration, room.clock.now());
      });
  room.pool.retire(account, name);
  return output_of(room, function);
}

void delete_version(Room& room, const std::string& account, const Reference& reference) {
  if (reference.qualifier == kLatest) {
    refuse("$LATEST version cannot be deleted without deleting the function.");
  }
  room.store.get(account, reference.name);
  for (const store::Resource& alias : room.store.children(account, kAlias, reference.name)) {
    if (base::text_or(alias.document, "FunctionVersion") == reference.qualifier) {
      throw Error("ResourceConflictException",
                  "Function version " + reference.qualifier + " is used by the alias " +
                      base::text_or(alias.document, "Name") + ".",
                  409, {{"Type", "User"}});
    }
  }
  room.store.database().write([&](store::Transaction& transaction) {
    store::remove(transaction, account, kVersion, reference.name + ":" + reference.qualifier);
  });
}

wire::Reply delete_function(Room& room, wire::Call& call) {
  const std::string& account = call.caller.account;
  const Reference reference = reference_of(room, call);
  if (reference.qualifier.empty()) {
    room.store.remove(account, reference.name);
  } else {
    delete_version(room, account, reference);
  }
  room.pool.retire(account, reference.name);
  return Json{{"StatusCode", 204}};
}

wire::Reply list_functions(Room& room, wire::Call& call) {
  const bool all = call.text("FunctionVersion") == "ALL";
  const store::Page page = room.store.database().read([&](store::Reader& reader) {
    return store::list(reader, {.account = call.caller.account,
                                .kind = kFunction,
                                .sort_by = store::SortBy::kName,
                                .order = store::Order::kAscending,
                                .limit = static_cast<int>(std::min<std::int64_t>(
                                    base::integer_or(call.input, "MaxItems", kPage), kPage)),
                                .next_token = call.text("Marker")});
  });
  Json functions = Json::array();
  for (const store::Resource& function : page.items) {
    functions.push_back(output_of(room, function, all ? kLatest : ""));
    if (!all) continue;
    for (const auto& version : room.store.children(function.account, kVersion, function.name)) {
      const std::string number = base::text_or(version.document, "Version");
      functions.push_back(configuration_output(
          base::object_or_empty(version.document, "Configuration"), room.options.region,
          function.account, function.name, number, number));
    }
  }
  Json output = {{"Functions", std::move(functions)}};
  if (!page.next_token.empty()) output["NextMarker"] = page.next_token;
  return output;
}

}  // namespace

void register_function_operations(wire::Api& api, Room& room) {
  const auto on = [&](const char* name, wire::Reply (*run)(Room&, wire::Call&)) {
    api.on("lambda", name, [run, &room](wire::Call& call) { return run(room, call); });
  };
  on("CreateFunction", create_function);
  on("GetFunction", get_function);
  on("GetFunctionConfiguration", get_configuration);
  on("UpdateFunctionCode", update_code);
  on("UpdateFunctionConfiguration", update_function_configuration);
  on("DeleteFunction", delete_function);
  on("ListFunctions", list_functions);
}

}  // namespace slipway::functions
