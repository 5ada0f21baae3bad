#pragma once

// Runners: the coordinator's API for stock gitlab-runner processes, and the executor in
// this process, which is a client of the same queue.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "ci/ci.h"
#include "containers/containers.h"
#include "forge/forge.h"
#include "images/images.h"
#include "net/server.h"
#include "store/database.h"
#include "store/files.h"

namespace slipway::runner {

// /api/v4/runners (POST, DELETE), /runners/verify, /runners/managers,
// /runners/reset_authentication_token, /runners/router/discovery, /jobs/request, /jobs/:id (PUT),
// /jobs/:id/trace, /jobs/:id/artifacts. Other paths under /api/v4 are gitlab's. Thread-safe.
class Coordinator final : public net::Handler {
 public:
  // `scratch`: a directory on the data's file system, for uploads on their way; the system's own
  // temporary one where empty.
  Coordinator(ci::Ci& ci, forge::Forge& forge, std::function<std::string()> url,
              std::filesystem::path scratch = {});
  ~Coordinator() override;
  // Whether a request is a runner's: by path, and for paths that both have, by method and token.
  static bool takes(const net::RequestHead& head);
  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;
  // Lets runners that wait for a job go, within two seconds; from then on none waits. Call it
  // before the server's stop().
  void stop();

 private:
  struct Call;
  net::Response answer(const Call& call);
  net::Response register_runner(const Call& call);
  net::Response verify_runner(const Call& call);
  net::Response remove_runner(const Call& call);
  net::Response renew_token(const Call& call);
  net::Response request_job(const Call& call);
  void drop_unsupported(const ci::Assignment& assignment, const Json& info);
  net::Response append_trace(const Call& call);
  net::Response update_job(const Call& call);
  net::Response store_artifact(const Call& call);
  net::Response send_artifact(const Call& call);
  bool shows_jobs_to(const std::string& job_token, ci::Id project) const;
  ci::Runner runner_of(const Call& call);
  // The running job whose token came with the call.
  ci::Job job_of(const Call& call);
  std::optional<ci::Assignment> wait_for_job(ci::Id runner, const Json& info);

  ci::Ci& ci_;
  forge::Forge& forge_;
  const std::function<std::string()> url_;
  const std::filesystem::path scratch_;
  std::atomic<int> waiting_{0};
  std::atomic<bool> stopping_{false};
};

struct ExecutorOptions {
  std::filesystem::path directory;  // <data>/runner: builds/, cache/
  std::filesystem::path self;       // this binary, in jobs as /opt/slipway/bin/slipway, in PATH
  std::string account;
  std::size_t concurrent = 0;  // jobs at a time; 0: one for each core, at least 2
  std::chrono::seconds stop_grace{10};
  std::uint64_t artifact_limit = 1ull << 30;  // bytes of one archive
  // Authorities that jobs trust, this server's among them; mounted into each. Empty: the image's
  // own.
  std::filesystem::path ca_bundle;
  // Containers of jobs have the machine's network: they fetch packages and call this server.
  containers::Network network = containers::Network::kHost;
};

// Runs jobs in containers (image `host` where none is named) as gitlab-runner's docker and shell
// executors do: sources, cache, artifacts of earlier jobs, script, after_script, cache, artifacts.
// A job's container outlives the server; the next start follows it. Thread-safe.
class Executor {
 public:
  Executor(ci::Ci& ci, forge::Forge& forge, images::Images& images, containers::Engine& engine,
           store::Database& database, const base::Clock& clock, ExecutorOptions options);
  ~Executor();  // stop()
  // Registers itself at first start as the instance runner "slipway".
  void start();
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::runner
