#pragma once

// What the parts of the forge share; for this room's own sources.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "forge/forge.h"
#include "forge/hook_socket.h"
#include "forge/push_ledger.h"

namespace slipway::forge {

using JobTokenFinder = std::function<std::optional<Identity>(std::string_view token)>;

// Fields without a mutex are constant after construction or look after themselves.
struct ForgeState {
  ForgeState(store::Database& database, const base::Clock& clock, const iam::Iam& iam,
             ForgeOptions options);

  std::filesystem::path repositories() const { return options.data / "repositories"; }
  std::filesystem::path repository_of(Id project) const {
    return repositories() / (std::to_string(project) + ".git");
  }
  std::filesystem::path hooks() const { return options.data / "git-hooks"; }
  std::filesystem::path socket() const { return options.data / "forge.sock"; }

  // First start: root, its namespace and its token.
  void make_root();
  // Directories of removed projects; HEADs that a crash left behind; locks of a git that the
  // machine's end killed.
  void tidy_repositories() const;
  void write_hooks() const;
  void discard_repository(Id project) const;

  Access role(const User& user, const Project& project) const;
  bool reads_code(const Identity* identity, const Project& project, Access access) const;
  bool may_create_in(const User& user, const Namespace& space) const;
  RefRules rules(Id project, const std::string& ref) const;

  // Moves a ref as a push would; false where it is no longer at `before`.
  bool move(const User& user, Id project, const RefUpdate& update);
  // What a git hook asks.
  Json answer_hook(const Json& question);
  // The first branch that is pushed into an empty project becomes its default.
  void adopt_default_branch(const Push& push);
  void set_default_branch(const Project& project, const std::string& branch);
  // Until what an earlier process left open has been decided, or stop() comes.
  void watch_open_pushes();
  // Runs on the pool where it has a place, here otherwise.
  void later(std::function<void()> work);

  store::Database& database;
  const base::Clock& clock;
  const iam::Iam& iam;
  const ForgeOptions options;
  PushLedger ledger;
  std::atomic<int> git_processes = 0;

  std::mutex mutex;
  JobTokenFinder find_job;                    // guarded by mutex
  std::shared_ptr<base::ThreadPool> pool;     // guarded by mutex; null unless started
  std::unique_ptr<HookSocket> socket_server;  // guarded by mutex
  bool stopping = false;                      // guarded by mutex
  std::condition_variable stopped;
  std::thread watcher;  // start() and stop() only
};

struct Forge::State final : ForgeState {
  using ForgeState::ForgeState;
};

// Of a token as it is stored.
std::string token_digest(std::string_view token);

}  // namespace slipway::forge
