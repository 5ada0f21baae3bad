// The operations on the wire.

#include "models/models.h"

namespace slipway::models {
namespace {

using Create = Json (Models::*)(const wire::Caller&, const Json&);
using Read = Json (Models::*)(const std::string&, const Json&) const;
using Change = Json (Models::*)(const std::string&, const Json&);
using Delete = void (Models::*)(const std::string&, const Json&);

class Registration {
 public:
  Registration(wire::Api& api, Models& models) : api_(api), models_(models) {}

  void on(const char* operation, Create run) {
    add(operation, [&models = models_, run](wire::Call& call) {
      return wire::Reply((models.*run)(call.caller, call.input));
    });
  }
  void on(const char* operation, Read run) {
    add(operation, [&models = models_, run](wire::Call& call) {
      return wire::Reply((models.*run)(call.caller.account, call.input));
    });
  }
  void on(const char* operation, Change run) {
    add(operation, [&models = models_, run](wire::Call& call) {
      return wire::Reply((models.*run)(call.caller.account, call.input));
    });
  }
  void on(const char* operation, Delete run) {
    add(operation, [&models = models_, run](wire::Call& call) {
      (models.*run)(call.caller.account, call.input);
      return wire::Reply();
    });
  }

 private:
  void add(const char* operation, wire::Operation run) {
    api_.on("sagemaker", operation, std::move(run));
  }

  wire::Api& api_;
  Models& models_;
};

}  // namespace

void register_models_api(wire::Api& api, Models& models) {
  Registration operations(api, models);
  operations.on("CreateModel", &Models::create_model);
  operations.on("DescribeModel", &Models::describe_model);
  operations.on("DeleteModel", &Models::delete_model);
  operations.on("ListModels", &Models::list_models);
  operations.on("CreateModelPackageGroup", &Models::create_group);
  operations.on("DescribeModelPackageGroup", &Models::describe_group);
  operations.on("DeleteModelPackageGroup", &Models::delete_group);
  operations.on("ListModelPackageGroups", &Models::list_groups);
  operations.on("CreateModelPackage", &Models::create_package);
  operations.on("DescribeModelPackage", &Models::describe_package);
  operations.on("UpdateModelPackage", &Models::update_package);
  operations.on("DeleteModelPackage", &Models::delete_package);
  operations.on("ListModelPackages", &Models::list_packages);
  operations.on("Search", &Models::search);
  operations.on("AddTags", &Models::add_tags);
  operations.on("ListTags", &Models::list_tags);
  operations.on("DeleteTags", &Models::delete_tags);
}

}  // namespace slipway::models
