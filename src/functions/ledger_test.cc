// The server dies on a line by leaving it: what it had committed is what the next one finds.

#include "functions/ledger.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "functions/functions.h"
#include "store/resources.h"

namespace slipway::functions {
namespace {

constexpr const char* kAccount = "123456789012";

struct Death {};  // not an Error: nobody settles anything

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { store::migrate_resources(*database_); }

  void restart(LedgerOptions options = {}) { ledger_.emplace(store_, clock_, options); }
  Ledger::Run returning(Outcome outcome) {
    return [this, outcome] {
      ++effects_;
      return outcome;
    };
  }
  // "outcome …", or the code of the Error.
  std::string ask(const Ledger::Run& run, const std::string& token = "t") {
    try {
      const Outcome outcome = ledger_->carry_out(kAccount, token, run);
      return outcome.payload + " " + outcome.error + " " + outcome.version;
    } catch (const Error& error) {
      return error.code();
    } catch (const Death&) {
      return "died";
    }
  }
  std::int64_t records() {
    std::int64_t rows = 0;
    database_->read([&](store::Reader& reader) {
      reader.query("select count(*) from lambda_invocations", {},
                   [&](const store::Row& row) { rows = row.integer(0); });
    });
    return rows;
  }

  const Outcome good_{.payload = "7", .error = "", .log_tail = "", .reached = true, .version = "3"};
  const std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  base::FakeClock clock_;
  FunctionStore store_{*database_, clock_, "us-east-1"};
  std::optional<Ledger> ledger_{std::in_place, store_, clock_, LedgerOptions{}};
  int effects_ = 0;
};

TEST_F(LedgerTest, AnswersTheSecondTimeWithoutRunning) {
  EXPECT_EQ(ask(returning(good_)), "7  3");
  EXPECT_EQ(ask(returning(good_)), "7  3");
  restart();
  EXPECT_EQ(ask(returning(good_)), "7  3");
  EXPECT_EQ(effects_, 1);
}

TEST_F(LedgerTest, KeepsAFunctionsFailureToo) {
  const Outcome bad{.payload = "{}", .error = "Unhandled", .log_tail = "", .reached = true};

  EXPECT_EQ(ask(returning(bad)), "{} Unhandled ");
  restart();
  EXPECT_EQ(ask(returning(good_)), "{} Unhandled ");
  EXPECT_EQ(effects_, 1);
}

TEST_F(LedgerTest, NeverRunsAgainWhatTheServerDiedWith) {
  EXPECT_EQ(ask([&]() -> Outcome {
              EXPECT_EQ(records(), 1) << "it is recorded before the function can run";
              ++effects_;
              throw Death();
            }),
            "died");
  restart();

  EXPECT_EQ(ask(returning(good_)), kInterrupted);
  EXPECT_EQ(ask(returning(good_)), kInterrupted) << "however often it is asked";
  EXPECT_EQ(effects_, 1);
}

TEST_F(LedgerTest, RunsWhatDidNotReachTheFunction) {
  const auto refused = []() -> Outcome { throw Error("TooManyRequestsException", "", 429); };
  const Outcome stopped{.payload = "", .error = "Unhandled", .log_tail = "", .aborted = true};

  EXPECT_EQ(ask(refused), "TooManyRequestsException");
  EXPECT_EQ(ask(returning(stopped)), "ServiceException");
  EXPECT_EQ(ask(returning(good_)), "7  3");
}

TEST_F(LedgerTest, TellsOfAFunctionThatAnOrderlyStopInterrupted) {
  Outcome stopped = good_;
  stopped.aborted = true;

  EXPECT_EQ(ask(returning(stopped)), kInterrupted);
  restart();
  EXPECT_EQ(ask(returning(good_)), kInterrupted);
  EXPECT_EQ(effects_, 1);
}

TEST_F(LedgerTest, LetsOneCallerRunAndTheOtherWait) {
  std::promise<void> begun, go;
  auto first = std::async(std::launch::async, [&] {
    return ask([&] {
      ++effects_;
      begun.set_value();
      go.get_future().wait();
      return good_;
    });
  });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return ask(returning({})); });
  go.set_value();

  EXPECT_EQ(first.get(), "7  3");
  EXPECT_EQ(second.get(), "7  3");
  EXPECT_EQ(effects_, 1);
}

TEST_F(LedgerTest, ForgetsWhatItIsToldToAndWhatIsOld) {
  ask(returning(good_), "told");
  ledger_->forget(kAccount, "told");
  EXPECT_EQ(records(), 0);
  ask(returning(good_), "old");
  clock_.advance(90LL * 86'400'000);
  ledger_->expire();
  EXPECT_EQ(records(), 1);
  clock_.advance(1);
  ledger_->expire();
  EXPECT_EQ(records(), 0);
}

TEST_F(LedgerTest, RefusesOneTooMany) {
  restart({.records = 1});
  ask(returning(good_), "a");

  EXPECT_EQ(ask(returning(good_), "b"), "TooManyRequestsException");
  EXPECT_EQ(ask(returning(good_), "a"), "7  3");
  EXPECT_EQ(effects_, 1);
}

}  // namespace
}  // namespace slipway::functions
