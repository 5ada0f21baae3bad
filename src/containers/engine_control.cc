// What the engine does with containers that it has started.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "containers/engine.h"
#include "containers/network.h"
#include "containers/process_usage.h"
#include "store/files.h"

namespace slipway::containers {
namespace {

constexpr std::chrono::seconds kRemovalPatience{5};
constexpr std::chrono::milliseconds kLockSlice{20};

bool is_same_process(const Running& running) {
  try {
    return start_time_of(store::read_file("/proc/" + std::to_string(running.pid) + "/stat")) ==
           running.start_time;
  } catch (const Error&) {
    return false;  // gone
  }
}

}  // namespace

State OciEngine::state(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return State::kAbsent;
  return found->second.exit ? State::kExited : State::kRunning;
}

std::optional<Exit> OciEngine::exit_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  return found == entries_.end() ? std::nullopt : found->second.exit;
}

std::optional<Exit> OciEngine::wait(const std::string& id, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const auto over = [&] {
    const auto found = entries_.find(id);
    return found == entries_.end() || found->second.exit || stopping_;
  };
  changed_.wait_for(lock, timeout, over);
  const auto found = entries_.find(id);
  return found == entries_.end() ? std::nullopt : found->second.exit;
}

void OciEngine::on_exit(std::function<void(const std::string& id)> ended) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(ended));
}

void OciEngine::command(const std::string& id, const std::string& text) const {
  // Without a reader the shim is gone, and the container with it.
  const base::FileDescriptor control(
      ::open(paths_of(id).control.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!control) return;
  if (::write(control.get(), text.data(), text.size()) < 0) {
    // A full FIFO holds hundreds of the same command already.
    log(Level::kDebug, "a container's shim takes no more commands", {{"container", id}});
  }
}

void OciEngine::stop(const std::string& id, std::chrono::milliseconds grace) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.exit) return;
  }
  command(id, "stop " + std::to_string(grace.count()) + "\n");
}

void OciEngine::remove(const std::string& id) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !starting_.contains(id) && !removing_.contains(id); });
    if (!entries_.contains(id)) return;
    removing_.insert(id);
  }
  std::exception_ptr failure;
  try {
    kill_for_removal(id);
    forget(id);
    // A killed shim could not do it.
    if (support_.any()) remove_cgroups(cgroup_directories(tree_, cgroup_name(id)));
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = ++removals_;
    }
    // Renamed first, so that one that is half deleted at a crash is not taken for a container.
    const std::filesystem::path doomed =
        options_.directory / (".removed-" + std::to_string(number) + "-" + id);
    std::filesystem::rename(paths_of(id).directory, doomed);
    remove_tree(doomed);
  } catch (...) {
    failure = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    removing_.erase(id);
  }
  changed_.notify_all();
  if (failure) std::rethrow_exception(failure);
}

void OciEngine::kill_for_removal(const std::string& id) {
  const Paths paths = paths_of(id);
  if (is_lock_held(paths)) {
    command(id, "stop 0\n");
    if (!wait_until_unlocked(id)) {
      // The shim hangs. It is the first process of its namespace: nothing survives it.
      if (const auto holder = read_holder(paths)) ::kill(holder->pid, SIGKILL);
      if (!wait_until_unlocked(id)) {
        base::throw_internal("container " + id + " cannot be killed");
      }
    }
  }
  wake();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kRemovalPatience, [&] {
    const auto found = entries_.find(id);
    return found == entries_.end() || found->second.exit || stopping_;
  });
}

bool OciEngine::wait_until_unlocked(const std::string& id) {
  const Paths paths = paths_of(id);
  const auto until = std::chrono::steady_clock::now() + kRemovalPatience;
  while (is_lock_held(paths)) {
    if (std::chrono::steady_clock::now() >= until) return false;
    // The thread notifies at each notice, also that of the lock; the slice covers a lost one.
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLockSlice);
  }
  return true;
}

std::vector<std::string> OciEngine::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  return ids;
}

std::filesystem::path OciEngine::log_path(const std::string& id) const { return paths_of(id).log; }

OciEngine::Entry* OciEngine::running_entry(const std::string& id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.exit) return nullptr;
  Entry& entry = found->second;
  if (entry.running.pid == 0) entry.running = read_running(paths_of(id)).value_or(Running{});
  return &entry;
}

std::optional<Usage> OciEngine::usage(const std::string& id) const {
  Running running;
  {
    const std::lock_guard lock(mutex_);
    const Entry* entry = running_entry(id);
    if (!entry) return std::nullopt;
    running = entry->running;
  }
  if (support_.any()) {
    if (auto usage = usage_of(cgroup_directories(tree_, cgroup_name(id)))) return usage;
  }
  if (running.pid == 0 || !is_same_process(running)) return std::nullopt;
  return usage_of_processes(running.pid);
}

base::FileDescriptor OciEngine::connect(const std::string& id, std::uint16_t port,
                                        std::chrono::milliseconds timeout) {
  Running running;
  std::shared_ptr<const base::FileDescriptor> network;
  {
    std::unique_lock lock(mutex_);
    // The container may be up a moment before its shim has told which process it is.
    changed_.wait_for(lock, timeout, [&] {
      const Entry* known = running_entry(id);
      return !known || known->host_network || known->running.pid != 0;
    });
    Entry* entry = running_entry(id);
    if (!entry) return {};
    running = entry->running;
    if (entry->host_network) {
      running.pid = -1;
    } else if (running.pid == 0) {
      return {};
    } else if (privilege_ == Privilege::kRoot && !entry->network) {
      const std::string path = "/proc/" + std::to_string(running.pid) + "/ns/net";
      auto opened =
          std::make_shared<const base::FileDescriptor>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      // Looked at after the opening: the same process now was the same then.
      if (*opened && is_same_process(running)) entry->network = std::move(opened);
    }
    network = entry->network;
  }
  if (running.pid == -1) return connect_here(port, timeout);
  if (privilege_ == Privilege::kRoot) {
    return network ? connect_inside(network->get(), port, timeout) : base::FileDescriptor();
  }
  if (!is_same_process(running)) return {};
  return connect_by_helper(options_.self, running.pid, port, timeout);
}

}  // namespace slipway::containers
