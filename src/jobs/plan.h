#pragma once

// What a job's container run consists of, worked out from the job's document alone.
// Pure: each kind has one function that makes it, and one thing (execution.h) carries it out.
// Paths without a leading "/" are below the job's work directory.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "containers/containers.h"
#include "jobs/metrics.h"
#include "jobs/types.h"
#include "objects/objects.h"

namespace slipway::jobs {

struct PlannedInput {
  std::string name;  // the channel or input, for messages
  std::string uri;
  objects::Location from;
  std::filesystem::path into;
  // Whether a prefix without any object is a failure.
  enum class Presence { kRequired, kOptional } presence = Presence::kRequired;
};

struct PlannedMount {
  std::filesystem::path source;
  std::string target;
  containers::Access access = containers::Access::kReadOnly;
};

struct PlannedUpload {
  std::filesystem::path from;
  objects::Location to;
  enum class Form { kFiles, kArchive } form = Form::kFiles;
  enum class When { kAlways, kUnlessFailed, kCompleted } when = When::kAlways;
  bool due(Ending ending) const;
};

struct RunPlan {
  std::string image;  // digest
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> arguments;
  std::map<std::string, std::string> environment;
  std::map<std::filesystem::path, std::string> files;  // written before the start
  std::vector<std::filesystem::path> directories;      // made, writable by any user
  std::vector<PlannedInput> inputs;
  std::vector<PlannedMount> mounts;  // outer before inner
  std::vector<PlannedUpload> uploads;
  std::filesystem::path message;  // where the container leaves its last words
  bool message_is_exit_message = false;
  containers::Network network = containers::Network::kNone;
  std::string instance_type;
  std::int64_t max_runtime_seconds = 0;
  std::vector<MetricDefinition> metrics;
};

// Requires a document that training_document() or processing_document() made.
RunPlan plan_training(const Json& document);
RunPlan plan_processing(const Json& document);

}  // namespace slipway::jobs
