// The service with everything below it: real containers on the pseudo-image "host".

#include "jobs/jobs.h"

#include <condition_variable>
#include <fstream>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "jobs/transfer.h"
#include "store/outbox.h"

namespace slipway::jobs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kAccount = "123456789012";
constexpr auto kPatience = 60s;

class JobsTest : public testing::Test {
 protected:
  JobsTest() {
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    iam_.emplace(*database_, clock_, iam::IamOptions{.credentials_file = root_ / "credentials"});
    objects_.emplace(*database_, clock_, store::system_disk(), spool_,
                     objects::ObjectsOptions{.directory = root_ / "objects"});
    images_.emplace(*database_, clock_, store::system_disk(), spool_,
                    images::ImagesOptions{.directory = root_});
    engine_ = containers::Engine::open(
        {.directory = root_ / "containers", .self = fs::read_symlink("/proc/self/exe")});
    pump_.emplace(*engine_, logs_);
    objects_->ensure_bucket(kAccount, "lab");
    open_jobs();
  }

  ~JobsTest() override {
    jobs_.reset();
    for (const std::string& id : engine_->list()) engine_->remove(id);
    pump_.reset();
    engine_.reset();
    images_.reset();
    objects_.reset();
    remove_tree(root_);
  }

  void open_jobs() {
    JobsOptions options{.directory = root_ / "jobs", .max_running = 1, .stop_grace = 10s};
    options.events_written = [this] { changed_.notify_all(); };
    jobs_.emplace(*database_, clock_, *objects_, *images_, *engine_, *pump_, logs_, *iam_, options);
    jobs_->start();
  }

  Json training(const std::string& name, const std::string& script) const {
    return {{"TrainingJobName", name},
            {"RoleArn", "arn:aws:iam::123456789012:role/trainer"},
            {"AlgorithmSpecification",
             {{"TrainingImage", "host"},
              {"TrainingInputMode", "File"},
              {"ContainerEntrypoint", {"/bin/sh", "-c", script}}}},
            {"OutputDataConfig", {{"S3OutputPath", "s3://lab/out"}}},
            {"ResourceConfig",
             {{"InstanceType", "ml.m5.large"}, {"InstanceCount", 1}, {"VolumeSizeInGB", 1}}},
            {"StoppingCondition", {{"MaxRuntimeInSeconds", 600}}}};
  }

  Json describe(const std::string& name, Kind kind = Kind::kTraining) const {
    return jobs_->describe_job(kind, kAccount, name);
  }

  // Waits until `holds`; looked at after each event and every few milliseconds.
  bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::unique_lock lock(mutex_);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      changed_.wait_for(lock, 10ms);
    }
    return true;
  }

  Json ended(const std::string& name, Kind kind = Kind::kTraining) {
    const std::string member = std::string(names_of(kind).times) + "EndTime";
    EXPECT_TRUE(eventually([&] { return describe(name, kind).contains(member); }))
        << describe(name, kind).dump();
    return describe(name, kind);
  }

  bool reached(const std::string& name, const std::string& secondary) {
    return eventually([&] { return describe(name)["SecondaryStatus"] == secondary; });
  }

  // The directory of the only job that runs.
  fs::path work() const { return fs::directory_iterator(root_ / "jobs")->path(); }

  bool has_object(const std::string& key) const {
    return objects_->find(kAccount, "lab", key).has_value();
  }

  const fs::path root_ = fs::path(testing::TempDir()) / ("jobs-" + base::random_hex(12));
  const std::unique_ptr<store::Database> database_ = [this] {
    fs::create_directories(root_);
    return store::Database::open(root_ / "slipway.db");
  }();
  const base::SystemClock clock_;
  store::Spool spool_{root_ / "spool"};
  observe::Logs logs_{*database_, clock_};
  std::optional<iam::Iam> iam_;
  std::optional<objects::Objects> objects_;
  std::optional<images::Images> images_;
  std::unique_ptr<containers::Engine> engine_;
  std::optional<containers::LogPump> pump_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Jobs> jobs_;
};

