#include "containers/oci_config.h"

#include <algorithm>
#include <cmath>

namespace slipway::containers {
namespace {

// What Docker gives, less raw sockets, device nodes and the audit log.
const char* const kCapabilities[] = {"CAP_CHOWN",      "CAP_DAC_OVERRIDE", "CAP_FSETID",
                                     "CAP_FOWNER",     "CAP_SETGID",       "CAP_SETUID",
                                     "CAP_SETFCAP",    "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE",
                                     "CAP_SYS_CHROOT", "CAP_KILL"};

const char* const kMasked[] = {"/proc/acpi",
                               "/proc/asound",
                               "/proc/kcore",
                               "/proc/keys",
                               "/proc/latency_stats",
                               "/proc/sched_debug",
                               "/proc/scsi",
                               "/proc/timer_list",
                               "/proc/timer_stats",
                               "/sys/firmware",
                               "/sys/devices/virtual/powercap"};

const char* const kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                 "/proc/sysrq-trigger"};

Json mount(const char* target, const char* type, const char* source,
           std::vector<std::string> options) {
  return {
      {"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

Json bind(const BindMount& of, bool rootless) {
  // Not root, the kernel refuses to split a tree from what is mounted in it.
  std::vector<std::string> options = {rootless ? "rbind" : "bind", "nosuid", "nodev",
                                      of.access == Access::kReadWrite ? "rw" : "ro"};
  return {{"destination", of.target},
          {"type", "none"},
          {"source", of.source},
          {"options", std::move(options)}};
}

Json mounts(const Plan& plan, const BundleFacts& facts) {
  Json list = Json::array();
  list.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  list.push_back(
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  std::vector<std::string> terminals = {"nosuid", "noexec", "newinstance", "ptmxmode=0666",
                                        "mode=0620"};
  if (!plan.rootless) terminals.push_back("gid=5");  // one mapped group has no tty
  list.push_back(mount("/dev/pts", "devpts", "devpts", std::move(terminals)));
  // No size: half of the memory, and counted as the container's. Training loaders need much.
  list.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777"}));
  list.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  if (plan.rootless && plan.spec.network == Network::kHost) {
    // sysfs belongs to the network namespace's owner.
    list.push_back(mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
  } else {
    list.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  }
  for (const BindMount& base : facts.mounts) list.push_back(bind(base, plan.rootless));
  for (const Mount& own : plan.spec.mounts) {
    list.push_back(bind({own.source.string(), own.target, own.access}, plan.rootless));
  }
  return list;
}

Json capabilities(const User& user) {
  const Json all(kCapabilities);
  // For another user than root they only bound what a set-user-id program could get.
  const Json active = user.uid == 0 ? all : Json::array();
  return {{"bounding", all}, {"effective", active}, {"permitted", active}};
}

Json process(const Plan& plan, const BundleFacts& facts) {
  const ContainerSpec& spec = plan.spec;
  std::string directory = spec.working_directory;
  if (directory.empty()) directory = spec.image.config.working_directory;
  if (directory.empty()) directory = "/";
  Json user = {{"uid", facts.user.uid}, {"gid", facts.user.gid}};
  if (!facts.user.groups.empty()) user["additionalGids"] = facts.user.groups;
  Json result = {{"terminal", false},
                 {"user", std::move(user)},
                 {"args", spec.arguments},
                 {"env", environment_of(spec)},
                 {"cwd", directory},
                 {"noNewPrivileges", true},
                 {"capabilities", capabilities(facts.user)}};
  if (facts.open_files > 0) {
    result["rlimits"] = Json::array(
        {{{"type", "RLIMIT_NOFILE"}, {"soft", facts.open_files}, {"hard", facts.open_files}}});
  }
  return result;
}

Json resources(const Plan& plan) {
  Json result = Json::object();
  // Without a control group nothing enforces it; node-less mounts and no CAP_MKNOD still do.
  if (!plan.rootless && !plan.cgroup_path.empty()) {
    result["devices"] = Json::array({{{"allow", false}, {"access", "rwm"}}});
  }
  const Limits& limits = plan.spec.limits;
  if (plan.limits.cpu && limits.cpus > 0) {
    constexpr std::int64_t kPeriod = 100'000;  // microseconds
    const auto quota = static_cast<std::int64_t>(std::llround(limits.cpus * kPeriod));
    result["cpu"] = {{"period", kPeriod}, {"quota", std::max<std::int64_t>(quota, 1000)}};
  }
  if (plan.limits.memory && limits.memory_bytes > 0) {
    result["memory"] = {{"limit", limits.memory_bytes}};
  }
  if (plan.limits.processes && limits.processes > 0) {
    result["pids"] = {{"limit", limits.processes}};
  }
  return result;
}

}  // namespace

std::string hostname_of(const ContainerSpec& spec) {
  // The kernel takes 64 bytes.
  return (spec.hostname.empty() ? spec.id : spec.hostname).substr(0, 63);
}

std::vector<std::string> environment_of(const ContainerSpec& spec) {
  std::vector<std::pair<std::string, std::string>> variables = {
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOSTNAME", hostname_of(spec)}};
  const auto set = [&](const std::string& name, const std::string& value) {
    for (auto& [known, old] : variables) {
      if (known == name) {
        old = value;
        return;
      }
    }
    variables.emplace_back(name, value);
  };
  for (const std::string& entry : spec.image.config.environment) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos && equals > 0) {
      set(entry.substr(0, equals), entry.substr(equals + 1));
    }
  }
  for (const auto& [name, value] : spec.environment) set(name, value);
  std::vector<std::string> result;
  for (const auto& [name, value] : variables) result.push_back(name + "=" + value);
  return result;
}

Json oci_config(const Plan& plan, const BundleFacts& facts) {
  Json namespaces = Json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount"}) namespaces.push_back({{"type", type}});
  if (plan.spec.network == Network::kNone) namespaces.push_back({{"type", "network"}});
  Json linux_part = {{"namespaces", std::move(namespaces)},
                     {"resources", resources(plan)},
                     {"maskedPaths", kMasked},
                     {"readonlyPaths", kReadOnly}};
  if (!plan.cgroup_path.empty()) linux_part["cgroupsPath"] = plan.cgroup_path;
  return {{"ociVersion", "1.0.2"},
          {"process", process(plan, facts)},
          {"root", {{"path", facts.root}, {"readonly", false}}},
          {"hostname", hostname_of(plan.spec)},
          {"mounts", mounts(plan, facts)},
          {"linux", std::move(linux_part)}};
}

std::vector<std::string> runtime_command(const Plan& plan, const std::string& bundle) {
  std::vector<std::string> words = {
      plan.runtime,   "--root", bundle + "/runtime", "--log", bundle + "/runtime.log",
      "--log-format", "json"};
  if (plan.cgroup_path.empty()) {
    // Where the machine gives no control groups the runtime is not to insist on them.
    const bool crun = std::filesystem::path(plan.runtime).filename() == "crun";
    words.push_back(crun ? "--cgroup-manager=disabled" : "--rootless=true");
  }
  for (const std::string& word :
       {std::string("run"), std::string("--detach"), std::string("--pid-file"), bundle + "/pid",
        std::string("--bundle"), bundle, plan.spec.id}) {
    words.push_back(word);
  }
  return words;
}

}  // namespace slipway::containers
