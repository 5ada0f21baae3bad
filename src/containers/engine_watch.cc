// How the engine learns that containers have ended.

#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "containers/engine.h"

namespace slipway::containers {
namespace {

constexpr int kSweepMillis = 1000;
constexpr int kKilled = 137;  // 128 + SIGKILL

}  // namespace

void OciEngine::watch(const std::string& id, Entry& entry) {
  // exit.json is renamed into place; a lock that is closed is a shim that has gone.
  entry.watch = ::inotify_add_watch(notices_.get(), paths_of(id).directory.c_str(),
                                    IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
  // Where the machine allows no more watches, the sweep finds it.
  if (entry.watch >= 0) watched_[entry.watch] = id;
}

void OciEngine::unwatch(Entry& entry) {
  if (entry.watch < 0) return;
  ::inotify_rm_watch(notices_.get(), entry.watch);
  watched_.erase(entry.watch);
  entry.watch = -1;
}

void OciEngine::wake() const {
  const std::uint64_t one = 1;
  // Fails only where it is already as awake as it can be.
  while (::write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

void OciEngine::run() {
  ::pthread_setname_np(::pthread_self(), "containers");
  for (;;) {
    pollfd watched[] = {{notices_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = ::poll(watched, 2, kSweepMillis);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    if (watched[0].revents != 0) read_notices();
    if (watched[1].revents != 0) {
      std::uint64_t count = 0;
      if (::read(wake_.get(), &count, sizeof(count)) > 0) sweep();
    }
    if (ready == 0) sweep();
  }
}

void OciEngine::read_notices() {
  alignas(inotify_event) char buffer[16384];
  for (ssize_t count; (count = ::read(notices_.get(), buffer, sizeof(buffer))) > 0;) {
    for (ssize_t at = 0; at < count;) {
      const auto* notice = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + notice->len);
      if (notice->mask & IN_Q_OVERFLOW) {
        sweep();
        continue;
      }
      const std::string_view name = notice->len > 0 ? notice->name : "";
      if (name == "running.json") {
        // With the mutex, so that a waiter who has just looked is already waiting.
        const std::lock_guard lock(mutex_);
        changed_.notify_all();
      }
      if (name != "exit.json" && name != "lock") continue;
      std::string id;
      {
        const std::lock_guard lock(mutex_);
        const auto found = watched_.find(notice->wd);
        if (found != watched_.end()) id = found->second;
      }
      if (!id.empty()) check(id);
      changed_.notify_all();
    }
  }
}

void OciEngine::sweep() {
  std::vector<std::string> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (!entry.exit) running.push_back(id);
    }
  }
  for (const std::string& id : running) check(id);
}

void OciEngine::check(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.exit || starting_.contains(id)) return;
  }
  std::optional<Exit> end;
  try {
    end = find_end(id);
  } catch (const std::exception& error) {
    // The disk may be full: the next sweep tries again.
    log(Level::kError, "the end of a container cannot be recorded",
        {{"container", id}, {"error", error.what()}});
  }
  if (!end) return;
  std::vector<std::function<void(const std::string&)>> listeners;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.exit) return;
    found->second.exit = end;
    found->second.keep.reset();
    found->second.network.reset();
    listeners = listeners_;
  }
  changed_.notify_all();
  for (const auto& listener : listeners) {
    try {
      listener(id);
    } catch (const std::exception& error) {
      log(Level::kError, "a listener to a container's end failed",
          {{"container", id}, {"error", error.what()}});
    }
  }
}

std::optional<Exit> OciEngine::find_end(const std::string& id) const {
  const Paths paths = paths_of(id);
  if (auto exit = read_exit(paths)) return exit;
  if (is_lock_held(paths)) return std::nullopt;
  if (auto exit = read_exit(paths)) return exit;  // written between the two looks
  const std::optional<LockHolder> holder = read_holder(paths);
  const bool same_boot = holder && holder->boot_id == boot_id();
  const Exit lost{kKilled, same_boot ? "lost: its shim was killed" : "lost with the machine",
                  base::SystemClock().now()};
  write_exit(paths, lost);
  if (const auto plan = read_plan(paths)) remove_cgroups(plan->cgroup_directories);
  return lost;
}

}  // namespace slipway::containers
