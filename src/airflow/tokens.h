#pragma once

// Short-lived tokens for Airflow's REST API and MWAA's command line. In memory: a restart ends
// them, and clients ask for another.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "wire/api.h"

namespace slipway::airflow {

enum class TokenUse { kRest, kCommandLine, kWeb, kSession };

// Thread-safe. Keeps digests only, at most 10,000; the one that ends first makes room.
class Tokens {
 public:
  explicit Tokens(const base::Clock& clock) : clock_(clock) {}
  std::string issue(const wire::Caller& caller, TokenUse use, base::Millis life);
  std::optional<wire::Caller> find(std::string_view token, TokenUse use);
  // The same, and the token ends with it.
  std::optional<wire::Caller> take(std::string_view token, TokenUse use);

 private:
  struct Entry {
    wire::Caller caller;
    TokenUse use;
    base::Millis expires;
  };
  void make_room();

  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by SHA-256; guarded by mutex_
};

}  // namespace slipway::airflow
