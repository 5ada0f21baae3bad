#include "containers/engine.h"

#include <fstream>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "containers/host_base.h"
#include "containers/shim.h"
#include "containers/spawn.h"

namespace slipway::containers {
namespace {

constexpr const char* kHostSkeleton = ".skeleton-host";
constexpr const char* kEmptySkeleton = ".skeleton-empty";
constexpr const char* kRemovedPrefix = ".removed-";

// The lock belongs to the open file, so the shim inherits it held.
base::FileDescriptor take_lock(const Paths& paths) {
  base::FileDescriptor lock(::open(paths.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    base::throw_errno("locking " + paths.directory.string());
  }
  return lock;
}

// Open in both directions, so that a command waits in it for a shim that is still starting.
base::FileDescriptor make_control(const Paths& paths) {
  if (::mkfifo(paths.control.c_str(), 0600) != 0) {
    base::throw_errno("making " + paths.control.string());
  }
  base::FileDescriptor control(::open(paths.control.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!control) base::throw_errno("opening " + paths.control.string());
  return control;
}

std::string tag_of(const std::filesystem::path& directory) {
  return base::sha256_hex(std::filesystem::absolute(directory).lexically_normal().string())
      .substr(0, 8);
}

void write_plan(const Paths& paths, const Plan& plan) {
  std::ofstream file(paths.plan, std::ios::trunc);
  file << base::dump_json(to_json(plan));
  if (!file.flush()) base::throw_errno("writing " + paths.plan.string());
}

}  // namespace

std::unique_ptr<Engine> Engine::open(EngineOptions options) {
  const Privilege privilege = ::geteuid() == 0 ? Privilege::kRoot : Privilege::kNone;
  CgroupTree tree = read_cgroups(privilege);
  Runtime runtime = find_runtime(options.runtime, tree.layout);
  return std::make_unique<OciEngine>(std::move(options), privilege, std::move(tree),
                                     std::move(runtime));
}

OciEngine::OciEngine(EngineOptions options, Privilege privilege, CgroupTree tree, Runtime runtime)
    : options_(std::move(options)),
      privilege_(privilege),
      tree_(std::move(tree)),
      runtime_(std::move(runtime)),
      tag_(tag_of(options_.directory)),
      notices_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!notices_ || !wake_) base::throw_errno("watching containers");
  std::filesystem::create_directories(options_.directory);
  ::chmod(options_.directory.c_str(), 0700);
  build_skeleton(options_.directory / kHostSkeleton, Base::kHost);
  build_skeleton(options_.directory / kEmptySkeleton, Base::kEmpty);
  support_ = probe_cgroups(tree_);
  if (!support_.cpu || !support_.memory || !support_.processes) {
    log(Level::kWarning, "some limits of containers cannot be set on this machine",
        {{"cpu", support_.cpu ? "yes" : "no"},
         {"memory", support_.memory ? "yes" : "no"},
         {"processes", support_.processes ? "yes" : "no"}});
  }
  recover_all();
  thread_ = std::thread([this] { run(); });
}

OciEngine::~OciEngine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  wake();
  thread_.join();
}

void OciEngine::recover_all() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    names.push_back(entry.path().filename().string());
  }
  for (const std::string& name : names) {
    if (name.starts_with(kRemovedPrefix)) {
      remove_tree(options_.directory / name);
    } else if (is_container_id(name)) {
      recover_one(name);
    }
  }
}

void OciEngine::recover_one(const std::string& id) {
  const Paths paths = paths_of(id);
  // The lock before the exit file: a shim that ends between the two is seen as ended.
  Found found;
  found.lock_held = is_lock_held(paths);
  found.exit_written = read_exit(paths).has_value();
  found.taken_over = read_holder(paths).has_value();
  const Recovery recovery = containers::recover(found);
  if (recovery == Recovery::kNeverStarted) {
    // The server died between making the directory and starting the shim; the caller repeats.
    remove_tree(paths.directory);
    return;
  }
  Entry entry;
  if (recovery == Recovery::kRunning) {
    if (const auto plan = read_plan(paths)) {
      entry.host_network = plan->spec.network == Network::kHost;
    }
    watch(id, entry);
  } else {
    entry.exit = find_end(id);
  }
  entries_[id] = std::move(entry);
}

void OciEngine::start(const ContainerSpec& spec) {
  if (!is_container_id(spec.id)) {
    throw Error("ValidationException", "\"" + spec.id + "\" is not a container id");
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return !starting_.contains(spec.id) && !removing_.contains(spec.id); });
    if (entries_.contains(spec.id)) return;
    starting_.insert(spec.id);
  }
  const auto started = [&] {
    const std::lock_guard lock(mutex_);
    starting_.erase(spec.id);
  };
  try {
    launch(spec);
  } catch (...) {
    started();
    changed_.notify_all();
    throw;
  }
  started();
  changed_.notify_all();
  // Its end may already have been announced, while it was not looked at.
  if (::access(paths_of(spec.id).exit.c_str(), F_OK) == 0) wake();
}

void OciEngine::launch(const ContainerSpec& spec) {
  const Paths paths = paths_of(spec.id);
  if (::mkdir(paths.directory.c_str(), 0700) != 0) {
    base::throw_errno("making " + paths.directory.string());
  }
  base::FileDescriptor lock;
  try {
    lock = take_lock(paths);
    const base::FileDescriptor control = make_control(paths);
    write_plan(paths, plan_for(spec));
    // The log exists from the start, for whoever wants to follow it.
    base::FileDescriptor(::open(paths.log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    {
      const std::lock_guard guard(mutex_);
      Entry& entry = entries_[spec.id];
      entry.keep = spec.image.keep;
      entry.host_network = spec.network == Network::kHost;
      watch(spec.id, entry);
    }
    const pid_t child = spawn_self(options_.self, {kShimRole, paths.directory.string()},
                                   {lock.get(), control.get()});
    if (child < 0) base::throw_errno("starting " + options_.self.string());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) base::throw_internal("the shim of container " + spec.id + " did not start");
  } catch (...) {
    forget(spec.id);
    remove_tree(paths.directory);
    throw;
  }
}

void OciEngine::forget(const std::string& id) {
  const std::lock_guard guard(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  unwatch(found->second);
  entries_.erase(found);
}

Plan OciEngine::plan_for(const ContainerSpec& spec) const {
  Plan plan;
  plan.spec = spec;
  plan.runtime = runtime_.path;
  const char* skeleton = spec.image.host_base ? kHostSkeleton : kEmptySkeleton;
  plan.skeleton = std::filesystem::absolute(options_.directory / skeleton);
  plan.rootless = privilege_ == Privilege::kNone;
  plan.limits = support_;
  if (support_.any()) {
    plan.cgroup_path = tree_.runtime_parent + "/" + cgroup_name(spec.id);
    plan.cgroup_directories = cgroup_directories(tree_, cgroup_name(spec.id));
  }
  return plan;
}

}  // namespace slipway::containers
