// Executions with threads and a database, on services that are told when a step ends.

#include "pipelines/executor.h"

#include <condition_variable>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "pipelines/fake_services_for_test.h"
#include "pipelines/simulation_for_test.h"
#include "store/outbox.h"

namespace slipway::pipelines {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using namespace testing_parts;

class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest() {
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    open();
  }

  void open() {
    executions_.reset();
    executor_.reset();
    executor_.emplace(store_, clock_, services_, ExecutorOptions{.workers = 2});
    executions_.emplace(store_, clock_, catalog_, *executor_, 50);
  }

  void create(const std::string& name, const Steps& steps) {
    catalog_.create(caller(), {{"PipelineName", name},
                               {"RoleArn", "arn:aws:iam::123456789012:role/r"},
                               {"PipelineDefinition", text_of_definition(steps)}});
  }

  std::string start(const std::string& name, Json more = Json::object()) {
    more["PipelineName"] = name;
    return base::text_or(executions_->start(kAccount, more, nullptr), "PipelineExecutionArn");
  }

  Json describe(const std::string& arn) const {
    return executions_->describe(kAccount, {{"PipelineExecutionArn", arn}});
  }

  Json ended(const std::string& arn) const {
    EXPECT_TRUE(services_.eventually([&] {
      return executions_->summary(kAccount, arn)->ended.has_value();
    })) << describe(arn);
    return describe(arn);
  }

  std::vector<std::string> steps(const std::string& arn) const {
    std::vector<std::string> texts;
    for (const StepSummary& step : executions_->steps(kAccount, arn)) {
      texts.push_back(step.name + " " + step.status);
    }
    return texts;
  }

  std::vector<std::string> events() const {
    std::vector<std::string> types;
    for (const auto& event : database_->read(
             [](store::Reader& reader) { return store::events_after(reader, 0, 100); })) {
      types.push_back(event.type);
    }
    return types;
  }

  const std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  const base::SystemClock clock_;
  PipelineStore store_{*database_, clock_};
  FakeServices services_;
  Catalog catalog_{store_, clock_, {}, "us-east-1"};
  std::optional<Executor> executor_;
  std::optional<Executions> executions_;
};

TEST_F(ExecutorTest, RunsAnExecutionToItsEnd) {
  create("Demo", {training("A"), condition("C", 1, 1, {training("B")}, {}, {"A"})});
  executor_->start();

  const std::string arn = start("Demo");
  const Json execution = ended(arn);

  EXPECT_THAT(arn,
              testing::MatchesRegex(
                  "arn:aws:sagemaker:us-east-1:123456789012:pipeline/demo/execution/[a-z0-9]+"));
  EXPECT_EQ(execution["PipelineExecutionStatus"], "Succeeded");
  EXPECT_THAT(steps(arn), ElementsAre("A Succeeded", "C Succeeded", "B Succeeded"));
  EXPECT_THAT(events(), ElementsAre("PipelineExecution.Started", "PipelineExecution.Succeeded"));
  EXPECT_TRUE(services_.eventually([&] { return executor_->unfinished() == 0; }));
}

TEST_F(ExecutorTest, TellsWhyAnExecutionFailed) {
  create("Demo", {training("A")});
  services_.fail("A", "AlgorithmError: no");
  executor_->start();

  const Json execution = ended(start("Demo"));

  EXPECT_EQ(execution["PipelineExecutionStatus"], "Failed");
  EXPECT_THAT(base::text_or(execution, "FailureReason"), HasSubstr("A: AlgorithmError: no"));
  const auto last =
      database_->read([](store::Reader& reader) { return store::events_after(reader, 1, 1); });
  EXPECT_EQ(last[0].type, "PipelineExecution.Failed");
  EXPECT_EQ(last[0].detail["Step"], "A");
}

TEST_F(ExecutorTest, StartsOnceForOneToken) {
  create("Demo", {condition("C", 1, 1)});
  executor_->start();
  const Json token{{"ClientRequestToken", "one"}};

  EXPECT_EQ(start("Demo", token), start("Demo", token));
  EXPECT_NE(start("Demo", token), start("Demo"));
  EXPECT_EQ(start("demo", token), start("Demo", token));
}

