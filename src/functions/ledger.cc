#include "functions/ledger.h"

#include <exception>

#include "base/error.h"
#include "base/log.h"
#include "functions/functions.h"

namespace slipway::functions {
namespace {

[[noreturn]] void interrupted() {
  throw Error(kInterrupted,
              "The server ended while the function ran; whether it did its work is not known. It "
              "was not invoked again.",
              409);
}

}  // namespace

// One caller at a time has a token in hand.
class Ledger::Turn {
 public:
  Turn(Ledger& ledger, const std::string& account, const std::string& token)
      : ledger_(ledger), key_(account, token) {
    std::unique_lock lock(ledger_.mutex_);
    ledger_.changed_.wait(lock, [this] { return !ledger_.in_hand_.contains(key_); });
    ledger_.in_hand_.insert(key_);
  }
  ~Turn() {
    {
      const std::lock_guard lock(ledger_.mutex_);
      ledger_.in_hand_.erase(key_);
    }
    ledger_.changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Ledger& ledger_;
  const std::pair<std::string, std::string> key_;
};

Ledger::Ledger(FunctionStore& store, const base::Clock& clock, LedgerOptions options)
    : store_(store), clock_(clock), options_(options) {}

Outcome Ledger::carry_out(const std::string& account, const std::string& token, const Run& run) {
  const Turn turn(*this, account, token);
  auto before = store_.begin_once(account, token, clock_.now(), options_.records);
  if (!before) return first_time(account, token, run);
  if (!before->outcome) interrupted();
  return std::move(*before->outcome);
}

Outcome Ledger::first_time(const std::string& account, const std::string& token, const Run& run) {
  Outcome outcome;
  try {
    outcome = run();
  } catch (const Error&) {
    store_.forget_once(account, token);
    throw;
  }
  if (outcome.aborted) {
    if (outcome.reached) interrupted();  // in part, like one that a crash ended
    store_.forget_once(account, token);
    throw Error("ServiceException", "The server ended before the function was invoked.", 500);
  }
  try {
    store_.end_once(account, token, outcome);
  } catch (const std::exception& error) {
    // The caller has it all the same; only one who asks again will not.
    log(Level::kError, "the outcome of a function cannot be recorded", {{"error", error.what()}});
  }
  return outcome;
}

void Ledger::forget(const std::string& account, const std::string& token) {
  store_.forget_once(account, token);
}

void Ledger::expire() { store_.expire_once(clock_.now() - options_.life); }

}  // namespace slipway::functions
