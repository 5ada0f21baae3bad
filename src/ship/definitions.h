#pragma once

// The training and the deployment pipeline of a model as SageMaker pipeline definitions (version
// 2020-12-01): what `slipway ship`, the jobs of a CI pipeline and a retraining all start. The
// definition holds what slipway.yaml says; what differs from run to run is a parameter.

#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "ship/model_spec.h"
#include "ship/smoke.h"

namespace slipway::ship {

// Where a model's data and artifacts lie, and who its jobs run as.
struct Placement {
  std::string account;
  std::string role;    // ARN
  std::string bucket;  // of data and artifacts
  // Channel name to "s3://…": data of the repository has been uploaded.
  std::map<std::string, std::string> channels;
  std::optional<SmokeCheck> smoke;
};

std::string bucket_of(const std::string& account, const ModelSpec& spec);
std::string training_pipeline_name(const std::string& model);    // "tumour-training"
std::string deployment_pipeline_name(const std::string& model);  // "tumour-deployment"

// Parameters of the training pipeline. Every start gives all but Message.
namespace training_parameters {
inline constexpr const char* kImage = "ImageUri";  // by digest
inline constexpr const char* kImageDigest = "ImageDigest";
inline constexpr const char* kVersion = "Version";  // "1.2.0" or, of a retraining, "1.2.0+r1"
inline constexpr const char* kCommit = "Commit";
inline constexpr const char* kDataDigest = "DataDigest";
inline constexpr const char* kMessage = "Message";  // the commit's subject
}  // namespace training_parameters

// Steps Train (Training), Evaluate (Processing, with the property file Evaluation) and Register
// (RegisterModel, PendingManualApproval).
Json training_definition(const ModelSpec& spec, const Placement& placement);

namespace deployment_parameters {
inline constexpr const char* kModelPackage = "ModelPackageArn";
}
// Steps Model, EndpointConfig, Endpoint (created, or updated where it exists) and, where a request
// is recorded, Smoke.
Json deployment_definition(const ModelSpec& spec, const Placement& placement);

}  // namespace slipway::ship