TEST_F(ExecutorTest, TakesATokenForRepetitionOnlyOnTheSameThing) {
  create("Demo", {training("A")});
  create("Other", {training("A")});
  services_.hold("A");
  executor_->start();
  const Json token{{"ClientRequestToken", "one"}};

  const std::string first = start("Demo", token);
  const std::string second = start("Other", token);
  EXPECT_THAT(second, HasSubstr(":pipeline/other/execution/"));
  for (const std::string& arn : {first, second}) {
    executions_->stop(kAccount, {{"PipelineExecutionArn", arn}, {"ClientRequestToken", "stop"}});
    EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Stopped");
  }
}

TEST_F(ExecutorTest, KeepsTheParallelismThatWasSetLast) {
  create("Demo", {training("A")});
  services_.fail("A", "AlgorithmError: no");
  executor_->start();
  const std::string arn = start("Demo");
  ended(arn);
  const auto with = [&](int most) {
    return Json{{"PipelineExecutionArn", arn},
                {"ParallelismConfiguration", {{"MaxParallelExecutionSteps", most}}}};
  };
  const auto loaded = [&] {
    return store_.load({kAccount, arn.substr(arn.rfind('/') + 1)})->info.parallelism;
  };

  executions_->retry(kAccount, with(7));
  ended(arn);
  EXPECT_EQ(loaded(), 7);
  executions_->update(kAccount, with(5));
  EXPECT_EQ(loaded(), 5);
}

