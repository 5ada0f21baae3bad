#include "jobs/record.h"

#include <algorithm>
#include <cmath>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::jobs {
namespace {

constexpr const char* kRun = "SlipwayRun";

const Json& run_of(const store::Resource& job) { return base::object_or_empty(job.document, kRun); }

Kind kind_of(const store::Resource& job) {
  for (const Kind kind : kKinds) {
    if (names_of(kind).resource == job.kind) return kind;
  }
  base::throw_internal("'" + job.kind + "' is no kind of job");
}

std::string member(std::string_view start, std::string_view rest) {
  return std::string(start) + std::string(rest);
}

void touch(store::Resource& job, base::Millis now) {
  job.modified = now;
  job.document["LastModifiedTime"] = base::epoch_seconds(now);
}

void set_status(store::Resource& job, const std::string& status) {
  job.status = status;
  job.document[member(names_of(kind_of(job)).job, "Status")] = status;
}

// Training jobs alone tell their phases; the last transition ends where the next begins.
void append_transition(store::Resource& job, std::string_view status, const std::string& message,
                       base::Millis now) {
  if (kind_of(job) != Kind::kTraining) return;
  Json& transitions = job.document["SecondaryStatusTransitions"];
  if (!transitions.is_array()) transitions = Json::array();
  if (!transitions.empty()) transitions.back()["EndTime"] = base::epoch_seconds(now);
  transitions.push_back(
      {{"Status", status}, {"StartTime", base::epoch_seconds(now)}, {"StatusMessage", message}});
  job.document["SecondaryStatus"] = status;
}

std::string_view secondary_status_of(Phase phase) {
  return phase == Phase::kRunning ? "Training" : text_of(phase);
}

std::string capitalized(std::string_view noun) {
  std::string text(noun);
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text;
}

std::string message_of_end(Kind kind, Ending ending) {
  const std::string job = capitalized(names_of(kind).noun) + " job ";
  switch (ending) {
    case Ending::kCompleted:
      return job + "completed";
    case Ending::kFailed:
      return job + "failed";
    case Ending::kStopped:
      return job + "stopped";
    case Ending::kMaxRuntimeExceeded:
      break;
  }
  return job + "stopped: its runtime exceeded the MaxRuntimeInSeconds provided";
}

void set_text(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = base::utf8_prefix(text, kReasonLimit);
}

// Clients divide by it, so it is never 0 for a job that ran.
std::int64_t seconds_between(double start, double finish) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(finish - start)));
}

}  // namespace

store::Resource new_job(const NewRun& run, Json described, base::Millis now) {
  const KindNames& names = names_of(run.key.kind);
  store::Resource job{.account = run.key.account,
                      .kind = std::string(names.resource),
                      .name = run.key.name,
                      .created = now,
                      .document = std::move(described)};
  job.document["CreationTime"] = base::epoch_seconds(now);
  job.document[kRun] = {
      {"Phase", text_of(Phase::kStarting)},
      {"Container", container_id(run.key, run.arn)},
      {"Stream", run.key.name + "/algo-1-" + std::to_string(now / 1000)},
      {"Arn", run.arn},
      {"ImageDigest", run.image_digest},
  };
  if (!run.token.empty()) job.document[kRun]["Token"] = run.token;
  set_status(job, "InProgress");
  append_transition(job, "Starting", message_of(run.key.kind, Phase::kStarting, 0), now);
  touch(job, now);
  return job;
}

JobKey key_of(const store::Resource& job) {
  return {.kind = kind_of(job), .account = job.account, .name = job.name};
}

Record record_of(const store::Resource& job) {
  const Json& run = run_of(job);
  const auto phase = parse_phase(base::text_or(run, "Phase"));
  if (!phase) base::throw_internal("job '" + job.name + "' has no phase");
  Record record{.phase = *phase,
                .stop_requested = base::boolean_or(run, "StopRequested", false),
                .runtime_exceeded = base::boolean_or(run, "RuntimeExceeded", false),
                .ending = parse_ending(base::text_or(run, "Ending")),
                .reason = base::text_or(run, "Reason"),
                .exit_message = base::text_or(run, "ExitMessage")};
  return record;
}

