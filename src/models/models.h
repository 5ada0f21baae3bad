#pragma once

// Models and the registry of model versions (SageMaker's Model, ModelPackageGroup and
// ModelPackage), and the tags of every SageMaker resource.
//
// A model package is one version of a group: an image, trained data and the evidence for
// it. Its number counts up from 1 within the group and is never given twice. It waits for a
// person (PendingManualApproval), who approves or rejects it; who did what and when stays
// in the package. Each change writes an event into the outbox in the same transaction:
// ModelPackage.Created, ModelPackage.Approved, ModelPackage.Rejected; its detail holds the evidence
// (evidence.h).

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "store/database.h"
#include "wire/api.h"

namespace slipway::images {
class Images;
}
namespace slipway::objects {
class Objects;
}
namespace slipway::models {
struct Live;
struct Sources;
}  // namespace slipway::models

namespace slipway::models {

// What a model's container runs; endpoints and transform jobs start it.
struct ServedContainer {
  std::string image;
  std::string model_data_url;  // s3://…, empty where the model brings no data
  std::map<std::string, std::string> environment;
  std::string hostname;  // ContainerHostname; empty where not given
  bool network = false;  // the model names a VpcConfig and does not ask for isolation
};

// A model that an endpoint serves now.
struct ServedModel {
  std::string endpoint;
  std::string model;
};
using ServedModels = std::function<std::vector<ServedModel>(const std::string& account)>;

// Thread-safe.
class Models {
 public:
  // The tables of store/resources.h and store/outbox.h exist. The arguments outlive the object.
  Models(store::Database& database, const base::Clock& clock, images::Images& images,
         objects::Objects& objects, std::string region);

  // The containers of a model in their order, packages resolved to image and data. Throws
  // Error{ValidationException} "Could not find model …", and where a package it names is gone or
  // its model data is not what was registered.
  std::vector<ServedContainer> containers_of(const std::string& account,
                                             const std::string& model_name) const;

  // The ARNs of the packages that a model was made from; empty where there is no such model.
  std::vector<std::string> packages_of(const std::string& account,
                                       const std::string& model_name) const;
  // A new version is compared with the one of its group that an endpoint serves, or else with the
  // newest approved one. Before the operations; `served` is called without a transaction.
  void compare_with(ServedModels served);

  // The operations: input and output of the service model. `caller` is who asks.
  Json create_model(const wire::Caller& caller, const Json& input);
  Json describe_model(const std::string& account, const Json& input) const;
  void delete_model(const std::string& account, const Json& input);
  Json list_models(const std::string& account, const Json& input) const;

  Json create_group(const wire::Caller& caller, const Json& input);
  Json describe_group(const std::string& account, const Json& input) const;
  void delete_group(const std::string& account, const Json& input);
  Json list_groups(const std::string& account, const Json& input) const;

  Json create_package(const wire::Caller& caller, const Json& input);
  Json describe_package(const std::string& account, const Json& input) const;
  Json update_package(const wire::Caller& caller, const Json& input);
  void delete_package(const std::string& account, const Json& input);
  Json list_packages(const std::string& account, const Json& input) const;

  Json search(const std::string& account, const Json& input) const;

  // What SageMaker's own answers have no place for: the package's evidence (evidence.h) with
  // "ModelApprovalStatus" and "ApprovalHistory", a list of {At, By, ModelApprovalStatus,
  // ApprovalDescription}. Throws Error{ValidationException} where there is no such package.
  Json evidence(const std::string& account, const std::string& arn) const;

  // Tags of any SageMaker ARN of the account.
  Json add_tags(const std::string& account, const Json& input);
  Json list_tags(const std::string& account, const Json& input) const;
  void delete_tags(const std::string& account, const Json& input);

 private:
  Sources sources_of(const std::string& account) const;
  void check_data(const std::string& account, const Json& package) const;
  // The newest version of the group that an endpoint serves.
  std::optional<Live> served_version(const std::string& account, const std::string& group) const;

  store::Database& database_;
  const base::Clock& clock_;
  images::Images& images_;
  objects::Objects& objects_;
  const std::string region_;
  ServedModels served_;
};

// Also AddTags, ListTags and DeleteTags for the ARNs of all rooms: a room that creates something
// with Tags stores them with store::set_tags() under the resource's ARN.
void register_models_api(wire::Api& api, Models& models);

}  // namespace slipway::models
