#pragma once

// What a Notify consists of, in the order in which it is built.

#include <string>
#include <vector>

#include "notify/channels.h"
#include "notify/deliverer.h"
#include "notify/notify.h"
#include "notify/service.h"
#include "notify/signer.h"

namespace slipway::notify {

// Makes its tables. Thread-safe.
struct Room {
  Room(store::Database& database_in, const base::Clock& clock_in, LambdaCaller lambda,
       NotifyOptions options_in);

  std::vector<DeadLetter> dead_letters(const std::string& account, int limit) const;
  void redrive(const std::string& account, const std::string& id);

  store::Database& database;
  const base::Clock& clock;
  const NotifyOptions options;
  const Signer signer;
  Service service;
  Channels channels;
  Deliverer deliverer;
};

struct Notify::State : Room {
  State(store::Database& the_database, const base::Clock& the_clock, const iam::Iam& the_iam,
        LambdaCaller lambda, NotifyOptions the_options)
      : Room(the_database, the_clock, std::move(lambda), std::move(the_options)), iam(the_iam) {}
  const iam::Iam& iam;
};

}  // namespace slipway::notify
