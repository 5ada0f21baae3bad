#pragma once

// What a test of this room needs around it: real pipelines, on containers that nobody starts.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "airflow/airflow.h"
#include "airflow/rest.h"
#include "airflow/runs.h"
#include "base/digest.h"
#include "base/ids.h"
#include "iam/iam.h"
#include "pipelines/pipelines.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "wire/sigv4.h"

namespace slipway::airflow {

// The system's time, until it is held.
class HeldClock final : public base::Clock {
 public:
  base::Millis now() const override { return held_ != 0 ? held_.load() : clock_.now(); }
  void hold() { held_ = clock_.now(); }
  void advance(base::Millis by) { held_ = now() + by; }

 private:
  base::SystemClock clock_;
  std::atomic<base::Millis> held_{0};
};

inline Json condition(const std::string& name, const std::string& left, const std::string& right) {
  return {{"Name", name},
          {"Type", "Condition"},
          {"Arguments",
           {{"Conditions",
             {{{"Type", "Equals"},
               {"LeftValue", base::parse_json(left, "left")},
               {"RightValue", base::parse_json(right, "right")}}}},
            {"IfSteps", Json::array()},
            {"ElseSteps", Json::array()}}}};
}

inline Json fail(const std::string& name, const std::string& message) {
  return {{"Name", name}, {"Type", "Fail"}, {"Arguments", {{"ErrorMessage", message}}}};
}

class AirflowRoom : public testing::Test {
 protected:
  static constexpr const char* kAccount = "123456789012";

  AirflowRoom() {
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    iam_.emplace(*database_, clock_, iam::IamOptions{.credentials_file = root_ / "credentials"});
    key_ = iam_->create_access_key("root");
    objects_.emplace(*database_, clock_, store::system_disk(), spool_,
                     objects::ObjectsOptions{.directory = root_ / "objects"});
    images_.emplace(*database_, clock_, store::system_disk(), spool_,
                    images::ImagesOptions{.directory = root_});
    engine_ = containers::Engine::open({.directory = root_ / "containers",
                                        .self = std::filesystem::read_symlink("/proc/self/exe")});
    pump_.emplace(*engine_, logs_);
    jobs_.emplace(*database_, clock_, *objects_, *images_, *engine_, *pump_, logs_, *iam_,
                  jobs::JobsOptions{.directory = root_ / "jobs", .region = "us-east-1"});
    models_.emplace(*database_, clock_, *images_, *objects_, "us-east-1");
    endpoints_.emplace(
        *database_, clock_, *objects_, *images_, *engine_, *pump_, logs_, *iam_,
        [this](const std::string& account, const std::string& model) {
          return models_->containers_of(account, model);
        },
        endpoints::EndpointsOptions{.directory = root_ / "endpoints"});
    functions::FunctionsOptions functions;
    functions.directory = root_ / "functions";
    functions.region = "us-east-1";
    functions_.emplace(*database_, clock_, spool_, *objects_, *images_, *engine_, *pump_, logs_,
                       *iam_, functions);
    pipelines_.emplace(*database_, clock_, events_, *objects_, *jobs_, *models_, *endpoints_,
                       *functions_,
                       pipelines::PipelinesOptions{.region = "us-east-1", .workers = 1});
    api_.emplace(*iam_, clock_, "us-east-1");
    pipelines::register_pipelines_api(*api_, *pipelines_);
    pipelines_->start();
  }

  ~AirflowRoom() override {
    pipelines_.reset();
    functions_.reset();
    endpoints_.reset();
    jobs_.reset();
    pump_.reset();
    engine_.reset();
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  net::Response call(const std::string& service, const std::string& method,
                     const std::string& target, const std::string& operation, const Json& input) {
    net::Request request;
    request.method = method;
    request.target = target;
    request.headers.set("Host", "127.0.0.1:4700");
    request.headers.set("Content-Type", "application/x-amz-json-1.1");
    if (!operation.empty()) request.headers.set("X-Amz-Target", operation);
    const std::string body = base::dump_json(input);
    wire::sign(request, {key_.id, key_.secret, ""}, "us-east-1", service, base::sha256_hex(body),
               clock_.now());
    request.body = net::Body(body);
    return api_->handle(std::move(request));
  }

  // Its parameter Depth is an integer, 7 by default.
  void create(const std::string& name, const std::vector<Json>& steps) {
    const Json depth{{"Name", "Depth"}, {"Type", "Integer"}, {"DefaultValue", 7}};
    const Json definition{
        {"Version", "2020-12-01"}, {"Parameters", Json::array({depth})}, {"Steps", steps}};
    const net::Response made = call("sagemaker", "POST", "/", "SageMaker.CreatePipeline",
                                    {{"PipelineName", name},
                                     {"RoleArn", "arn:aws:iam::123456789012:role/builder"},
                                     {"ClientRequestToken", base::random_text(40, "abcdef")},
                                     {"PipelineDefinition", base::dump_json(definition)}});
    ASSERT_EQ(made.status, 200) << std::get<std::string>(made.body);
  }

  void remove(const std::string& name) {
    const net::Response gone =
        call("sagemaker", "POST", "/", "SageMaker.DeletePipeline",
             {{"PipelineName", name}, {"ClientRequestToken", base::random_text(40, "abcdef")}});
    ASSERT_EQ(gone.status, 200) << std::get<std::string>(gone.body);
  }

  // What a server leaves behind that dies between a run's record and its start.
  void record_without_start(const std::string& dag, const std::string& id,
                            const std::string& conf = "{}") {
    database_->write([&](store::Transaction& transaction) {
      transaction.execute(
          "insert into airflow_runs (account, dag, run_id, execution, conf, note, logical, queued) "
          "values (?, ?, ?, '', ?, '', ?, ?)",
          {kAccount, dag, id, conf, clock_.now(), clock_.now()});
    });
  }

  // Looks every few milliseconds, for at most 20 seconds.
  static bool eventually(const std::function<bool()>& holds) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      never.wait_for(lock, std::chrono::milliseconds(3));
    }
    return true;
  }

  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("airflow-" + base::random_text(12, "abcdefgh"));
  HeldClock clock_;
  const std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  store::Spool spool_{root_ / "spool"};
  store::EventPump events_{*database_};
  std::optional<iam::Iam> iam_;
  iam::AccessKey key_;
  observe::Logs logs_{*database_, clock_};
  std::optional<objects::Objects> objects_;
  std::optional<images::Images> images_;
  std::unique_ptr<containers::Engine> engine_;
  std::optional<containers::LogPump> pump_;
  std::optional<jobs::Jobs> jobs_;
  std::optional<models::Models> models_;
  std::optional<endpoints::Endpoints> endpoints_;
  std::optional<functions::Functions> functions_;
  std::optional<pipelines::Pipelines> pipelines_;
  std::optional<wire::Api> api_;
};

}  // namespace slipway::airflow