TEST_F(JobsTest, TrainsFromInputDataToAModel) {
  objects_->put(kAccount, "lab", "data/train/a.csv", "1,2\n");
  Json request =
      training("good",
               "cat /opt/ml/input/data/train/a.csv > /opt/ml/model/weights;"
               " cat /opt/ml/input/config/hyperparameters.json;"
               " echo \"job=$TRAINING_JOB_NAME region=$AWS_REGION\";"
               " echo 'loss=0.5;'; echo 'loss=0.25;'; echo x > /opt/ml/output/data/note");
  request["HyperParameters"] = {{"depth", "3"}};
  request["AlgorithmSpecification"]["MetricDefinitions"] =
      Json::parse(R"([{"Name": "loss", "Regex": "loss=(.*?);"}])");
  request["InputDataConfig"] = Json::parse(R"([{"ChannelName": "train", "DataSource":
      {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://lab/data/train"}}}])");
  const std::string arn = jobs_->create_training_job(kAccount, request);

  const Json job = ended("good");

  EXPECT_EQ(arn, "arn:aws:sagemaker:us-east-1:123456789012:training-job/good");
  ASSERT_EQ(job["TrainingJobStatus"], "Completed") << job.dump();
  EXPECT_EQ(job["FinalMetricDataList"][0]["Value"], 0.25);
  EXPECT_TRUE(job.contains("TrainingStartTime"));
  EXPECT_GE(job["TrainingTimeInSeconds"], 1);
  EXPECT_EQ(job["SecondaryStatusTransitions"].size(), 5u);
  EXPECT_TRUE(has_object("out/good/output/model.tar.gz"));
  EXPECT_TRUE(has_object("out/good/output/output.tar.gz"));
  EXPECT_TRUE(eventually([&] { return engine_->list().empty() && fs::is_empty(root_ / "jobs"); }));
}

TEST_F(JobsTest, CarriesEveryLineIntoOneLogStream) {
  jobs_->create_training_job(kAccount, training("talks", "echo one; echo two >&2"));
  const Json job = ended("talks");

  const auto stream =
      "talks/algo-1-" +
      std::to_string(base::from_epoch_seconds(job["CreationTime"].get<double>()) / 1000);
  EXPECT_EQ(logs_.tail(kAccount, "/aws/sagemaker/TrainingJobs", stream, 10).size(), 2u);
}

TEST_F(JobsTest, FailsWithWhatTheContainerLeft) {
  jobs_->create_training_job(
      kAccount, training("bad", "printf 'no column age' > /opt/ml/output/failure; exit 3"));

  const Json job = ended("bad");

  EXPECT_EQ(job["TrainingJobStatus"], "Failed");
  EXPECT_EQ(job["FailureReason"], "AlgorithmError: no column age, exit code: 3");
  EXPECT_FALSE(has_object("out/bad/output/model.tar.gz"));
}

TEST_F(JobsTest, FailsForTheCallerWhereTheProgramIsNotThere) {
  Json request = training("absent", "");
  request["AlgorithmSpecification"]["ContainerEntrypoint"] = {"/no/such/program"};
  jobs_->create_training_job(kAccount, request);

  EXPECT_THAT(ended("absent")["FailureReason"].get<std::string>(),
              StartsWith("ClientError: CannotStartContainerError: "));
}

TEST_F(JobsTest, FailsForTheCallerWhereThereIsNoInputData) {
  Json request = training("hungry", "true");
  request["InputDataConfig"] = Json::parse(R"([{"ChannelName": "train", "DataSource":
      {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://nowhere/data"}}}])");
  jobs_->create_training_job(kAccount, request);

  EXPECT_THAT(ended("hungry")["FailureReason"].get<std::string>(),
              StartsWith("ClientError: Data download failed: "));
}

TEST_F(JobsTest, StopsWithGraceAndStillUploads) {
  jobs_->create_training_job(kAccount,
                             training("long",
                                      "trap 'echo saved > /opt/ml/model/weights; exit 0' TERM;"
                                      " : > /opt/ml/output/ready; while :; do sleep 0.05; done"));
  ASSERT_TRUE(reached("long", "Training"));
  ASSERT_TRUE(eventually([&] { return fs::exists(work() / "output/ready"); }));
  jobs_->stop_job(Kind::kTraining, kAccount, "long");
  EXPECT_EQ(describe("long")["TrainingJobStatus"], "Stopping");

  const Json job = ended("long");

  EXPECT_EQ(job["TrainingJobStatus"], "Stopped");
  EXPECT_TRUE(has_object("out/long/output/model.tar.gz"));
}

TEST_F(JobsTest, StopsAtTheMaximumRunTime) {
  Json request = training("slow",
                          "trap 'exit 0' TERM; echo half > /opt/ml/model/weights;"
                          " while :; do sleep 0.05; done");
  request["StoppingCondition"]["MaxRuntimeInSeconds"] = 1;
  jobs_->create_training_job(kAccount, request);

  const Json job = ended("slow");

  EXPECT_EQ(job["TrainingJobStatus"], "Stopped");
  EXPECT_EQ(job["SecondaryStatus"], "MaxRuntimeExceeded");
  EXPECT_TRUE(has_object("out/slow/output/model.tar.gz"));
}

TEST_F(JobsTest, CarriesOnAfterARestart) {
  jobs_->create_training_job(kAccount,
                             training("survivor",
                                      "echo run >> /opt/ml/model/runs;"
                                      " until [ -e /opt/ml/output/go ]; do sleep 0.05; done"));
  ASSERT_TRUE(reached("survivor", "Training"));
  ASSERT_TRUE(eventually([&] { return fs::exists(work() / "model/runs"); }));
  jobs_.reset();
  open_jobs();
  std::ofstream(work() / "output/go") << "";
  std::ifstream runs(work() / "model/runs");
  const std::string text{std::istreambuf_iterator<char>(runs), {}};

  const Json job = ended("survivor");

  EXPECT_EQ(job["TrainingJobStatus"], "Completed");
  EXPECT_EQ(text, "run\n");
}

TEST_F(JobsTest, KeepsMoreJobsPendingAndStopsThemAtOnce) {
  jobs_->create_training_job(
      kAccount, training("first", "until [ -e /opt/ml/output/go ]; do sleep 0.05; done"));
  ASSERT_TRUE(reached("first", "Training"));
  jobs_->create_training_job(kAccount, training("second", "true"));
  jobs_->create_training_job(kAccount, training("third", "true"));
  EXPECT_EQ(describe("second")["SecondaryStatus"], "Pending");
  jobs_->stop_job(Kind::kTraining, kAccount, "second");
  EXPECT_EQ(describe("second")["TrainingJobStatus"], "Stopped");
  EXPECT_EQ(describe("third")["SecondaryStatus"], "Pending");
  std::ofstream(work() / "output/go") << "";

  EXPECT_EQ(ended("third")["TrainingJobStatus"], "Completed");
}

TEST_F(JobsTest, RefusesToStopWhatHasEnded) {
  jobs_->create_training_job(kAccount, training("over", "true"));
  ended("over");

  try {
    jobs_->stop_job(Kind::kTraining, kAccount, "over");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    EXPECT_THAT(error.message(), HasSubstr("is in status Completed"));
  }
}

TEST_F(JobsTest, RefusesAnImageThatIsNotThere) {
  Json request = training("ghost", "true");
  request["AlgorithmSpecification"]["TrainingImage"] = "no/such:1";

  try {
    jobs_->create_training_job(kAccount, request);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    EXPECT_THAT(error.message(), HasSubstr("no/such"));
  }
}

TEST_F(JobsTest, DoesNotFollowALinkThatStandsInForTheModel) {
  jobs_->create_training_job(
      kAccount, training("sly", "rm -r /opt/ml/output/data; ln -s /etc /opt/ml/output/data"));

  EXPECT_EQ(ended("sly")["TrainingJobStatus"], "Completed");
  EXPECT_FALSE(has_object("out/sly/output/output.tar.gz"));
}

TEST_F(JobsTest, ProcessesInputsToOutputs) {
  objects_->put(kAccount, "lab", "in/a.txt", "a");
  Json request = Json::parse(R"({
    "ProcessingJobName": "eval", "RoleArn": "arn:aws:iam::123456789012:role/trainer",
    "ProcessingInputs": [{"InputName": "in", "S3Input": {"S3Uri": "s3://lab/in",
      "S3DataType": "S3Prefix", "LocalPath": "/opt/ml/processing/in"}}],
    "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": {
      "S3Uri": "s3://lab/report", "S3UploadMode": "EndOfJob",
      "LocalPath": "/opt/ml/processing/out"}}]},
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large",
                                              "VolumeSizeInGB": 1}}})");
  request["AppSpecification"] = {
      {"ImageUri", "host"},
      {"ContainerEntrypoint",
       {"/bin/sh", "-c",
        "mkdir /opt/ml/processing/out/sub && cp /opt/ml/processing/in/a.txt"
        " /opt/ml/processing/out/sub/ && printf done > /opt/ml/output/message &&"
        " test -f /opt/ml/config/processingjobconfig.json"}}};
  jobs_->create_processing_job(kAccount, request);

  const Json job = ended("eval", Kind::kProcessing);

  EXPECT_EQ(job["ProcessingJobStatus"], "Completed") << job.dump();
  EXPECT_EQ(job["ExitMessage"], "done");
  EXPECT_EQ(objects_->read(kAccount, "lab", "report/sub/a.txt"), "a");
}

}  // namespace
}  // namespace slipway::jobs

int main(int argc, char** argv) {
  // The engine starts this program again as the shim of a container.
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
