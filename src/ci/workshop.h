#pragma once

// What the parts of CI share: the rooms below, and who is told of changes.

#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "ci/ci.h"
#include "ci/machine.h"
#include "forge/forge.h"
#include "store/database.h"
#include "store/files.h"

namespace slipway::ci {

// References outlive every part.
struct Workshop {
  store::Database& database;
  const base::Clock& clock;
  forge::Forge& forge;
  store::Spool& spool;
  const CiOptions options;
  Wakes wakes;  // constant once the parts are built

  std::string url() const { return options.url ? options.url() : "http://127.0.0.1:4700"; }
  Patience patience() const {
    return {.heartbeat = options.heartbeat.count() * 1000, .grace = 30'000};
  }

  // Runs `work(machine)` or `work(machine, transaction)` in one transaction.
  template <class Work>
  auto change(Work&& work) const {
    return database.write([&](store::Transaction& transaction) {
      Machine machine(transaction, clock.now(), options.account, wakes);
      if constexpr (std::is_invocable_v<Work&, Machine&, store::Transaction&>) {
        return work(machine, transaction);
      } else {
        return work(machine);
      }
    });
  }
};

// The rights of a user, as when they had sent a request themselves.
inline forge::Identity identity_of_user(const forge::User& user) {
  forge::Identity identity;
  identity.user = user;
  identity.scopes = {"api"};
  return identity;
}

// GitLab's {"message": {"base": [...]}}.
[[noreturn]] inline void refuse(const std::string& reason) {
  throw Error("Invalid", reason, 400, Json{{"base", Json::array({reason})}});
}

}  // namespace slipway::ci
