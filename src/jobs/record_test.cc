#include "jobs/record.h"

#include <set>

#include <gtest/gtest.h>

namespace slipway::jobs {
namespace {

constexpr base::Millis kNow = 1'700'000'000'000;

store::Resource a_job(Kind kind = Kind::kTraining) {
  return new_job({.key = {.kind = kind, .account = "123456789012", .name = "Iris-1"},
                  .arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/Iris-1",
                  .image_digest = "sha256:00",
                  .token = ""},
                 Json::object(), kNow);
}

void pass_through(store::Resource& job) {
  enter(job, Phase::kPending, message_of(Kind::kTraining, Phase::kPending, 2), kNow + 1000);
  enter(job, Phase::kDownloading, message_of(Kind::kTraining, Phase::kDownloading, 2), kNow + 2000);
  enter(job, Phase::kRunning, message_of(Kind::kTraining, Phase::kRunning, 2), kNow + 3000);
}

TEST(JobRecord, StartsInProgressWithOneTransition) {
  const Json document = described(a_job());

  EXPECT_EQ(document["TrainingJobStatus"], "InProgress");
  EXPECT_EQ(document["SecondaryStatus"], "Starting");
  ASSERT_EQ(document["SecondaryStatusTransitions"].size(), 1u);
  EXPECT_FALSE(document["SecondaryStatusTransitions"][0].contains("EndTime"));
  EXPECT_FALSE(document.contains("SlipwayRun"));
}

TEST(JobRecord, GivesEveryTransitionItsOwnMessage) {
  store::Resource job = a_job();
  pass_through(job);
  request_stop(job, kNow + 4000);
  settle(job, {.ending = Ending::kStopped}, kNow + 5000);
  end(job, {.ending = Ending::kStopped}, kNow + 6000);

  std::set<std::string> messages;
  const Json& transitions = job.document["SecondaryStatusTransitions"];
  for (const Json& each : transitions) messages.insert(each["StatusMessage"].get<std::string>());
  EXPECT_EQ(messages.size(), 7u);
  EXPECT_EQ(transitions.size(), 7u);
  EXPECT_FALSE(messages.contains(""));
}

TEST(JobRecord, EndsEveryTransitionButTheLast) {
  store::Resource job = a_job();
  pass_through(job);
  const Json& transitions = job.document["SecondaryStatusTransitions"];

  for (std::size_t each = 0; each + 1 < transitions.size(); ++each) {
    EXPECT_EQ(transitions[each]["EndTime"], transitions[each + 1]["StartTime"]);
  }
  EXPECT_FALSE(transitions.back().contains("EndTime"));
}

TEST(JobRecord, EndsWithStatusTimeAndTransitionAtOnce) {
  store::Resource job = a_job();
  pass_through(job);
  settle(job, {.ending = Ending::kFailed, .reason = "AlgorithmError: x"}, kNow + 5000);
  const Record record = record_of(job);
  end(job, {.ending = *record.ending, .reason = record.reason}, kNow + 6500);

  const Json document = described(job);
  EXPECT_EQ(job.status, "Failed");
  EXPECT_EQ(document["TrainingJobStatus"], "Failed");
  EXPECT_EQ(document["FailureReason"], "AlgorithmError: x");
  EXPECT_EQ(document["TrainingEndTime"], base::epoch_seconds(kNow + 6500));
  EXPECT_EQ(document["TrainingTimeInSeconds"], 5);
  EXPECT_EQ(document["SecondaryStatusTransitions"].back()["Status"], "Failed");
  EXPECT_EQ(record_of(job).phase, Phase::kEnded);
}

TEST(JobRecord, CallsAJobThatRanTooLongStopped) {
  store::Resource job = a_job();
  pass_through(job);
  record_timeout(job, kNow + 4000);
  EXPECT_EQ(job.status, "InProgress");
  EXPECT_TRUE(record_of(job).runtime_exceeded);
  end(job, {.ending = Ending::kMaxRuntimeExceeded}, kNow + 6000);

  EXPECT_EQ(job.document["TrainingJobStatus"], "Stopped");
  EXPECT_EQ(job.document["SecondaryStatus"], "MaxRuntimeExceeded");
}

TEST(JobRecord, KeepsTransitionsOutOfProcessingJobs) {
  store::Resource job = a_job(Kind::kProcessing);
  enter(job, Phase::kDownloading, "x", kNow);
  end(job, {.ending = Ending::kCompleted, .exit_message = "done"}, kNow + 1000);

  const Json document = described(job);
  EXPECT_FALSE(document.contains("SecondaryStatusTransitions"));
  EXPECT_EQ(document["ProcessingJobStatus"], "Completed");
  EXPECT_EQ(document["ExitMessage"], "done");
  EXPECT_EQ(document["ProcessingStartTime"], base::epoch_seconds(kNow));
  EXPECT_EQ(document["ProcessingEndTime"], base::epoch_seconds(kNow + 1000));
}

TEST(JobRecord, NamesContainersApartThatDifferOnlyByCase) {
  const JobKey upper{.account = "1", .name = "Iris"};
  const JobKey lower{.account = "1", .name = "iris"};

  EXPECT_NE(container_id(upper, "arn:Iris"), container_id(lower, "arn:iris"));
  EXPECT_TRUE(container_id(upper, "arn:Iris").starts_with("training-iris-"));
}

}  // namespace
}  // namespace slipway::jobs
