#include "containers/directory.h"

#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "store/files.h"

namespace slipway::containers {
namespace {

std::optional<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json mounts_to_json(const std::vector<Mount>& mounts) {
  Json list = Json::array();
  for (const Mount& mount : mounts) {
    list.push_back({{"source", mount.source.string()},
                    {"target", mount.target},
                    {"write", mount.access == Access::kReadWrite}});
  }
  return list;
}

std::vector<Mount> mounts_from_json(const Json& list) {
  std::vector<Mount> mounts;
  for (const Json& entry : list) {
    mounts.push_back({entry.at("source").get<std::string>(), entry.at("target").get<std::string>(),
                      entry.at("write").get<bool>() ? Access::kReadWrite : Access::kReadOnly});
  }
  return mounts;
}

Json image_to_json(const images::UnpackedImage& image) {
  Json layers = Json::array();
  for (const std::filesystem::path& layer : image.layers) layers.push_back(layer.string());
  return {{"digest", image.digest},
          {"host_base", image.host_base},
          {"layers", std::move(layers)},
          {"environment", image.config.environment},
          {"working_directory", image.config.working_directory},
          {"user", image.config.user}};
}

images::UnpackedImage image_from_json(const Json& json) {
  images::UnpackedImage image;
  image.digest = json.at("digest").get<std::string>();
  image.host_base = json.at("host_base").get<bool>();
  for (const Json& layer : json.at("layers")) image.layers.emplace_back(layer.get<std::string>());
  json.at("environment").get_to(image.config.environment);
  json.at("working_directory").get_to(image.config.working_directory);
  json.at("user").get_to(image.config.user);
  return image;
}

}  // namespace

Json to_json(const Plan& plan) {
  const ContainerSpec& spec = plan.spec;
  return {{"id", spec.id},
          {"image", image_to_json(spec.image)},
          {"arguments", spec.arguments},
          {"environment", spec.environment},
          {"working_directory", spec.working_directory},
          {"hostname", spec.hostname},
          {"mounts", mounts_to_json(spec.mounts)},
          {"host_network", spec.network == Network::kHost},
          {"limits",
           {{"cpus", spec.limits.cpus},
            {"memory_bytes", spec.limits.memory_bytes},
            {"processes", spec.limits.processes},
            {"log_bytes", spec.limits.log_bytes}}},
          {"runtime", plan.runtime},
          {"skeleton", plan.skeleton.string()},
          {"rootless", plan.rootless},
          {"cgroup",
           {{"path", plan.cgroup_path},
            {"cpu", plan.limits.cpu},
            {"memory", plan.limits.memory},
            {"processes", plan.limits.processes},
            {"directories", plan.cgroup_directories}}}};
}

Plan plan_from_json(const Json& json) try {
  Plan plan;
  ContainerSpec& spec = plan.spec;
  json.at("id").get_to(spec.id);
  spec.image = image_from_json(json.at("image"));
  json.at("arguments").get_to(spec.arguments);
  json.at("environment").get_to(spec.environment);
  json.at("working_directory").get_to(spec.working_directory);
  json.at("hostname").get_to(spec.hostname);
  spec.mounts = mounts_from_json(json.at("mounts"));
  spec.network = json.at("host_network").get<bool>() ? Network::kHost : Network::kNone;
  const Json& limits = json.at("limits");
  limits.at("cpus").get_to(spec.limits.cpus);
  limits.at("memory_bytes").get_to(spec.limits.memory_bytes);
  limits.at("processes").get_to(spec.limits.processes);
  limits.at("log_bytes").get_to(spec.limits.log_bytes);
  json.at("runtime").get_to(plan.runtime);
  plan.skeleton = json.at("skeleton").get<std::string>();
  json.at("rootless").get_to(plan.rootless);
  const Json& cgroup = json.at("cgroup");
  cgroup.at("path").get_to(plan.cgroup_path);
  cgroup.at("cpu").get_to(plan.limits.cpu);
  cgroup.at("memory").get_to(plan.limits.memory);
  cgroup.at("processes").get_to(plan.limits.processes);
  cgroup.at("directories").get_to(plan.cgroup_directories);
  return plan;
} catch (const Json::exception& error) {
  base::throw_internal(std::string("a container's plan is broken: ") + error.what());
}

std::optional<Plan> read_plan(const Paths& paths) try {
  const std::optional<std::string> text = read_text(paths.plan);
  const std::optional<Json> json = text ? base::try_parse_json(*text) : std::nullopt;
  if (!json) return std::nullopt;
  return plan_from_json(*json);
} catch (const Error&) {
  return std::nullopt;  // written by another version or torn by a power cut
}

void write_running(const Paths& paths, const Running& running) {
  // Renamed into place, so that a reader sees it whole; not synced: it means nothing after a
  // reboot.
  const std::filesystem::path temporary = paths.running.string() + ".new";
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << base::dump_json({{"pid", running.pid}, {"start_time", running.start_time}}) << "\n";
    if (!file.flush()) base::throw_errno("writing " + temporary.string());
  }
  if (::rename(temporary.c_str(), paths.running.c_str()) != 0) {
    base::throw_errno("renaming " + temporary.string());
  }
}

