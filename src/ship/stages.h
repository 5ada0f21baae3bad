#pragma once

// The stages from a commit to a live endpoint, defined once: `slipway ship` runs them in a
// row, and a pipeline runs them as jobs. Each reads what earlier ones left in ShipState.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "containers/containers.h"
#include "images/build.h"
#include "images/registry_client.h"
#include "ship/dockerfile.h"
#include "ship/evidence.h"
#include "ship/model_spec.h"
#include "ship/repository.h"
#include "ship/versions.h"
#include "wire/client.h"

namespace slipway::ship {

enum class Approval { kAsk, kYes, kIfBetter };

// What happened, for whoever watches. Called on the thread that ships.
class ShipObserver {
 public:
  virtual ~ShipObserver() = default;
  virtual void started(const std::string& stage, const std::string& summary) = 0;
  virtual void ended(const std::string& stage, std::chrono::milliseconds took,
                     const std::string& note) = 0;
  // A line of the stage's own log.
  virtual void line(const std::string& text) = 0;
  // The evidence is printed and the person asked; nothing where nobody can be asked.
  virtual std::optional<bool> ask(const std::string& evidence, const std::string& question) = 0;
};

// What a stage hands to the next ones. Empty until its stage has run.
struct ShipState {
  std::string account;
  std::string role;
  Version version;
  bool image_is_new = true;  // false: this commit's image is in the registry already
  std::string image;         // with its tag
  std::string image_digest;
  std::string data_digest;
  std::string training_execution;  // ARN
  std::string training_job;
  std::string model_data;  // s3://…/model.tar.gz
  std::string evaluation_job;
  std::string report_uri;
  Metrics metrics;
  std::optional<Metrics> live_metrics;
  std::string live_version;
  std::string model_package;  // ARN
  std::string endpoint;
  std::string deployment_execution;             // ARN
  std::optional<std::filesystem::path> layout;  // what buildah has made of the Dockerfile
  std::optional<images::BuiltImage> built;      // nothing where an earlier one is used again
};

struct ShipContext {
  const ModelSpec& spec;
  const Repository& repository;
  const std::filesystem::path& source;   // the commit's files
  const std::filesystem::path& cache;    // layers, logs
  const std::filesystem::path& scratch;  // of this run
  const std::filesystem::path& storage;  // buildah's
  wire::ServiceClient& services;
  images::RegistryClient& registry;
  const RegistryAccess& registry_access;
  containers::Engine* engine;  // null: there is none here, and no stage that needs one can run
  images::StepRunner& steps;
  const base::Clock& clock;
  ShipObserver& observer;
  Approval approval = Approval::kAsk;
  std::string run;  // a short name of this run, unique, in names of jobs
  ShipState state;
};

struct Stage {
  std::string name;
  std::string summary;
  // Returns one line on what came out of it. Throws Error whose detail() has "log", the command
  // that shows more, where there is one.
  std::function<std::string(ShipContext&)> run;
};
// In their order.
const std::vector<Stage>& stages();

struct StageTime {
  std::string stage;
  std::chrono::milliseconds took{0};
  std::string note;
};

// Runs every stage. Throws Error{StageFailed} with detail {"stage", "log"}; what the stages before
// it made stays and is used by the next try where it is the same.
std::vector<StageTime> run_stages(ShipContext& context);

// Uploads the repository's data and puts the model's pipelines, group and bucket in place; fills in
// version (of a retraining) and data digest. Part of the train stage, and of packaging in CI.
void prepare_pipelines(ShipContext& context);
std::map<std::string, std::string> training_parameters_of(const ShipContext& context);
// The figures of the evaluation report at "s3://…".
Metrics metrics_at(wire::ServiceClient& services, const std::string& report_uri);
// The version that an endpoint serves now, as DescribeModelPackage tells it.
std::optional<Json> live_package(wire::ServiceClient& services, const std::string& endpoint);
// A version's figures, by its evaluation report or else by its metadata. Throws where the report
// cannot be read.
std::optional<Metrics> metrics_of_package(wire::ServiceClient& services, const Json& package);

// The stages, one function each.
std::string validate_stage(ShipContext& context);
std::string build_stage(ShipContext& context);
std::string push_stage(ShipContext& context);
std::string train_stage(ShipContext& context);
std::string evaluate_stage(ShipContext& context);
std::string register_stage(ShipContext& context);
std::string approve_stage(ShipContext& context);
std::string deploy_stage(ShipContext& context);
std::string smoke_stage(ShipContext& context);

}  // namespace slipway::ship
