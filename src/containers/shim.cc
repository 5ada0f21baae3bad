#include "containers/shim.h"

#include <exception>
#include <fstream>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "containers/oci_config.h"
#include "containers/rootfs.h"
#include "containers/supervisor.h"
#include "store/files.h"

namespace slipway::containers {
namespace {

constexpr rlim_t kOpenFiles = 1'048'576;

base::Millis now() { return base::SystemClock().now(); }

void write_proc(const char* path, const std::string& text) {
  const base::FileDescriptor file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    base::throw_errno(std::string("writing ") + path);
  }
}

// Own mounts and own processes; not root, first a user namespace in which this user is root.
void unshare_namespaces(bool rootless) {
  const uid_t uid = ::getuid();
  const gid_t gid = ::getgid();
  const int user = rootless ? CLONE_NEWUSER : 0;
  if (::unshare(user | CLONE_NEWNS | CLONE_NEWPID) != 0) {
    base::throw_errno(rootless ? "making a user namespace (the machine must allow them to "
                                 "unprivileged users, or Slipway must run as root)"
                               : "making namespaces");
  }
  if (!rootless) return;
  write_proc("/proc/self/setgroups", "deny");
  write_proc("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1\n");
  write_proc("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1\n");
}

void own_mounts() {
  // Slave: what is unmounted on the machine goes away here too, and nothing goes back.
  if (::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    base::throw_errno("making the mounts private");
  }
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    base::throw_errno("mounting /proc for the container's processes");
  }
}

std::uint32_t open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<std::uint32_t>(std::min<rlim_t>(limit.rlim_max, kOpenFiles));
}

Exit run_container(const Plan& plan, const Paths& paths, int machine_proc, OutputLog& log) {
  own_mounts();
  const Root root = make_root(plan, paths);
  for (const std::string& text : root.notes) log.note(text, now());

  BundleFacts facts;
  facts.root = root.root.string();
  facts.mounts = root.mounts;
  facts.open_files = open_files_limit();
  const std::string& user = plan.spec.image.config.user;
  if (!user.empty()) {
    facts.user = resolve_user(user, read_in_root(root.root, "/etc/passwd"),
                              read_in_root(root.root, "/etc/group"));
  }
  if (plan.rootless && facts.user.uid != 0) {
    log.note("the server does not run as root, so the image's user " + user +
                 " runs as the server's own",
             now());
    facts.user = User{};
  }
  const Limits& limits = plan.spec.limits;
  if ((limits.cpus > 0 && !plan.limits.cpu) || (limits.memory_bytes > 0 && !plan.limits.memory)) {
    log.note("this machine does not let the server set limits; the container runs without", now());
  }
  {
    std::ofstream file(root.bundle / "config.json", std::ios::trunc);
    file << base::dump_json(oci_config(plan, facts));
    if (!file.flush()) base::throw_errno("writing the bundle's configuration");
  }
  Supervisor supervisor(plan, paths, {root.bundle, machine_proc, kShimControl}, log);
  return supervisor.run();
}

// The first process of the new namespace: everything in it ends with this one.
[[noreturn]] void supervise(const Plan& plan, const Paths& paths) {
  const base::FileDescriptor log_file(
      ::open(paths.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  OutputLog log(log_file.get(), plan.spec.limits.log_bytes);
  Exit exit;
  try {
    const base::FileDescriptor machine_proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    char self[32] = {};
    if (::readlinkat(machine_proc.get(), "self", self, sizeof(self) - 1) < 0) {
      base::throw_errno("reading /proc/self");
    }
    write_holder(kShimLock, {static_cast<pid_t>(base::parse_integer(self).value_or(0)), boot_id()});
    exit = run_container(plan, paths, machine_proc.get(), log);
  } catch (const std::exception& error) {
    exit = {125, std::string("cannot start: ") + error.what(), now()};
  }
  try {
    // The output is part of the result: it must survive what the exit survives.
    ::fdatasync(log_file.get());
    write_exit(paths, exit);
  } catch (const std::exception&) {
    // Not durable, so not ended: the server finds the lock free and calls the container lost.
    ::_exit(1);
  }
  // A group with processes cannot be removed, and a runtime that was killed half-way leaves some.
  // This is process 1 of its namespace, so "all" is what lives in there.
  if (::getpid() == 1) {
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
  remove_cgroups(plan.cgroup_directories);
  ::_exit(0);
}

}  // namespace

int run_shim(const std::filesystem::path& directory) {
  for (const int inherited : {kShimLock, kShimControl}) {
    ::fcntl(inherited, F_SETFD, FD_CLOEXEC);
  }
  ::setsid();
  ::umask(022);
  ::signal(SIGPIPE, SIG_IGN);
  const Paths paths(directory);
  Plan plan;
  try {
    plan = plan_from_json(base::parse_json(store::read_file(paths.plan), "plan.json"));
    unshare_namespaces(plan.rootless);
  } catch (const std::exception& error) {
    write_holder(kShimLock, {::getpid(), boot_id()});
    write_exit(paths, {125, std::string("cannot start: ") + error.what(), now()});
    return 0;
  }
  const pid_t shim = ::fork();  // the process has one thread, so the child may do anything
  if (shim == 0) supervise(plan, paths);
  return shim > 0 ? 0 : 1;
}

}  // namespace slipway::containers
