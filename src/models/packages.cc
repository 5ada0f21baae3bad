// Model packages: versions of a group, and packages without one.

#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "models/decide.h"
#include "models/evidence.h"
#include "models/models.h"
#include "models/requests.h"
#include "store/outbox.h"
#include "store/resources.h"

namespace slipway::models {
namespace {

// The last number given in a group. Outlives the group: an ARN that was signed once never names
// another model.
constexpr const char* kCounterKind = "model-package-counter";
// Requests by their ClientToken, so that one that is sent twice creates one package.
constexpr const char* kTokenKind = "model-package-token";

[[noreturn]] void refuse_unknown_package(const std::string& arn) {
  throw Error("ValidationException", "Model Package " + arn + " does not exist.");
}

std::int64_t next_version(store::Transaction& transaction, const std::string& account,
                          const std::string& group, base::Millis now) {
  std::optional<store::Resource> counter = store::find(transaction, account, kCounterKind, group);
  if (!counter) {
    store::Resource first;
    first.account = account;
    first.kind = kCounterKind;
    first.name = group;
    first.created = first.modified = now;
    first.document = {{"LastVersion", 1}};
    store::create(transaction, first);
    return 1;
  }
  const std::int64_t version = base::integer_or(counter->document, "LastVersion", 0) + 1;
  counter->document["LastVersion"] = version;
  counter->modified = now;
  store::update(transaction, *counter);
  return version;
}

std::string fingerprint(const Json& input) { return base::sha256_hex(base::dump_json(input)); }

// The ARN that the same request got before.
std::optional<std::string> repeated(store::Reader& reader, const std::string& account,
                                    const Json& input) {
  const std::string token = base::text_or(input, "ClientToken");
  if (token.empty()) return std::nullopt;
  const auto found = store::find(reader, account, kTokenKind, token);
  if (!found) return std::nullopt;
  if (base::text_or(found->document, "Fingerprint") != fingerprint(input)) {
    throw Error("ConflictException",
                "The ClientToken " + token + " was used for another request already.");
  }
  return base::text_or(found->document, "ModelPackageArn");
}

void remember_token(store::Transaction& transaction, const std::string& account, const Json& input,
                    const std::string& arn, base::Millis now) {
  store::Resource token;
  token.account = account;
  token.kind = kTokenKind;
  token.name = base::text_or(input, "ClientToken");
  if (token.name.empty()) return;
  token.parent = arn;
  token.created = token.modified = now;
  token.document = {{"ModelPackageArn", arn}, {"Fingerprint", fingerprint(input)}};
  store::create(transaction, token);
}

void forget_tokens(store::Transaction& transaction, const std::string& account,
                   const std::string& arn) {
  store::ListQuery query;
  query.account = account;
  query.kind = kTokenKind;
  query.parent = arn;
  const store::Page tokens = store::list(transaction, query);
  for (const store::Resource& token : tokens.items) {
    store::remove(transaction, account, kTokenKind, token.name);
  }
}

Json event_detail(const Json& document) {
  Json detail = Json::object();
  for (const char* member :
       {"ModelPackageArn", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageName",
        "ModelApprovalStatus", "ApprovalDescription", "InferenceSpecification",
        "CustomerMetadataProperties", "MetadataProperties", "Evidence"}) {
    if (document.contains(member)) detail[member] = document[member];
  }
  detail["By"] = document["LastModifiedBy"]["IamIdentity"]["Arn"];
  return detail;
}

void append_events(store::Transaction& transaction, const store::Resource& package,
                   const std::vector<std::string>& types) {
  for (const std::string& type : types) {
    store::append(transaction, {.at = package.modified,
                                .account = package.account,
                                .type = type,
                                .subject = base::text_or(package.document, "ModelPackageArn"),
                                .detail = event_detail(package.document)});
  }
}

// The input with the digest of every image that this registry has.
Json with_digests(Json input, const DigestOf& digest_of) {
  if (input.contains("InferenceSpecification")) {
    resolve_digests(input["InferenceSpecification"], digest_of);
  }
  for (const char* member :
       {"AdditionalInferenceSpecifications", "AdditionalInferenceSpecificationsToAdd"}) {
    if (!input.contains(member)) continue;
    for (Json& specification : input[member]) resolve_digests(specification, digest_of);
  }
  return input;
}

std::optional<Live> newest_approved(store::Reader& reader, const std::string& account,
                                    const std::string& group) {
  store::ListQuery query;
  query.account = account;
  query.kind = kPackageKind;
  query.parent = group;
  query.status = "Approved";
  query.sort_by = store::SortBy::kName;
  query.order = store::Order::kDescending;
  query.limit = 1;
  store::Page page = store::list(reader, query);
  if (page.items.empty()) return std::nullopt;
  return Live{std::move(page.items.front().document), ""};
}

bool asks_for_approval(const Json& input) {
  return base::text_or(input, "ModelApprovalStatus") == "Approved";
}

bool replaces_material(const Json& document, const Json& input) {
  return input.contains("InferenceSpecification") && document.contains("InferenceSpecification") &&
         input["InferenceSpecification"] != document["InferenceSpecification"];
}

// What was looked at must be what goes live.
void check_unchanged(const Json& document, const Json& material) {
  const std::vector<std::string> changes =
      changes_of(base::object_or_empty(document, "Evidence"), material);
  if (changes.empty()) return;
  throw Error("ConflictException",
              "The model package " + base::text_or(document, "ModelPackageArn") +
                  " cannot be approved, because it is not what was registered: " +
                  base::join(changes, "; ") + ". Register a new version.");
}

}  // namespace

Json Models::create_package(const wire::Caller& caller, const Json& input) {
  const std::string group = base::name_of(base::text_or(input, "ModelPackageGroupName"));
  if (group.empty() == base::text_or(input, "ModelPackageName").empty()) {
    throw Error("ValidationException",
                "A model package needs either a ModelPackageGroupName or a ModelPackageName.");
  }
  const Sources sources = sources_of(caller.account);
  const Json resolved = with_digests(input, sources.image);
  const Json material =
      material_of(base::object_or_empty(resolved, "InferenceSpecification"), sources);
  const Json metrics = metrics_of(resolved, sources);
  const std::optional<Live> served =
      group.empty() ? std::nullopt : served_version(caller.account, group);
  const std::string arn = database_.write([&](store::Transaction& transaction) {
    if (const auto before = repeated(transaction, caller.account, input)) return *before;
    const base::Millis now = clock_.now();
    PackageId id;
    if (group.empty()) {
      id.name = base::text_or(input, "ModelPackageName");
    } else if (!store::find(transaction, caller.account, kGroupKind, group)) {
      throw Error(
          "ValidationException",
          "Model Package Group " + group_arn(region_, caller.account, group) + " does not exist.");
    } else {
      id.group = group;
      id.version = next_version(transaction, caller.account, group, now);
    }
    store::Resource package;
    package.account = caller.account;
    package.kind = kPackageKind;
    package.name = id.resource_name();
    package.parent = id.group;
    package.created = package.modified = now;
    const std::string created = package_arn(region_, caller.account, id);
    if (store::find(transaction, caller.account, kPackageKind, package.name)) {
      throw Error("ValidationException", "Model Package already exists: " + created);
    }
    package.document = package_document(resolved, id, created, caller, now);
    const bool alone = group.empty() || served;
    package.document["Evidence"] =
        evidence_of(package.document, material, metrics,
                    alone ? served : newest_approved(transaction, caller.account, group));
    package.status = base::text_or(package.document, "ModelApprovalStatus");
    store::create(transaction, package);
    store::set_tags(transaction, created, tags_in(input));
    remember_token(transaction, caller.account, input, created, now);
    append_events(transaction, package, {"ModelPackage.Created"});
    append_events(transaction, package, approval_events("", package.status));
    return created;
  });
  return {{"ModelPackageArn", arn}};
}

std::optional<Live> Models::served_version(const std::string& account,
                                           const std::string& group) const {
  if (!served_) return std::nullopt;
  std::int64_t newest = 0;
  std::string endpoint;
  for (const ServedModel& served : served_(account)) {
    for (const std::string& arn : packages_of(account, served.model)) {
      const PackageId id = package_id(arn);
      if (id.group != group || id.version <= newest) continue;
      newest = id.version;
      endpoint = served.endpoint;
    }
  }
  if (newest == 0) return std::nullopt;
  PackageId id;
  id.group = group;
  id.version = newest;
  auto package = database_.read([&](store::Reader& reader) {
    return store::find(reader, account, kPackageKind, id.resource_name());
  });
  if (!package) return std::nullopt;  // deleted, though it is served
  return Live{std::move(package->document), endpoint};
}

Json Models::describe_package(const std::string& account, const Json& input) const {
  const PackageId id = package_id(base::text_or(input, "ModelPackageName"));
  const auto package = database_.read([&](store::Reader& reader) {
    return store::find(reader, account, kPackageKind, id.resource_name());
  });
  if (!package) refuse_unknown_package(package_arn(region_, account, id));
  return described(package->document);
}

Json Models::update_package(const wire::Caller& caller, const Json& input) {
  const PackageId id = package_id(base::text_or(input, "ModelPackageArn"));
  const std::string arn = package_arn(region_, caller.account, id);
  const Sources sources = sources_of(caller.account);
  const Json resolved = with_digests(input, sources.image);
  const bool other_material = resolved.contains("InferenceSpecification");
  Json material;
  if (other_material) {
    material = material_of(resolved["InferenceSpecification"], sources);
  } else if (asks_for_approval(input)) {
    const auto stored = database_.read([&](store::Reader& reader) {
      return store::find(reader, caller.account, kPackageKind, id.resource_name());
    });
    if (!stored) refuse_unknown_package(arn);
    material =
        material_of(base::object_or_empty(stored->document, "InferenceSpecification"), sources);
  }
  database_.write([&](store::Transaction& transaction) {
    auto package = store::find(transaction, caller.account, kPackageKind, id.resource_name());
    if (!package) refuse_unknown_package(arn);
    const std::string before = package->status;
    package->modified = clock_.now();
    const bool newly_approved = asks_for_approval(input) && before != "Approved";
    const bool replaced = replaces_material(package->document, resolved);
    if (newly_approved && replaced) {
      throw Error("ConflictException", "The model package " + arn +
                                           " cannot be approved by the request that changes its "
                                           "InferenceSpecification. Register a new version.");
    }
    if (newly_approved && !other_material) {
      check_unchanged(package->document, material);
      // What came after its registration is signed now, and fixed from here on.
      package->document["Evidence"].update(material);
    }
    update_package_document(package->document, resolved, caller, package->modified);
    if (other_material) package->document["Evidence"].update(material);
    // The figures are those of what was evaluated.
    if (replaced)
      for (const char* member : {"Metrics", "Live", "Difference"})
        package->document["Evidence"].erase(member);
    package->status = base::text_or(package->document, "ModelApprovalStatus");
    store::update(transaction, *package);
    append_events(transaction, *package, approval_events(before, package->status));
  });
  return {{"ModelPackageArn", arn}};
}

Json Models::evidence(const std::string& account, const std::string& arn) const {
  const PackageId id = package_id(arn);
  const auto package = database_.read([&](store::Reader& reader) {
    return store::find(reader, account, kPackageKind, id.resource_name());
  });
  if (!package) refuse_unknown_package(package_arn(region_, account, id));
  Json answer = base::object_or_empty(package->document, "Evidence");
  for (const char* member : {"ModelApprovalStatus", "ApprovalHistory"})
    if (package->document.contains(member)) answer[member] = package->document[member];
  return answer;
}

void Models::delete_package(const std::string& account, const Json& input) {
  const PackageId id = package_id(base::text_or(input, "ModelPackageName"));
  const std::string arn = package_arn(region_, account, id);
  database_.write([&](store::Transaction& transaction) {
    if (!store::remove(transaction, account, kPackageKind, id.resource_name())) {
      refuse_unknown_package(arn);
    }
    store::remove_all_tags(transaction, arn);
    forget_tokens(transaction, account, arn);
  });
}

Json Models::list_packages(const std::string& account, const Json& input) const {
  store::ListQuery query = list_query(account, kPackageKind, input, store::Order::kAscending);
  const std::string group = base::name_of(base::text_or(input, "ModelPackageGroupName"));
  const std::string type =
      base::text_or(input, "ModelPackageType", group.empty() ? "Unversioned" : "Versioned");
  if (!group.empty()) query.parent = group;
  if (type != "Both") query.has_parent = type == "Versioned";
  if (type == "Versioned") {
    // A version's name is that of its group.
    query.parent_contains = std::exchange(query.name_contains, std::nullopt);
  }
  if (input.contains("ModelApprovalStatus")) {
    query.status = base::text_or(input, "ModelApprovalStatus");
  }
  const store::Page page =
      database_.read([&](store::Reader& reader) { return store::list(reader, query); });
  return list_answer(
      page, "ModelPackageSummaryList",
      {"ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn",
       "ModelPackageDescription", "CreationTime", "ModelPackageStatus", "ModelApprovalStatus",
       "ModelLifeCycle", "ModelPackageRegistrationType"});
}

}  // namespace slipway::models
