#include "models/decide.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::models {
namespace {

constexpr std::size_t kMostDecisions = 1000;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

std::string arn_of(const std::string& region, const std::string& account,
                   const std::string& resource) {
  return base::Arn{"sagemaker", region, account, resource}.text();
}

void copy_members(Json& to, const Json& from, std::initializer_list<const char*> members) {
  for (const char* member : members) {
    if (const auto found = from.find(member); found != from.end()) to[member] = *found;
  }
}

void check_container(const Json& container) {
  const bool image = container.contains("Image");
  const bool package = container.contains("ModelPackageName");
  if (image == package) {
    refuse("Each container definition must have either an Image or a ModelPackageName.");
  }
  if (package && (container.contains("ModelDataUrl") || container.contains("ModelDataSource"))) {
    refuse("A container definition with a ModelPackageName takes its model data from there.");
  }
  if (container.contains("ModelDataUrl") && container.contains("ModelDataSource")) {
    refuse("A container definition may have a ModelDataUrl or a ModelDataSource, not both.");
  }
}

void note_decision(Json& document, const Json& input, const wire::Caller& caller,
                   base::Millis now) {
  Json& history = document["ApprovalHistory"];
  if (history.is_null()) history = Json::array();
  if (history.size() >= kMostDecisions) {
    throw Error("ResourceLimitExceeded", "The approval of this model package was changed " +
                                             std::to_string(kMostDecisions) +
                                             " times. Register a new version.");
  }
  Json decision = {{"At", base::epoch_seconds(now)},
                   {"By", caller.arn},
                   {"ModelApprovalStatus", document["ModelApprovalStatus"]}};
  copy_members(decision, input, {"ApprovalDescription"});
  history.push_back(std::move(decision));
}

void update_approval(Json& document, const Json& input, const wire::Caller& caller,
                     base::Millis now) {
  const bool status = input.contains("ModelApprovalStatus");
  const bool description = input.contains("ApprovalDescription");
  if (!status && !description) return;
  if (!document.contains("ModelPackageVersion")) {
    refuse("Only a versioned model package, i.e. one in a group, can be approved or rejected.");
  }
  // A new decision does not inherit the reason of the one before it.
  if (status && input["ModelApprovalStatus"] != document["ModelApprovalStatus"]) {
    document.erase("ApprovalDescription");
  }
  copy_members(document, input, {"ModelApprovalStatus", "ApprovalDescription"});
  note_decision(document, input, caller, now);
}

void update_metadata(Json& document, const Json& input) {
  Json metadata = base::object_or_empty(document, "CustomerMetadataProperties");
  for (const auto& [key, value] :
       base::object_or_empty(input, "CustomerMetadataProperties").items()) {
    metadata[key] = value;
  }
  for (const Json& key : base::array_or_empty(input, "CustomerMetadataPropertiesToRemove")) {
    metadata.erase(key.get<std::string>());
  }
  if (metadata.size() > 50) refuse("A model package has at most 50 CustomerMetadataProperties.");
  if (metadata.empty()) {
    document.erase("CustomerMetadataProperties");
  } else {
    document["CustomerMetadataProperties"] = std::move(metadata);
  }
}

void add_specifications(Json& document, const Json& input) {
  for (const Json& added : base::array_or_empty(input, "AdditionalInferenceSpecificationsToAdd")) {
    Json& specifications = document["AdditionalInferenceSpecifications"];
    if (specifications.is_null()) specifications = Json::array();
    for (const Json& existing : specifications) {
      if (existing["Name"] == added["Name"]) {
        refuse("The model package already has an inference specification named " +
               base::text_or(added, "Name") + ".");
      }
    }
    specifications.push_back(added);
    if (specifications.size() > 15) {
      refuse("A model package has at most 15 AdditionalInferenceSpecifications.");
    }
  }
}

void update_specification(Json& document, const Json& input) {
  const auto found = input.find("InferenceSpecification");
  if (found == input.end()) return;
  const bool approved = base::text_or(document, "ModelApprovalStatus") == "Approved";
  if (approved && document.contains("InferenceSpecification")) {
    refuse("The model package " + base::text_or(document, "ModelPackageArn") +
           " is approved as it is: its InferenceSpecification cannot be changed. Register a new "
           "version.");
  }
  document["InferenceSpecification"] = *found;
}

// The containers to run: those of the named additional specification, or of the main one.
const Json& containers_in(const Json& package, const std::string& specification) {
  if (specification.empty()) {
    return base::array_or_empty(base::object_or_empty(package, "InferenceSpecification"),
                                "Containers");
  }
  const Json& additional = base::array_or_empty(package, "AdditionalInferenceSpecifications");
  for (const Json& candidate : additional) {
    if (base::text_or(candidate, "Name") == specification) {
      return base::array_or_empty(candidate, "Containers");
    }
  }
  refuse("The model package " + base::text_or(package, "ModelPackageArn") +
         " has no inference specification named " + specification + ".");
}

std::string data_url(const Json& container) {
  const std::string url = base::text_or(container, "ModelDataUrl");
  if (!url.empty()) return url;
  const Json& source = base::object_or_empty(container, "ModelDataSource");
  return base::text_or(base::object_or_empty(source, "S3DataSource"), "S3Uri");
}

void add_environment(ServedContainer& served, const Json& container) {
  for (const auto& [name, value] : base::object_or_empty(container, "Environment").items()) {
    served.environment[name] = value.get<std::string>();
  }
}

ServedContainer served_container(const Json& container, bool network) {
  ServedContainer served;
  served.image = base::text_or(container, "Image");
  served.model_data_url = data_url(container);
  served.hostname = base::text_or(container, "ContainerHostname");
  served.network = network;
  add_environment(served, container);
  const std::string digest = base::text_or(container, "ImageDigest");
  if (!digest.empty()) served.image = pinned(served.image, digest);
  return served;
}

}  // namespace

