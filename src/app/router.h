#pragma once

// Which room answers a request: docs/architecture.md, "The way of a request".

#include <atomic>
#include <optional>

#include "airflow/airflow.h"
#include "forge/forge.h"
#include "functions/functions.h"
#include "gitlab/gitlab.h"
#include "images/images.h"
#include "net/server.h"
#include "notify/notify.h"
#include "runner/runner.h"
#include "wire/api.h"

namespace slipway::app {

// The rooms that answer requests themselves.
struct Rooms {
  const wire::Api& api;
  images::Registry& registry;
  runner::Coordinator& coordinator;
  gitlab::Gitlab& gitlab;
  forge::GitHttp& git;
  airflow::Airflow& airflow;
  notify::Notify& notify;
  functions::Functions& functions;
};

// Answers 503 until open(): the last operations are registered when the port is known.
// Thread-safe.
class Router final : public net::Handler {
 public:
  explicit Router(Rooms rooms) : rooms_(rooms) {}

  void open() { open_.store(true, std::memory_order_release); }

  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;

 private:
  // The room that takes the request; null: the AWS APIs.
  net::Handler* room_of(const net::RequestHead& head);

  Rooms rooms_;
  std::atomic<bool> open_{false};
};

}  // namespace slipway::app
