// The server dies after each commit of a run; a new one opens the database and carries on.

#include <filesystem>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "functions/ledger.h"
#include "pipelines/executor.h"
#include "pipelines/fake_services_for_test.h"
#include "pipelines/simulation_for_test.h"
#include "store/outbox.h"

namespace slipway::pipelines {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using namespace testing_parts;

enum class Death { kNever, kBeforeEffects, kAfterEffects, kInFunction };

// One execution on servers of which the first dies; everything that lasts is in a file.
class Servers {
 public:
  explicit Servers(Steps steps) : steps_(std::move(steps)) {
    std::filesystem::create_directories(root_);
  }
  ~Servers() { std::filesystem::remove_all(root_); }

  // Runs it to its end; false where that came before the death did.
  bool run(Death death, int after) {
    death_ = death;
    after_ = after;
    while (!serve()) {
    }
    return death_ == Death::kNever;
  }

  FakeServices services;
  std::unique_ptr<Run> last;
  std::int64_t records = 0;  // of invocations, at the end

 private:
  // One server's life; true where the execution has ended.
  bool serve() {
    const auto database = store::Database::open(root_ / "slipway.db", {.synchronous = false});
    store::migrate_resources(*database);
    store::migrate_outbox(*database);
    PipelineStore store(*database, clock_);
    functions::FunctionStore function_store(*database, clock_, "us-east-1");
    functions::Ledger ledger(function_store, clock_, {});
    services.invoke_by(ledger);
    if (arn_.empty()) begin(store);
    last = store.load({kAccount, base::name_of(arn_)});
    std::vector<Observation> seen;
    while (!last->has_ended()) {
      Decision decision;
      advance(*last, std::exchange(seen, {}), clock_.now(), decision);
      database->write([&](store::Transaction& transaction) {
        ASSERT_TRUE(store.record(transaction, *last, decision));
      });
      if (!survives(decision, seen)) return last->has_ended();
    }
    database->read([&](store::Reader& reader) {
      reader.query("select count(*) from lambda_invocations", {},
                   [&](const store::Row& row) { records = row.integer(0); });
    });
    return true;
  }

  void begin(PipelineStore& store) {
    Catalog catalog(store, clock_, {}, "us-east-1");
    Executor executor(store, clock_, services, {});
    Executions executions(store, clock_, catalog, executor, 50);
    catalog.create(caller(), {{"PipelineName", "Demo"},
                              {"RoleArn", "arn:aws:iam::123456789012:role/r"},
                              {"PipelineDefinition", text_of_definition(steps_)}});
    arn_ = base::text_or(executions.start(kAccount, {{"PipelineName", "Demo"}}, nullptr),
                         "PipelineExecutionArn");
  }

  // Carries the effects out, as far as the server gets.
  bool survives(const Decision& decision, std::vector<Observation>& seen) {
    const bool now = ++commits_ == after_;
    if (now && death_ == Death::kInFunction) services.die_in_the_next_function();
    if (now && death_ == Death::kBeforeEffects) return dead();
    try {
      for (const Effect& effect : decision.effects) {
        auto told = services.carry_out(
            {{kAccount, last->info.id}, arn_, "Demo", "role", last->info.definition, effect});
        if (told) seen.push_back(std::move(*told));
      }
    } catch (const FakeServices::Death&) {
      return dead();
    }
    return now && death_ == Death::kAfterEffects ? dead() : true;
  }
  bool dead() {
    death_ = Death::kNever;
    return false;
  }

  const Steps steps_;
  const std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / ("pipelines-" + base::random_hex(12));
  const base::SystemClock clock_;
  std::string arn_;
  Death death_ = Death::kNever;
  int after_ = 0;
  int commits_ = 0;
};

Json retried(Json step) {
  step["RetryPolicies"].push_back(
      {{"ExceptionType", {"Step.SERVICE_FAULT"}}, {"IntervalSeconds", 0}, {"MaxAttempts", 2}});
  return step;
}

TEST(Crash, StartsEachStepExactlyOnce) {
  const Steps steps{training("A"), training("B"),
                    condition("C", 1, 1, {training("D")}, {}, {"A", "B"}), training("E", {"C"}),
                    function("F", {"A"})};
  for (const Death death : {Death::kBeforeEffects, Death::kAfterEffects}) {
    int after = 1;
    for (bool died = true; died; ++after) {
      Servers servers(steps);
      died = servers.run(death, after);
      EXPECT_EQ(servers.last->status, RunStatus::kSucceeded) << servers.last->failure_reason;
      for (const char* step : {"A", "B", "D", "E"}) {
        EXPECT_THAT(servers.services.tokens(step), SizeIs(1)) << step << " after " << after;
      }
      EXPECT_EQ(servers.services.invocations("F"), 1) << "after " << after;
      EXPECT_LE(servers.records, died ? 1 : 0);
    }
    EXPECT_GT(after, 6);
  }
}

TEST(Crash, FailsAFunctionsStepThatTheServerDiedWith) {
  int deaths = 0;
  for (int after = 1;; ++after, ++deaths) {
    Servers servers(Steps{function("F"), function("G", {"F"}), function("H", {"G"})});
    const bool died = servers.run(Death::kInFunction, after);
    for (const char* step : {"F", "G", "H"}) {
      EXPECT_LE(servers.services.invocations(step), 1) << step << " after " << after;
    }
    EXPECT_EQ(servers.records, 0);
    if (!died) break;
    EXPECT_EQ(servers.last->status, RunStatus::kFailed);
    EXPECT_THAT(servers.last->failure_reason, HasSubstr("The server ended while the function ran"));
  }
  EXPECT_GE(deaths, 3);
}

TEST(Crash, InvokesOnceMoreWhereThePolicySaysSo) {
  int deaths = 0;
  for (int after = 1;; ++after, ++deaths) {
    Servers servers(Steps{retried(function("F")), retried(function("G", {"F"}))});
    const bool died = servers.run(Death::kInFunction, after);
    EXPECT_EQ(servers.last->status, RunStatus::kSucceeded) << servers.last->failure_reason;
    EXPECT_EQ(servers.services.invocations("F") + servers.services.invocations("G"), died ? 3 : 2);
    if (!died) break;
  }
  EXPECT_GE(deaths, 2);
}

}  // namespace
}  // namespace slipway::pipelines