std::string PackageId::path() const {
  return group.empty() ? name : group + "/" + std::to_string(version);
}

std::string PackageId::resource_name() const {
  if (group.empty()) return name;
  const std::string digits = std::to_string(version);
  return group + "/" + std::string(10 - std::min<std::size_t>(10, digits.size()), '0') + digits;
}

PackageId package_id(const std::string& name_or_arn) {
  std::string path = name_or_arn;
  if (const auto arn = base::parse_arn(name_or_arn)) {
    path = arn->resource.substr(arn->resource.find('/') + 1);
  }
  PackageId package;
  const std::size_t slash = path.find('/');
  if (slash == std::string::npos) {
    package.name = path;
    return package;
  }
  const auto version = base::parse_integer(std::string_view(path).substr(slash + 1));
  if (!version || *version < 1 || *version > 9'999'999'999) {
    refuse("The model package version in " + name_or_arn + " is not a number from 1 up.");
  }
  package.group = path.substr(0, slash);
  package.version = *version;
  return package;
}

std::string model_arn(const std::string& region, const std::string& account,
                      const std::string& name) {
  return arn_of(region, account, "model/" + name);
}

std::string group_arn(const std::string& region, const std::string& account,
                      const std::string& name) {
  return arn_of(region, account, "model-package-group/" + name);
}

std::string package_arn(const std::string& region, const std::string& account,
                        const PackageId& package) {
  return arn_of(region, account, "model-package/" + package.path());
}

Json user_context(const wire::Caller& caller) {
  return {{"IamIdentity", {{"Arn", caller.arn}, {"PrincipalId", caller.user_id}}}};
}

Json model_document(const Json& input, const std::string& arn, base::Millis now) {
  const bool primary = input.contains("PrimaryContainer");
  const bool several = !base::array_or_empty(input, "Containers").empty();
  if (primary == several) {
    refuse("A model needs either a PrimaryContainer or Containers, and not both.");
  }
  if (input.contains("InferenceExecutionConfig") && !several) {
    refuse("InferenceExecutionConfig applies to a model with Containers only.");
  }
  Json document = input;
  document.erase("Tags");
  document["ModelArn"] = arn;
  document["CreationTime"] = base::epoch_seconds(now);
  if (!document.contains("EnableNetworkIsolation")) document["EnableNetworkIsolation"] = false;
  const auto complete = [](Json& container) {
    check_container(container);
    // Clients compare what they read with what they wrote plus this default.
    if (!container.contains("Mode")) container["Mode"] = "SingleModel";
  };
  if (primary) complete(document["PrimaryContainer"]);
  if (several) {
    for (Json& container : document["Containers"]) complete(container);
  }
  return document;
}

std::vector<Json> container_definitions(const Json& document) {
  const auto primary = document.find("PrimaryContainer");
  if (primary != document.end()) return {*primary};
  const Json& containers = base::array_or_empty(document, "Containers");
  return std::vector<Json>(containers.begin(), containers.end());
}

