#include "base/ids.h"
#include "images/decide.h"
#include "images/ecr_parts.h"
#include "store/resources.h"

namespace slipway::images {
namespace {

constexpr std::size_t kAllRepositories = 100'000;
constexpr std::size_t kTags = 50;

Json describe(const EcrContext& context, const Repository& repository) {
  Json result{
      {"repositoryArn", context.arn_of({repository.account, repository.name})},
      {"registryId", repository.account},
      {"repositoryName", repository.name},
      {"repositoryUri", context.registry_host() + "/" + repository.name},
      {"createdAt", base::epoch_seconds(repository.created)},
      {"imageTagMutability", repository.tag_mutability},
      {"imageScanningConfiguration", {{"scanOnPush", repository.scan_on_push}}},
      {"encryptionConfiguration", repository.encryption},
  };
  if (!repository.exclusion_filters.empty()) {
    result["imageTagMutabilityExclusionFilters"] = repository.exclusion_filters;
  }
  return result;
}

void read_mutability(const wire::Call& call, Repository& repository) {
  repository.tag_mutability = base::text_or(call.input, "imageTagMutability", "MUTABLE");
  repository.exclusion_filters =
      base::array_or_empty(call.input, "imageTagMutabilityExclusionFilters");
  const bool excludes = repository.tag_mutability.ends_with("_WITH_EXCLUSION");
  if (excludes == repository.exclusion_filters.empty()) {
    throw Error("InvalidParameterException",
                "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy "
                "constraint: 'Filters are given exactly where imageTagMutability excludes.'");
  }
}

store::Tags read_tags(const Json& list) {
  store::Tags tags;
  for (const Json& tag : list) tags[base::text_or(tag, "Key")] = base::text_or(tag, "Value");
  if (tags.size() > kTags) {
    throw Error("TooManyTagsException", "A repository can have at most 50 tags");
  }
  return tags;
}

wire::Reply create_repository(const EcrContext& context, const wire::Call& call) {
  Repository repository;
  repository.account = call.caller.account;
  repository.name = call.text("repositoryName");
  repository.created = context.state.clock.now();
  if (!is_repository_name(repository.name)) {
    throw Error("InvalidParameterException",
                "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy "
                "regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)"
                "*''");
  }
  read_mutability(call, repository);
  const Json& scanning = base::object_or_empty(call.input, "imageScanningConfiguration");
  repository.scan_on_push = base::boolean_or(scanning, "scanOnPush", false);
  const Json& encryption = base::object_or_empty(call.input, "encryptionConfiguration");
  if (base::text_or(encryption, "encryptionType", "AES256") != "AES256") {
    throw Error("KmsException", "This server has no KMS keys; use the encryption type AES256");
  }
  const store::Tags tags = read_tags(base::array_or_empty(call.input, "tags"));
  const RepositoryKey key{repository.account, repository.name};
  context.state.database.write([&](store::Transaction& transaction) {
    if (!insert_repository(transaction, repository)) {
      throw Error("RepositoryAlreadyExistsException",
                  "The repository with name '" + key.name +
                      "' already exists in the registry with id '" + key.account + "'");
    }
    if (!tags.empty()) store::set_tags(transaction, context.arn_of(key), tags);
  });
  return Json{{"repository", describe(context, repository)}};
}

wire::Reply describe_repositories(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  const Json& names = base::array_or_empty(call.input, "repositoryNames");
  Json result{{"repositories", Json::array()}};
  if (!names.empty()) {
    context.state.database.read([&](store::Reader& reader) {
      for (const Json& name : names) {
        result["repositories"].push_back(
            describe(context, get_repository(reader, {key.account, name.get<std::string>()})));
      }
    });
    return result;
  }
  std::vector<std::pair<std::string, Json>> items;
  context.state.database.read([&](store::Reader& reader) {
    for (const auto& found : list_repositories(reader, key.account, "", kAllRepositories)) {
      items.emplace_back(found.name, describe(context, found));
    }
  });
  std::string next;
  for (Json& item : page_by_key(std::move(items), call, next)) {
    result["repositories"].push_back(std::move(item));
  }
  if (!next.empty()) result["nextToken"] = next;
  return result;
}

wire::Reply delete_repository(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  const bool force = base::boolean_or(call.input, "force", false);
  const Repository gone = context.state.database.write([&](store::Transaction& transaction) {
    Repository repository = get_repository(transaction, key);
    if (!force && has_manifests(transaction, key)) {
      throw Error("RepositoryNotEmptyException",
                  "The repository with name '" + key.name + "' in registry with id '" +
                      key.account + "' cannot be deleted because it still contains images");
    }
    images::delete_repository(transaction, key);
    store::remove_all_tags(transaction, context.arn_of(key));
    return repository;
  });
  return Json{{"repository", describe(context, gone)}};
}

wire::Reply put_tag_mutability(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  const Repository changed = context.state.database.write([&](store::Transaction& transaction) {
    Repository repository = get_repository(transaction, key);
    read_mutability(call, repository);
    update_repository(transaction, repository);
    return repository;
  });
  Json result{{"registryId", key.account},
              {"repositoryName", key.name},
              {"imageTagMutability", changed.tag_mutability}};
  if (!changed.exclusion_filters.empty()) {
    result["imageTagMutabilityExclusionFilters"] = changed.exclusion_filters;
  }
  return result;
}

wire::Reply put_scanning(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  const Json& wanted = base::object_or_empty(call.input, "imageScanningConfiguration");
  const bool scan = base::boolean_or(wanted, "scanOnPush", false);
  context.state.database.write([&](store::Transaction& transaction) {
    Repository repository = get_repository(transaction, key);
    repository.scan_on_push = scan;
    update_repository(transaction, repository);
  });
  return Json{{"registryId", key.account},
              {"repositoryName", key.name},
              {"imageScanningConfiguration", {{"scanOnPush", scan}}}};
}

// The repository that a resourceArn names.
RepositoryKey key_of_arn(const EcrContext& context, const wire::Call& call) {
  constexpr std::string_view kPrefix = "repository/";
  const auto arn = base::parse_arn(call.text("resourceArn"));
  if (!arn || arn->service != "ecr" || !arn->resource.starts_with(kPrefix)) {
    throw Error("InvalidParameterException",
                "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'");
  }
  RepositoryKey key{arn->account, arn->resource.substr(kPrefix.size())};
  if (key.account != call.caller.account) throw_repository_missing(key);
  context.state.database.read([&](store::Reader& reader) { get_repository(reader, key); });
  return key;
}

wire::Reply list_tags_for_resource(const EcrContext& context, const wire::Call& call) {
  const std::string arn = context.arn_of(key_of_arn(context, call));
  const store::Tags tags = context.state.database.read(
      [&](store::Reader& reader) { return store::tags_of(reader, arn); });
  Json result{{"tags", Json::array()}};
  for (const auto& [name, value] : tags) {
    result["tags"].push_back(Json{{"Key", name}, {"Value", value}});
  }
  return result;
}

wire::Reply tag_resource(const EcrContext& context, const wire::Call& call) {
  const std::string arn = context.arn_of(key_of_arn(context, call));
  const store::Tags tags = read_tags(base::array_or_empty(call.input, "tags"));
  context.state.database.write(
      [&](store::Transaction& transaction) { store::set_tags(transaction, arn, tags); });
  return Json::object();
}

wire::Reply untag_resource(const EcrContext& context, const wire::Call& call) {
  const std::string arn = context.arn_of(key_of_arn(context, call));
  std::vector<std::string> keys;
  for (const Json& key : base::array_or_empty(call.input, "tagKeys")) {
    keys.push_back(key.get<std::string>());
  }
  context.state.database.write(
      [&](store::Transaction& transaction) { store::remove_tags(transaction, arn, keys); });
  return Json::object();
}

}  // namespace

void register_ecr_repositories(wire::Api& api, const EcrContext& context) {
  using Handler = wire::Reply (*)(const EcrContext&, const wire::Call&);
  const std::pair<const char*, Handler> operations[] = {
      {"CreateRepository", create_repository},
      {"DescribeRepositories", describe_repositories},
      {"DeleteRepository", delete_repository},
      {"PutImageTagMutability", put_tag_mutability},
      {"PutImageScanningConfiguration", put_scanning},
      {"ListTagsForResource", list_tags_for_resource},
      {"TagResource", tag_resource},
      {"UntagResource", untag_resource},
  };
  for (const auto& [name, run] : operations) {
    const Handler handler = run;
    api.on("ecr", name, [context, handler](wire::Call& call) { return handler(context, call); });
  }
}

}  // namespace slipway::images
