#pragma once

// What a Notify consists of, in the order in which it is built.

#include "iam/iam.h"
#include "notify/channels.h"
#include "notify/deliverer.h"
#include "notify/notify.h"
#include "notify/service.h"
#include "notify/signer.h"

namespace slipway::notify {

struct Notify::State {
  State(store::Database& database_in, const base::Clock& clock_in, LambdaCaller lambda,
        NotifyOptions options_in);

  store::Database& database;
  const base::Clock& clock;
  const NotifyOptions options;
  const Signer signer;
  Service service;
  Channels channels;
  Deliverer deliverer;
};

}  // namespace slipway::notify