void resolve_digests(Json& specification, const DigestOf& digest_of) {
  if (!specification.contains("Containers")) return;
  for (Json& container : specification["Containers"]) {
    const std::string image = base::text_or(container, "Image");
    if (image.empty()) continue;
    const std::optional<std::string> found = digest_of(image);
    if (!found) continue;
    const std::string given = base::text_or(container, "ImageDigest");
    if (!given.empty() && base::lower(given) != *found) {
      refuse("The image " + image + " has the digest " + *found + ", not " + given + ".");
    }
    container["ImageDigest"] = *found;
  }
}

Json package_document(const Json& input, const PackageId& package, const std::string& arn,
                      const wire::Caller& caller, base::Millis now) {
  if (input.contains("ValidationSpecification")) {
    refuse(
        "ValidationSpecification is not supported: evaluate the model in a job and give its "
        "results as ModelMetrics.");
  }
  if (package.group.empty() && input.contains("ModelApprovalStatus")) {
    refuse("ModelApprovalStatus applies to versioned model packages only.");
  }
  Json document = input;
  for (const char* member : {"Tags", "ModelPackageGroupName", "ClientToken"}) {
    document.erase(member);
  }
  document["ModelPackageArn"] = arn;
  document["ModelPackageName"] = package.group.empty() ? package.name : package.group;
  document["ModelPackageStatus"] = "Completed";
  document["ModelPackageStatusDetails"] = {{"ValidationStatuses", Json::array()},
                                           {"ImageScanStatuses", Json::array()}};
  document["CreationTime"] = base::epoch_seconds(now);
  document["CreatedBy"] = user_context(caller);
  document["LastModifiedTime"] = document["CreationTime"];
  document["LastModifiedBy"] = document["CreatedBy"];
  if (package.group.empty()) return document;
  document["ModelPackageGroupName"] = package.group;
  document["ModelPackageVersion"] = package.version;
  if (!document.contains("ModelApprovalStatus")) {
    document["ModelApprovalStatus"] = "PendingManualApproval";
  }
  note_decision(document, input, caller, now);
  return document;
}

void update_package_document(Json& document, const Json& input, const wire::Caller& caller,
                             base::Millis now) {
  update_specification(document, input);
  update_approval(document, input, caller, now);
  update_metadata(document, input);
  add_specifications(document, input);
  copy_members(document, input,
               {"ModelPackageRegistrationType", "SourceUri", "ModelCard", "ModelLifeCycle"});
  document["LastModifiedTime"] = base::epoch_seconds(now);
  document["LastModifiedBy"] = user_context(caller);
}

std::vector<std::string> approval_events(const std::string& before, const std::string& after) {
  if (before == after) return {};
  if (after == "Approved") return {"ModelPackage.Approved"};
  if (after == "Rejected") return {"ModelPackage.Rejected"};
  return {};
}

Json described(const Json& document) {
  Json answer = document;
  answer.erase("ApprovalHistory");
  answer.erase("Evidence");
  return answer;
}

bool may_be_served(const Json& package_document) {
  return !package_document.contains("ModelPackageVersion") ||
         base::text_or(package_document, "ModelApprovalStatus") == "Approved";
}

std::vector<ServedContainer> served_containers(const Json& definition,
                                               const std::optional<Json>& package_document,
                                               bool network) {
  if (!package_document) return {served_container(definition, network)};
  const std::string specification = base::text_or(definition, "InferenceSpecificationName");
  const Json& containers = containers_in(*package_document, specification);
  std::vector<ServedContainer> served;
  for (const Json& container : containers) {
    ServedContainer one = served_container(container, network);
    if (one.image.empty()) {
      refuse("The model package " + base::text_or(*package_document, "ModelPackageArn") +
             " has a container without an image.");
    }
    // What the model says goes before what the package brings.
    add_environment(one, definition);
    const std::string hostname = base::text_or(definition, "ContainerHostname");
    if (!hostname.empty() && containers.size() == 1) one.hostname = hostname;
    served.push_back(std::move(one));
  }
  if (served.empty()) {
    refuse("The model package " + base::text_or(*package_document, "ModelPackageArn") +
           " has no containers to run.");
  }
  return served;
}

std::string pinned(const std::string& image, const std::string& digest) {
  const std::size_t at = image.find('@');
  std::string name = image.substr(0, at);
  // A colon before the last slash separates a port, not a tag.
  const std::size_t slash = name.rfind('/');
  const std::size_t colon = name.find(':', slash == std::string::npos ? 0 : slash);
  return name.substr(0, colon) + "@" + base::lower(digest);
}

}  // namespace slipway::models
