#include "jobs/decide.h"

#include <utility>

namespace slipway::jobs {
namespace {

using Do = Action::Do;

Action just(Do what) { return {.what = what}; }
Action enter(Phase phase) { return {.what = Do::kEnter, .phase = phase}; }
Action end(Ending ending, std::string reason = "", std::string exit_message = "") {
  return {.what = Do::kEnd,
          .ending = ending,
          .reason = std::move(reason),
          .exit_message = std::move(exit_message)};
}

Action waiting_for_place(const Record& record, const Observation& seen) {
  if (record.stop_requested) return end(Ending::kStopped);
  if (seen.has_place) return enter(Phase::kDownloading);
  return record.phase == Phase::kStarting ? enter(Phase::kPending) : just(Do::kWait);
}

Action downloading(const Record& record, const Observation& seen) {
  if (record.stop_requested) return end(Ending::kStopped);
  switch (seen.preparation) {
    case Progress::kNotTried:
      return just(Do::kPrepare);
    case Progress::kFailed:
      return end(Ending::kFailed, seen.preparation_failure);
    case Progress::kDone:
      break;
  }
  return enter(Phase::kRunning);
}

// The phase was recorded, the container was not yet started. Files that an earlier process
// prepared may not have survived a power cut, so this process prepares them again.
Action not_started(const Record& record, const Observation& seen) {
  if (record.stop_requested) return end(Ending::kStopped);
  switch (seen.preparation) {
    case Progress::kNotTried:
      return just(Do::kPrepare);
    case Progress::kFailed:
      return end(Ending::kFailed, seen.preparation_failure);
    case Progress::kDone:
      break;
  }
  return just(Do::kStart);
}

Action running(const Record& record, const Observation& seen) {
  if (seen.runtime_over && !record.runtime_exceeded && !record.stop_requested) {
    return just(Do::kRecordTimeout);
  }
  const bool must_stop = record.stop_requested || record.runtime_exceeded;
  return just(must_stop && !seen.stop_sent ? Do::kStop : Do::kWait);
}

Action exited(const Record& record, const ContainerEnd& how) {
  Action action{.what = Do::kSettle, .exit_message = how.exit_message};
  if (how.cause == ExitCause::kLost) {
    // What a lost container had done is not known, whatever else was asked of it.
    action.ending = Ending::kFailed;
    action.reason = how.failure;
  } else if (record.stop_requested) {
    action.ending = Ending::kStopped;
  } else if (record.runtime_exceeded) {
    action.ending = Ending::kMaxRuntimeExceeded;
  } else if (how.code != 0 || how.cause == ExitCause::kCannotStart) {
    action.ending = Ending::kFailed;
    action.reason = how.failure;
  } else {
    action.ending = Ending::kCompleted;
  }
  return action;
}

Action uploading(const Record& record, const Observation& seen) {
  const Ending ending = record.ending.value_or(Ending::kFailed);
  switch (seen.upload) {
    case Progress::kNotTried:
      return just(Do::kUpload);
    case Progress::kFailed:
      // The first failure is the one to tell.
      return end(Ending::kFailed, ending == Ending::kFailed ? record.reason : seen.upload_failure,
                 record.exit_message);
    case Progress::kDone:
      break;
  }
  return end(ending, record.reason, record.exit_message);
}

}  // namespace

Action decide(const Record& record, const Observation& seen) {
  switch (record.phase) {
    case Phase::kStarting:
    case Phase::kPending:
      return waiting_for_place(record, seen);
    case Phase::kDownloading:
      return downloading(record, seen);
    case Phase::kRunning:
      switch (seen.container) {
        case ContainerState::kAbsent:
          return not_started(record, seen);
        case ContainerState::kRunning:
          return running(record, seen);
        case ContainerState::kExited:
          return exited(record, seen.end.value_or(ContainerEnd{}));
      }
      break;
    case Phase::kUploading:
      return uploading(record, seen);
    case Phase::kEnded:
      break;
  }
  return just(Do::kCleanUp);
}

}  // namespace slipway::jobs
