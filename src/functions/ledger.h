#pragma once

// Invocations that their caller names by a token: carried out at most once, also over restarts.
//
//   absent ──begins──▶ begun ──ends──▶ ended, with its outcome ──forgotten──▶ absent
//      ▲                 ├── did not reach the function ──▶ absent
//      └─────────────────┘── the server ended meanwhile: stays; whoever asks again is told so
//
// Each arrow is a commit. As with an event (event_queue.h) the start is stored before any code can
// run; but nobody waits for an event's outcome, so that alone is tried again.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "functions/store.h"
#include "functions/types.h"

namespace slipway::functions {

struct LedgerOptions {
  std::size_t records = 100'000;          // at a time; one more is refused
  base::Millis life = 90LL * 86'400'000;  // of one that nobody forgets
};

// Thread-safe.
class Ledger {
 public:
  // Carries one out. An Error says that it did not reach the function.
  using Run = std::function<Outcome()>;
  Ledger(FunctionStore& store, const base::Clock& clock, LedgerOptions options);

  // What `run` returned, this time or the first time. Throws what `run` throws, and
  // Error{InvocationInterruptedException, 409} where it began and nobody knows how it ended.
  Outcome carry_out(const std::string& account, const std::string& token, const Run& run);
  void forget(const std::string& account, const std::string& token);
  // Removes the records that are too old.
  void expire();

 private:
  class Turn;
  Outcome first_time(const std::string& account, const std::string& token, const Run& run);

  FunctionStore& store_;
  const base::Clock& clock_;
  const LedgerOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::pair<std::string, std::string>> in_hand_;  // guarded by mutex_
};

}  // namespace slipway::functions
