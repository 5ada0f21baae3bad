#pragma once

// The state machine of a job that is one container run (training, processing): from
// what is recorded and what is seen, the one next thing to do. Pure; the code that does it is
// in execution.cc. A transform job, which talks to its container, gets a decision of its own
// over the same phases.

#include <optional>
#include <string>

#include "jobs/types.h"

namespace slipway::jobs {

// Recorded in the database.
struct Record {
  Phase phase = Phase::kStarting;
  bool stop_requested = false;    // by Stop…Job
  bool runtime_exceeded = false;  // recorded before the container is stopped for it
  std::optional<Ending> ending;   // from kUploading on
  std::string reason;             // of the ending
  std::string exit_message;
};

// How a step that may be repeated has gone in this process.
enum class Progress { kNotTried, kDone, kFailed };

enum class ContainerState { kAbsent, kRunning, kExited };

// How the container ended; the text in words for a FailureReason.
enum class ExitCause { kOwn, kCannotStart, kLost };
struct ContainerEnd {
  int code = 0;
  ExitCause cause = ExitCause::kOwn;
  std::string failure;       // the whole FailureReason, should this be a failure
  std::string exit_message;  // what a processing container left for it
};

// Seen now, outside the database.
struct Observation {
  bool has_place = false;  // one of the places to run is this job's
  Progress preparation = Progress::kNotTried;
  std::string preparation_failure;
  ContainerState container = ContainerState::kAbsent;
  std::optional<ContainerEnd> end;  // with kExited
  bool runtime_over = false;        // MaxRuntimeInSeconds have gone by
  bool stop_sent = false;           // the container has been told to stop, by this process
  Progress upload = Progress::kNotTried;
  std::string upload_failure;
};

struct Action {
  enum class Do {
    kWait,           // until something changes
    kEnter,          // record `phase`
    kPrepare,        // image, work directory, input data
    kStart,          // the container; idempotent
    kRecordTimeout,  // record that the run time is over
    kStop,           // the container, with grace
    kSettle,         // record ending and reason, enter kUploading
    kUpload,         // by the recorded ending
    kEnd,            // record the end: status, end time, event
    kCleanUp,        // container and work directory go; nothing is left to do
  };
  Do what = Do::kWait;
  Phase phase = Phase::kStarting;      // kEnter
  Ending ending = Ending::kCompleted;  // kSettle, kEnd
  std::string reason;                  // kSettle, kEnd: FailureReason, or empty
  std::string exit_message;            // kSettle, kEnd

  bool operator==(const Action&) const = default;
};

Action decide(const Record& record, const Observation& seen);

}  // namespace slipway::jobs
