#pragma once

// Warm containers and the invocations in them.
//
//   starting ──asks for work──▶ busy ──answers──▶ idle ──called──▶ busy
//      └── fails, dies, is too slow ──┴── dies ──┴── idle for long, replaced ──▶ gone
//
// A container takes its first invocation when its runtime first asks for one: until then it
// initialises, and the function's Timeout does not count yet. Who calls waits on its own
// thread; the runtime API (runtime_api.h) hands invocations out from its loop.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "base/clock.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "functions/decide.h"
#include "functions/platform_log.h"
#include "functions/types.h"

namespace slipway::functions {

// What a runtime is given: the headers and body of /runtime/invocation/next.
struct Delivery {
  std::string request_id;
  std::string payload;
  std::string arn;
  std::string client_context;
  base::Millis deadline = 0;
};
struct Nothing {};  // not now: the runtime waits
struct Unknown {};  // no such container: the runtime is to end

struct PoolOptions {
  std::size_t containers = 64;
  std::size_t containers_each = 10;
  std::chrono::milliseconds idle{900'000};
  std::chrono::milliseconds init{60'000};  // from the start until it asks for work
};

struct Instance;  // pool_state.h
struct Job;

// Thread-safe.
class Pool {
 public:
  // Starts the container of `target` and returns until when its credentials last. `token` is what
  // its runtime calls with. May throw.
  using Launch = std::function<base::Millis(const Target& target, const std::string& container,
                                            const std::string& token, const std::string& stream)>;

  Pool(const base::Clock& clock, containers::Engine& engine, containers::LogPump& log_pump,
       PlatformLog& platform_log, Launch launch, PoolOptions options);
  ~Pool();  // stop()

  // Removes containers that an earlier process left.
  void start();
  // Ends every invocation and removes every container.
  void stop();

  // Runs one invocation to its end. Throws Error{TooManyRequestsException, 429}, and what `launch`
  // throws: then it did not reach the function.
  Outcome run(const Target& target, const Work& work);
  // No container that the function has now serves another call: idle ones end at once, busy ones
  // after their invocation.
  void retire(const std::string& account, const std::string& name);

  // What the runtime of the container says and asks.
  std::variant<Delivery, Nothing, Unknown> next(const std::string& token);
  // False where the invocation is not that container's.
  bool complete(const std::string& token, std::string_view request_id, std::string payload,
                std::string error);
  bool fail_start(const std::string& token, std::string payload);
  // Called, from any thread and with nothing locked, where an invocation waits for a runtime
  // that may be waiting for it. Before start().
  void on_work(std::function<void(const std::string& token)> wake) { wake_ = std::move(wake); }

  std::size_t live() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using InstancePointer = std::shared_ptr<Instance>;
  InstancePointer place_job(const Target& target, const std::shared_ptr<Job>& job, Lock& lock);
  InstancePointer make_instance(const Target& target, const std::shared_ptr<Job>& job);
  void launch(const Target& target, const InstancePointer& instance);
  Load load_of(const Target& target, InstancePointer& warm, InstancePointer& own,
               InstancePointer& other) const;
  void await(Job& job, const InstancePointer& instance, Lock& lock);
  void time_out(Job& job, const InstancePointer& instance);
  // With mutex_ held: it serves no more, and the keeper removes it once nobody reads its log.
  void discard(const InstancePointer& instance);
  // With mutex_ held: the call has read the log.
  void release(const InstancePointer& instance, const Work& work);
  void container_ended(const std::string& container);
  void finish(Job& job, std::string payload, std::string error);
  void keep();
  void dispose(const std::string& container);

  const base::Clock& clock_;
  containers::Engine& engine_;
  containers::LogPump& log_pump_;
  PlatformLog& platform_log_;
  const Launch launch_;
  const PoolOptions options_;
  std::function<void(const std::string&)> wake_;
  // Outlives the pool in the engine's list of listeners.
  struct Listener {
    std::mutex mutex;
    Pool* pool = nullptr;  // guarded by mutex
  };
  const std::shared_ptr<Listener> listener_ = std::make_shared<Listener>();

  mutable std::mutex mutex_;
  std::condition_variable kept_;                      // the keeper has something to do
  std::condition_variable settled_;                   // launching_ fell
  std::map<std::string, InstancePointer> instances_;  // by token; guarded by mutex_
  std::deque<std::string> discarded_;                 // containers; guarded by mutex_
  std::size_t launching_ = 0;                         // guarded by mutex_
  std::size_t awaited_ = 0;             // discarded ones whose logs are read; guarded by mutex_
  bool keeper_waits_for_work_ = false;  // guarded by mutex_
  bool running_ = false;                // guarded by mutex_
  std::thread keeper_;
};

}  // namespace slipway::functions
