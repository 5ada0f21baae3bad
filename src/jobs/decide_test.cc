#include "jobs/decide.h"

#include <gtest/gtest.h>

namespace slipway::jobs {
namespace {

using Do = Action::Do;

Action of(Do what) { return {.what = what}; }
Action entering(Phase phase) { return {.what = Do::kEnter, .phase = phase}; }
Action ending(Ending how, std::string reason = "") {
  return {.what = Do::kEnd, .ending = how, .reason = std::move(reason)};
}
Action settling(Ending how, std::string reason = "") {
  return {.what = Do::kSettle, .ending = how, .reason = std::move(reason)};
}

Record at(Phase phase) { return {.phase = phase}; }
Record stopping_at(Phase phase) { return {.phase = phase, .stop_requested = true}; }

constexpr auto kRunningContainer = ContainerState::kRunning;

Observation exited(ContainerEnd end) {
  return {.container = ContainerState::kExited, .end = std::move(end)};
}

struct Case {
  std::string name;
  Record record;
  Observation seen;
  Action expected;
};

std::string name_of_case(const testing::TestParamInfo<Case>& each) { return each.param.name; }

class Decide : public testing::TestWithParam<Case> {};

TEST_P(Decide, TakesTheNextStep) {
  EXPECT_EQ(decide(GetParam().record, GetParam().seen), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    BeforeTheContainer, Decide,
    testing::Values(
        Case{"StartingWithAPlace",
             at(Phase::kStarting),
             {.has_place = true},
             entering(Phase::kDownloading)},
        Case{"StartingWithoutAPlace", at(Phase::kStarting), {}, entering(Phase::kPending)},
        Case{"PendingWithoutAPlace", at(Phase::kPending), {}, of(Do::kWait)},
        Case{"PendingWithAPlace",
             at(Phase::kPending),
             {.has_place = true},
             entering(Phase::kDownloading)},
        Case{"StoppedWhilePending", stopping_at(Phase::kPending), {}, ending(Ending::kStopped)},
        Case{"StoppedWhileStarting",
             stopping_at(Phase::kStarting),
             {.has_place = true},
             ending(Ending::kStopped)},
        Case{"NotYetPrepared", at(Phase::kDownloading), {.has_place = true}, of(Do::kPrepare)},
        Case{"Prepared",
             at(Phase::kDownloading),
             {.preparation = Progress::kDone},
             entering(Phase::kRunning)},
        Case{"PreparationFailed",
             at(Phase::kDownloading),
             {.preparation = Progress::kFailed, .preparation_failure = "ClientError: x"},
             ending(Ending::kFailed, "ClientError: x")},
        Case{"StoppedWhileDownloading",
             stopping_at(Phase::kDownloading),
             {},
             ending(Ending::kStopped)}),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    WithTheContainer, Decide,
    testing::Values(
        Case{"FilesOfAnEarlierProcess", at(Phase::kRunning), {}, of(Do::kPrepare)},
        Case{"ReadyToStart", at(Phase::kRunning), {.preparation = Progress::kDone}, of(Do::kStart)},
        Case{"StoppedBeforeItStarted",
             stopping_at(Phase::kRunning),
             {.preparation = Progress::kDone},
             ending(Ending::kStopped)},
        Case{"Runs", at(Phase::kRunning), {.container = kRunningContainer}, of(Do::kWait)},
        Case{"MustStop",
             stopping_at(Phase::kRunning),
             {.container = kRunningContainer},
             of(Do::kStop)},
        Case{"IsStopping",
             stopping_at(Phase::kRunning),
             {.container = kRunningContainer, .stop_sent = true},
             of(Do::kWait)},
        Case{"RunsTooLong",
             at(Phase::kRunning),
             {.container = kRunningContainer, .runtime_over = true},
             of(Do::kRecordTimeout)},
        Case{"RunsTooLongRecorded",
             {.phase = Phase::kRunning, .runtime_exceeded = true},
             {.container = kRunningContainer, .runtime_over = true},
             of(Do::kStop)},
        Case{"RunsTooLongWhileStopping",
             stopping_at(Phase::kRunning),
             {.container = kRunningContainer, .runtime_over = true, .stop_sent = true},
             of(Do::kWait)}),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    AfterTheContainer, Decide,
    testing::Values(
        Case{"Succeeded", at(Phase::kRunning), exited({}), settling(Ending::kCompleted)},
        Case{"Failed", at(Phase::kRunning), exited({.code = 1, .failure = "AlgorithmError: x"}),
             settling(Ending::kFailed, "AlgorithmError: x")},
        Case{"CouldNotStart", at(Phase::kRunning),
             exited({.cause = ExitCause::kCannotStart, .failure = "ClientError: x"}),
             settling(Ending::kFailed, "ClientError: x")},
        Case{"Stopped", stopping_at(Phase::kRunning), exited({.code = 143, .failure = "x"}),
             settling(Ending::kStopped)},
        Case{"OutOfTime",
             {.phase = Phase::kRunning, .runtime_exceeded = true},
             exited({.code = 143, .failure = "x"}),
             settling(Ending::kMaxRuntimeExceeded)},
        Case{"LostEvenWhileStopping", stopping_at(Phase::kRunning),
             exited({.cause = ExitCause::kLost, .failure = "InternalServerError: x"}),
             settling(Ending::kFailed, "InternalServerError: x")},
        Case{"MustUpload",
             {.phase = Phase::kUploading, .ending = Ending::kCompleted},
             {},
             of(Do::kUpload)},
        Case{"Uploaded",
             {.phase = Phase::kUploading, .ending = Ending::kMaxRuntimeExceeded},
             {.upload = Progress::kDone},
             ending(Ending::kMaxRuntimeExceeded)},
        Case{"UploadFailed",
             {.phase = Phase::kUploading, .ending = Ending::kCompleted},
             {.upload = Progress::kFailed, .upload_failure = "ClientError: y"},
             ending(Ending::kFailed, "ClientError: y")},
        Case{"UploadFailedAfterAFailure",
             {.phase = Phase::kUploading, .ending = Ending::kFailed, .reason = "first"},
             {.upload = Progress::kFailed, .upload_failure = "second"},
             ending(Ending::kFailed, "first")},
        Case{"Ended", at(Phase::kEnded), {.has_place = true}, of(Do::kCleanUp)}),
    name_of_case);

}  // namespace
}  // namespace slipway::jobs