std::string container_of(const store::Resource& job) {
  return base::text_or(run_of(job), "Container");
}
std::string stream_of(const store::Resource& job) { return base::text_or(run_of(job), "Stream"); }
std::string arn_of(const store::Resource& job) { return base::text_or(run_of(job), "Arn"); }
std::string token_of(const store::Resource& job) { return base::text_or(run_of(job), "Token"); }
std::string image_digest_of(const store::Resource& job) {
  return base::text_or(run_of(job), "ImageDigest");
}

std::optional<base::Millis> running_since(const store::Resource& job) {
  const Json& run = run_of(job);
  if (!run.contains("RunningSince")) return std::nullopt;
  return base::from_epoch_seconds(base::number_or(run, "RunningSince", 0));
}

Json described(const store::Resource& job) {
  Json document = job.document;
  document.erase(kRun);
  return document;
}

void enter(store::Resource& job, Phase phase, const std::string& message, base::Millis now) {
  const std::string times(names_of(kind_of(job)).times);
  Json& run = job.document[kRun];
  run["Phase"] = text_of(phase);
  if (phase == Phase::kDownloading) job.document[times + "StartTime"] = base::epoch_seconds(now);
  if (phase == Phase::kRunning) run["RunningSince"] = base::epoch_seconds(now);
  append_transition(job, secondary_status_of(phase), message, now);
  touch(job, now);
}

void request_stop(store::Resource& job, base::Millis now) {
  job.document[kRun]["StopRequested"] = true;
  set_status(job, "Stopping");
  append_transition(job, "Stopping",
                    "Stopping the " + std::string(names_of(kind_of(job)).noun) + " job", now);
  touch(job, now);
}

// The primary status stays InProgress: some clients take Stopping for an end, and would
// look for artifacts that are not uploaded yet.
void record_timeout(store::Resource& job, base::Millis now) {
  job.document[kRun]["RuntimeExceeded"] = true;
  append_transition(job, "Stopping", "MaxRuntimeInSeconds is over: stopping the container", now);
  touch(job, now);
}

void settle(store::Resource& job, const Action& action, base::Millis now) {
  Json& run = job.document[kRun];
  run["Ending"] = text_of(action.ending);
  set_text(run, "Reason", action.reason);
  set_text(run, "ExitMessage", action.exit_message);
  enter(job, Phase::kUploading, message_of(kind_of(job), Phase::kUploading, 0), now);
}

void end(store::Resource& job, const Action& action, base::Millis now) {
  const Kind kind = kind_of(job);
  const std::string times(names_of(kind).times);
  Json& document = job.document;
  document[kRun]["Phase"] = text_of(Phase::kEnded);
  const bool over_time = action.ending == Ending::kMaxRuntimeExceeded;
  set_status(job, over_time ? "Stopped" : std::string(text_of(action.ending)));
  set_text(document, "FailureReason", action.reason);
  if (kind == Kind::kProcessing) {
    set_text(document, "ExitMessage", action.exit_message);
    if (over_time) document["FailureReason"] = message_of_end(kind, action.ending);
  }
  document[times + "EndTime"] = base::epoch_seconds(now);
  if (kind == Kind::kTraining && document.contains("TrainingStartTime")) {
    const std::int64_t seconds = seconds_between(base::number_or(document, "TrainingStartTime", 0),
                                                 base::epoch_seconds(now));
    document["TrainingTimeInSeconds"] = seconds;
    document["BillableTimeInSeconds"] = seconds;
  }
  append_transition(job, text_of(action.ending), message_of_end(kind, action.ending), now);
  touch(job, now);
}

std::string message_of(Kind kind, Phase phase, std::size_t places) {
  const std::string noun(names_of(kind).noun);
  switch (phase) {
    case Phase::kStarting:
      return "Starting the " + noun + " job";
    case Phase::kPending:
      return "Waiting for a place: " + std::to_string(places) + " jobs run at a time";
    case Phase::kDownloading:
      return "Downloading the image and the input data";
    case Phase::kRunning:
      return capitalized(noun) + " image download completed. " + capitalized(noun) +
             " in progress.";
    case Phase::kUploading:
      return "Uploading what the " + noun + " job has made";
    case Phase::kEnded:
      break;
  }
  return "";
}

std::string container_id(const JobKey& key, const std::string& arn) {
  // Names differ also by case, ids do not: the digest keeps them apart.
  return std::string(names_of(key.kind).container) + base::lower(key.name) + "-" +
         base::sha256_hex(arn).substr(0, 12);
}

}  // namespace slipway::jobs
