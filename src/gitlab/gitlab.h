#pragma once

// GitLab's REST API v4, its webhooks, and the few pages to which a push's lines point.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ci/ci.h"
#include "forge/forge.h"
#include "net/client.h"
#include "net/server.h"
#include "store/database.h"
#include "store/files.h"
#include "store/outbox.h"

namespace slipway::gitlab {

struct GitlabOptions {
  std::function<std::string()> url;  // "http://127.0.0.1:4700", for links
  // For archives of repositories on their way out; null: a directory of the system's temporary one.
  store::Spool* spool = nullptr;
  // Whether webhooks may call this server itself. Off, as whoever may make one is not thereby
  // somebody whom this machine's own services should trust.
  bool hooks_may_call_own_server = false;
  std::string account = "123456789012";  // of events
};

// /api/v4/… and /<group>/<project>/-/pipelines/<id>, /-/jobs/<id>. Thread-safe.
class Gitlab final : public net::Handler {
 public:
  // Consumes events for webhooks: construct before EventPump::start().
  Gitlab(forge::Forge& forge, ci::Ci& ci, store::Database& database, const base::Clock& clock,
         store::EventPump& events, GitlabOptions options);
  ~Gitlab() override;
  // For Forge::on_push: what follows for CI and for merge requests. Returns lines to show.
  std::vector<std::string> pushed(const forge::Push& push);
  static bool takes(std::string_view path);
  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;
  // Carries on with what is unfinished: merge requests, webhooks that wait from before the last
  // stop. Call once the url is known and CI has started.
  void start();
  void stop();  // webhooks that wait are sent after the next start

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::gitlab