TEST_F(ExecutorTest, TakesResultsOnlyFromWhatHasEnded) {
  create("Demo", {training("A"), training("B", {"A"})});
  services_.hold("B");
  executor_->start();
  const std::string source = start("Demo");
  ASSERT_TRUE(services_.eventually([&] { return services_.looks("B") > 0; }));
  const Json selective{{"SelectiveExecutionConfig",
                        {{"SourcePipelineExecutionArn", source},
                         {"SelectedSteps", Json::array({{{"StepName", "B"}}})}}}};
  const auto refusal = [&] {
    try {
      start("Demo", selective);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("accepted");
  };

  EXPECT_THAT(refusal(), HasSubstr("an execution that has not ended"));
  services_.release("B");
  for (const Wait& wait : store_.open_waits()) executor_->call(wait);
  ended(source);
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(ExecutorTest, ChecksParameters) {
  create("Demo", {condition("C", 1, 1)});
  const auto refused = [&](Json parameters) {
    try {
      start("Demo", {{"PipelineParameters", std::move(parameters)}});
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("accepted");
  };

  EXPECT_EQ(refused(Json::array({{{"Name", "Count"}, {"Value", "5"}}})), "accepted");
  EXPECT_THAT(refused(Json::array({{{"Name", "Count"}, {"Value", "x"}}})),
              HasSubstr("declared type"));
  EXPECT_THAT(refused(Json::array({{{"Name", "Z"}, {"Value", "x"}}})),
              HasSubstr("undefined parameter(s): [Z]"));
}

TEST_F(ExecutorTest, CarriesOnWhereItWasStopped) {
  create("Demo", {training("A"), training("B", {"A"})});
  services_.hold("A");
  executor_->start();
  const std::string arn = start("Demo");
  ASSERT_TRUE(services_.eventually([&] { return services_.looks("A") > 0; }));
  executor_->stop();
  open();

  executor_->start();
  services_.release("A");
  for (const Wait& wait : store_.open_waits()) executor_->call(wait);

  EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Succeeded");
  EXPECT_THAT(services_.tokens("A"), SizeIs(1));
  EXPECT_THAT(services_.tokens("B"), SizeIs(1));
}

TEST_F(ExecutorTest, StopsAndRetries) {
  create("Demo", {training("A")});
  services_.hold("A");
  executor_->start();
  const std::string arn = start("Demo");
  const Json named{{"PipelineExecutionArn", arn}};
  ASSERT_TRUE(services_.eventually([&] { return services_.looks("A") > 0; }));

  executions_->stop(kAccount, named);
  EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Stopped");
  EXPECT_THROW(executions_->stop(kAccount, named), Error);
  services_.release("A");
  executions_->retry(kAccount, named);

  EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Succeeded");
  EXPECT_THAT(services_.tokens("A"), SizeIs(2));
  EXPECT_THAT(events(), ElementsAre("PipelineExecution.Started", "PipelineExecution.Stopped",
                                    "PipelineExecution.Started", "PipelineExecution.Succeeded"));
}

TEST_F(ExecutorTest, AnswersCallbacksOnce) {
  create("Demo", {Json{{"Name", "Ask"},
                       {"Type", "Callback"},
                       {"SqsQueueUrl", "q"},
                       {"Arguments", {{"question", "why?"}}}}});
  executor_->start();
  const std::string arn = start("Demo");
  ASSERT_TRUE(services_.eventually([&] { return !store_.open_waits().empty(); }));
  const std::string token =
      base::text_or(executions_->steps(kAccount, arn)[0].metadata["Callback"], "CallbackToken");
  const Json answer{{"CallbackToken", token}, {"ClientRequestToken", "once"}};
  const auto asked =
      database_->read([](store::Reader& reader) { return store::events_after(reader, 1, 1); });
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].type, "PipelineExecution.CallbackWaiting");
  EXPECT_EQ(asked[0].subject, arn);
  EXPECT_EQ(asked[0].detail["CallbackToken"], token);
  EXPECT_EQ(asked[0].detail["Step"], "Ask");
  EXPECT_EQ(asked[0].detail["Arguments"], (Json{{"question", "why?"}}));

  EXPECT_EQ(executions_->answer(kAccount, answer, true)["PipelineExecutionArn"], arn);
  EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Succeeded");
  EXPECT_EQ(executions_->answer(kAccount, answer, true)["PipelineExecutionArn"], arn);
  EXPECT_THROW(executions_->answer(kAccount, {{"CallbackToken", token}}, true), Error);
  EXPECT_THROW(executions_->answer("999999999999", answer, false), Error);
}

TEST_F(ExecutorTest, RetriesAfterAPause) {
  Json step = training("A");
  step["RetryPolicies"].push_back(
      {{"ExceptionType", {"SageMaker.CAPACITY_ERROR"}}, {"IntervalSeconds", 0.05}});
  create("Demo", {step});
  services_.fail("A", "CapacityError: none left", "SageMaker.CAPACITY_ERROR", 2);
  executor_->start();

  const std::string arn = start("Demo");

  EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Succeeded");
  EXPECT_EQ(executions_->steps(kAccount, arn)[0].attempts, 3);
}

TEST_F(ExecutorTest, DecidesByAFile) {
  const Json score{{"Std:JsonGet", {{"S3Uri", "s3://lab/report.json"}, {"Path", "f1"}}}};
  create("Demo", {condition("C", score, 0.9, {training("Good")}, {training("Bad")})});
  services_.put("s3://lab/report.json", {{"f1", 0.9}});
  executor_->start();

  const std::string arn = start("Demo");

  EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Succeeded");
  EXPECT_THAT(steps(arn), ElementsAre("C Succeeded", "Good Succeeded"));
}

TEST_F(ExecutorTest, FailsWhereAFileIsMissing) {
  const Json score{{"Std:JsonGet", {{"S3Uri", "s3://lab/none.json"}, {"Path", "f1"}}}};
  create("Demo", {condition("C", score, 0.9)});
  executor_->start();

  EXPECT_THAT(base::text_or(ended(start("Demo")), "FailureReason"), HasSubstr("none.json"));
}

TEST_F(ExecutorTest, RefusesMoreExecutionsThanTheLimit) {
  create("Demo", {training("A")});
  services_.hold("A");
  executor_->start();
  for (int i = 0; i < 50; ++i) start("Demo");

  EXPECT_THROW(start("Demo"), Error);
}

TEST_F(ExecutorTest, ForgetsNothingWhereFewExecutionsFitIntoMemory) {
  executions_.reset();
  executor_.emplace(store_, clock_, services_, ExecutorOptions{.workers = 2, .cached = 2});
  executions_.emplace(store_, clock_, catalog_, *executor_, 50);
  create("Demo", {training("A"), training("B", {"A"})});
  services_.hold("A");
  executor_->start();
  std::vector<std::string> arns;
  for (int i = 0; i < 10; ++i) arns.push_back(start("Demo"));
  ASSERT_TRUE(services_.eventually([&] { return store_.open_waits().size() == 10; }));

  services_.release("A");
  for (const Wait& wait : store_.open_waits()) executor_->call(wait);

  for (const std::string& arn : arns) EXPECT_EQ(ended(arn)["PipelineExecutionStatus"], "Succeeded");
  EXPECT_THAT(services_.tokens("A"), SizeIs(10));
  EXPECT_THAT(services_.tokens("B"), SizeIs(10));
}

TEST_F(ExecutorTest, RefusesCommandsOnceStopped) {
  create("Demo", {training("A")});
  const std::string arn = start("Demo");

  EXPECT_THROW(executions_->stop(kAccount, {{"PipelineExecutionArn", arn}}), Error);
}

}  // namespace
}  // namespace slipway::pipelines