std::optional<Running> read_running(const Paths& paths) {
  const std::optional<std::string> text = read_text(paths.running);
  const std::optional<Json> json = text ? base::try_parse_json(*text) : std::nullopt;
  if (!json) return std::nullopt;
  Running running;
  running.pid = static_cast<pid_t>(base::integer_or(*json, "pid", 0));
  running.start_time = static_cast<std::uint64_t>(base::integer_or(*json, "start_time", 0));
  if (running.pid <= 0) return std::nullopt;
  return running;
}

std::optional<std::uint64_t> start_time_of(const std::string& stat) {
  // The second field, the program's name, may contain anything, also ") ".
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 > stat.size()) return std::nullopt;
  const std::vector<std::string> fields =
      base::split(std::string_view(stat).substr(name_end + 2), ' ');
  if (fields.size() < 20) return std::nullopt;
  const auto number = base::parse_integer(fields[19]);
  if (!number) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

void write_exit(const Paths& paths, const Exit& exit) {
  store::write_atomically(
      store::system_disk(), paths.exit,
      base::dump_json({{"code", exit.code}, {"reason", exit.reason}, {"at", exit.at}}) + "\n");
}

std::optional<Exit> read_exit(const Paths& paths) {
  const std::optional<std::string> text = read_text(paths.exit);
  const std::optional<Json> json = text ? base::try_parse_json(*text) : std::nullopt;
  if (!json) return std::nullopt;
  return Exit{static_cast<int>(base::integer_or(*json, "code", 0)), base::text_or(*json, "reason"),
              base::integer_or(*json, "at", 0)};
}

void write_holder(int lock, const LockHolder& holder) {
  const std::string text = std::to_string(holder.pid) + " " + holder.boot_id + "\n";
  if (::pwrite(lock, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    base::throw_errno("writing a container's lock");
  }
}

std::optional<LockHolder> read_holder(const Paths& paths) {
  const std::optional<std::string> text = read_text(paths.lock);
  if (!text || !text->ends_with('\n')) return std::nullopt;
  const std::vector<std::string> words = base::split(base::trim(*text), ' ');
  const auto pid = words.size() == 2 ? base::parse_integer(words[0]) : std::nullopt;
  if (!pid) return std::nullopt;
  return LockHolder{static_cast<pid_t>(*pid), words[1]};
}

bool is_lock_held(const Paths& paths) {
  const base::FileDescriptor file(::open(paths.lock.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  // A shared lock, so that two who ask at once do not see each other.
  return ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::string boot_id() {
  const std::optional<std::string> text = read_text("/proc/sys/kernel/random/boot_id");
  return text ? std::string(base::trim(*text)) : "unknown";
}

}  // namespace slipway::containers
