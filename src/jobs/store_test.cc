#include "jobs/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "jobs/record.h"
#include "store/outbox.h"

namespace slipway::jobs {
namespace {

using testing::ElementsAre;

class JobStoreTest : public testing::Test {
 protected:
  JobStoreTest() {
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    jobs_.emplace(*database_, clock_, JobStoreOptions{.metric_retention = 1'000'000});
  }

  store::Resource a_job(const std::string& token = "") const {
    return new_job({.key = key_, .arn = "arn:" + key_.name, .image_digest = "", .token = token},
                   Json::object(), clock_.now());
  }
  void print(const std::string& metric, double value) {
    database_->write([&](store::Transaction& transaction) {
      record_metric(transaction,
                    {.job = key_, .metric = metric, .value = value, .at = clock_.now()});
    });
  }
  std::vector<std::string> event_types() {
    std::vector<std::string> types;
    database_->read([&](store::Reader& reader) {
      for (const store::Event& event : store::events_after(reader, 0, 100)) {
        types.push_back(event.type);
      }
    });
    return types;
  }

  const JobKey key_{.kind = Kind::kTraining, .account = "1", .name = "iris"};
  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  std::optional<JobStore> jobs_;
};

TEST_F(JobStoreTest, RefusesANameThatIsTaken) {
  jobs_->create(a_job(), {});

  try {
    jobs_->create(a_job(), {});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ResourceInUse");
    EXPECT_EQ(error.message(),
              "Job name must be unique within an AWS account and region, and a job with this name "
              "already exists (arn:iris)");
  }
}

TEST_F(JobStoreTest, TakesARepeatedTokenForTheSameCall) {
  EXPECT_TRUE(jobs_->create(a_job("t1"), {}));
  EXPECT_FALSE(jobs_->create(a_job("t1"), {}));
  EXPECT_THROW(jobs_->create(a_job("t2"), {}), Error);
}

TEST_F(JobStoreTest, DoesNotStoreADecisionOnAnOlderState) {
  jobs_->create(a_job(), {});
  const store::Resource seen = *jobs_->find(key_);
  jobs_->change_now(
      key_, [&](store::Transaction&, store::Resource& job) { request_stop(job, clock_.now()); });

  EXPECT_FALSE(jobs_->change(seen, [&](store::Transaction&, store::Resource& job) {
    enter(job, Phase::kDownloading, "x", clock_.now());
  }));
  EXPECT_EQ(record_of(*jobs_->find(key_)).phase, Phase::kStarting);
}

TEST_F(JobStoreTest, WritesAnEventWithTheBeginningAndTheEnd) {
  jobs_->create(a_job(), {});
  jobs_->change_now(key_, [&](store::Transaction& transaction, store::Resource& job) {
    jobs_->finish(transaction, job, {.ending = Ending::kMaxRuntimeExceeded});
  });

  EXPECT_THAT(event_types(), ElementsAre("TrainingJob.InProgress", "TrainingJob.Stopped"));
}

TEST_F(JobStoreTest, EndsWithTheLastValueOfEachMetric) {
  jobs_->create(a_job(), {});
  print("loss", 0.9);
  print("loss", 0.5);
  print("f1", 0.7);
  clock_.advance(2'000);
  print("loss", 0.25);
  jobs_->change_now(key_, [&](store::Transaction& transaction, store::Resource& job) {
    jobs_->finish(transaction, job, {.ending = Ending::kCompleted});
  });

  const Json metrics = jobs_->find(key_)->document["FinalMetricDataList"];
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0]["MetricName"], "f1");
  EXPECT_EQ(metrics[1]["Value"], 0.25);
  EXPECT_EQ(metrics[1]["Timestamp"], base::epoch_seconds(clock_.now()));
}

TEST_F(JobStoreTest, KeepsOneStatisticSetASecond) {
  print("loss", 0.75);
  print("loss", 0.25);

  std::vector<double> row;
  database_->read([&](store::Reader& reader) {
    reader.query("select samples, total, minimum, maximum, latest from metric_points", {},
                 [&](const store::Row& each) {
                   for (int column = 0; column < 5; ++column) row.push_back(each.number(column));
                 });
  });
  EXPECT_THAT(row, ElementsAre(2, 1.0, 0.25, 0.75, 0.25));
}

TEST_F(JobStoreTest, ForgetsOldPointsWhenAJobEnds) {
  jobs_->create(a_job(), {});
  print("loss", 0.5);
  clock_.advance(2'000'000);
  jobs_->change_now(key_, [&](store::Transaction& transaction, store::Resource& job) {
    jobs_->finish(transaction, job, {.ending = Ending::kCompleted});
  });

  int points = 0;
  database_->read([&](store::Reader& reader) {
    reader.query("select 1 from metric_points", {}, [&](const store::Row&) { ++points; });
  });
  EXPECT_EQ(points, 0);
}

TEST_F(JobStoreTest, CarriesOnFirstWithWhatIsNearestToItsEnd) {
  jobs_->create(a_job(), {});
  const JobKey other{.kind = Kind::kProcessing, .account = "1", .name = "eval"};
  jobs_->create(new_job({.key = other, .arn = "arn:eval", .image_digest = "", .token = ""},
                        Json::object(), clock_.now()),
                {});
  jobs_->change_now(other, [&](store::Transaction&, store::Resource& job) {
    enter(job, Phase::kRunning, "x", clock_.now());
  });

  const auto unfinished = jobs_->unfinished();
  ASSERT_EQ(unfinished.size(), 2u);
  EXPECT_EQ(unfinished[0].name, "eval");
}

}  // namespace
}  // namespace slipway::jobs
