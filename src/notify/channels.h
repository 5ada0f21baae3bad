#pragma once

// One attempt of one delivery: what is sent is put together and handed over.

#include <functional>
#include <string>

#include "net/client.h"
#include "notify/notify.h"
#include "notify/service.h"
#include "notify/signer.h"
#include "notify/types.h"
#include "store/database.h"

namespace slipway::notify {

// Thread-safe.
class Channels {
 public:
  Channels(store::Database& database, const Service& service, const Signer& signer,
           const NotifyOptions& options, LambdaCaller lambda, std::function<bool()> stopping);

  // Throws Error where nobody answered.
  Outcome attempt(const Delivery& delivery);

 private:
  Outcome ask(const Delivery& delivery, const Subscription& subscription);
  Outcome tell(const Delivery& delivery, const Subscription& subscription, const Message& message);
  Outcome mail(const Delivery& delivery, const Subscription& subscription, const Message& message);
  Outcome post(const Subscription& subscription, const Message& message);
  Outcome call(const Subscription& subscription, const std::string& event);
  Outcome send(const std::string& url, const net::Headers& headers, std::string body);

  store::Database& database_;
  const Service& service_;
  const Signer& signer_;
  const NotifyOptions& options_;
  const LambdaCaller lambda_;
  const std::function<bool()> stopping_;
  net::Client client_;
};

}  // namespace slipway::notify
