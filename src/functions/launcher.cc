#include "functions/launcher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "functions/python_runtime.h"
#include "store/files.h"

namespace slipway::functions {
namespace {

namespace fs = std::filesystem;

constexpr int kSessionSeconds = 12 * 3600;
// A session that lasts at least so long is shared by the containers of a function.
constexpr base::Millis kLeastSession = 10 * 3'600'000;
// Credentials must outlast the invocation by this.
constexpr base::Millis kSafety = 60'000;
constexpr std::size_t kMostSessions = 1000;
constexpr std::size_t kShortestSessionName = 2;  // as STS has it
constexpr double kMemoryOfCpu = 1769;            // MB, as Lambda gives out processors

constexpr const char* kTask = "/var/task";
constexpr const char* kRuntime = "/var/runtime";
constexpr const char* kCaBundle = "/opt/slipway/ca-bundle.pem";
constexpr const char* kSocket = "/var/slipway/runtime.sock";
constexpr const char* kBootstrap = "slipway_bootstrap.py";
constexpr const char* kRelay = "slipway_relay.py";
constexpr const char* kRelayAddress = "127.0.0.1:9001";

// "python3.12" where the machine has it, else its own python3.
std::string interpreter(const std::string& runtime) {
  for (const char* folder : {"/usr/local/bin/", "/usr/bin/"}) {
    const std::string path = folder + runtime;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "python3";
}

void write_program(const fs::path& path, const std::string& text) {
  store::write_atomically(store::system_disk(), path, text);
  // The umask does not count: programs of any user read it.
  if (::chmod(path.c_str(), 0644) != 0) base::throw_errno("writing " + path.string());
}

std::optional<std::vector<std::string>> texts(const Json& object, const char* member) {
  const Json& list = base::array_or_empty(object, member);
  if (list.empty()) return std::nullopt;
  return list.get<std::vector<std::string>>();
}

// What http.client, requests and botocore read; an image that says otherwise knows better.
void trust_bundle(const LaunchFacts& facts, LaunchPlan& plan) {
  for (const std::string name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"}) {
    const auto& image = facts.image.environment;
    const bool set = std::any_of(image.begin(), image.end(), [&](const std::string& entry) {
      return entry.starts_with(name + "=");
    });
    if (!set) plan.environment[name] = kCaBundle;
  }
}

void plan_image(const Target& target, const LaunchFacts& facts, LaunchPlan& plan) {
  const Json& settings = base::object_or_empty(
      base::object_or_empty(target.configuration, "ImageConfigResponse"), "ImageConfig");
  plan.arguments = containers::command_line(facts.image, texts(settings, "EntryPoint"),
                                            texts(settings, "Command"));
  plan.working_directory = base::text_or(settings, "WorkingDirectory");
  // The handler of AWS's base images is what stands in the command's place.
  const auto command = texts(settings, "Command").value_or(facts.image.command);
  plan.environment["_HANDLER"] = command.empty() ? "" : command.front();
}

void plan_zip(const Target& target, const LaunchFacts& facts, LaunchPlan& plan) {
  auto& environment = plan.environment;
  environment["_HANDLER"] = base::text_or(target.configuration, "Handler");
  environment["PATH"] = "/usr/local/bin:/usr/bin:/bin:/opt/bin";
  environment["LANG"] = "C.UTF-8";
  environment["TZ"] = ":UTC";
  plan.working_directory = kTask;
  const std::string runtime = kRuntime;
  if (target.is_python()) {
    environment["AWS_EXECUTION_ENV"] =
        "AWS_Lambda_" + base::text_or(target.configuration, "Runtime");
    plan.arguments = {facts.python, runtime + "/" + kBootstrap};
  } else {
    plan.arguments = {std::string(kTask) + "/bootstrap"};
  }
  if (!target.isolated()) return;
  environment["SLIPWAY_RUNTIME_SOCKET"] = kSocket;
  if (target.is_python()) return;
  environment["AWS_LAMBDA_RUNTIME_API"] = std::string(kRelayAddress) + "/" + facts.token;
  plan.arguments = {"python3", runtime + "/" + kRelay, std::string(kTask) + "/bootstrap"};
}

}  // namespace

LaunchPlan plan_launch(const Target& target, const LaunchFacts& facts) {
  LaunchPlan plan;
  const Json& environment = base::object_or_empty(target.configuration, "Environment");
  plan.environment = {{"AWS_REGION", facts.region},
                      {"AWS_DEFAULT_REGION", facts.region},
                      {"AWS_DISABLE_HOST_PREFIX_INJECTION", "true"},
                      {"AWS_LAMBDA_FUNCTION_NAME", target.name},
                      {"AWS_LAMBDA_FUNCTION_VERSION", target.version},
                      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", std::to_string(target.memory_mb())},
                      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
                      {"AWS_LAMBDA_LOG_GROUP_NAME", target.log_group()},
                      {"AWS_LAMBDA_LOG_STREAM_NAME", facts.log_stream},
                      {"AWS_LAMBDA_RUNTIME_API",
                       "127.0.0.1:" + std::to_string(facts.runtime_port) + "/" + facts.token},
                      {"LAMBDA_TASK_ROOT", kTask},
                      {"LAMBDA_RUNTIME_DIR", kRuntime}};
  if (!target.isolated()) plan.environment["AWS_ENDPOINT_URL"] = facts.url;
  if (target.is_image()) {
    plan_image(target, facts, plan);
  } else {
    plan_zip(target, facts, plan);
  }
  if (facts.ca_bundle) trust_bundle(facts, plan);
  // The caller's own come last: reserved names were refused when the function was made.
  for (const auto& [name, value] : base::object_or_empty(environment, "Variables").items()) {
    plan.environment[name] = value.get<std::string>();
  }
  return plan;
}

std::string session_name(const std::string& function) {
  return function.size() < kShortestSessionName ? function + "-lambda" : function;
}

Launcher::Launcher(Parts parts) : parts_(std::move(parts)) {}

void Launcher::prepare() const {
  fs::create_directories(parts_.runtime_directory);
  write_program(parts_.runtime_directory / kBootstrap, std::string(python_bootstrap()));
  write_program(parts_.runtime_directory / kRelay, std::string(python_relay()));
}

iam::Iam::Session Launcher::session_for(const Target& target) {
  const std::string role = base::text_or(target.configuration, "Role");
  const std::string key = role + " " + target.account + " " + target.name;
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(key);
  if (found != sessions_.end() && found->second.expires - parts_.clock.now() > kLeastSession) {
    return found->second;
  }
  if (sessions_.size() >= kMostSessions) sessions_.clear();
  auto session = parts_.iam.assume_role(role, session_name(target.name), kSessionSeconds);
  sessions_[key] = session;
  return session;
}

base::Millis Launcher::launch(const Target& target, const std::string& container,
                              const std::string& token, const std::string& log_stream) {
  containers::ContainerSpec spec;
  spec.id = container;
  spec.image = parts_.images.unpack(
      target.account, target.is_image() ? base::text_or(target.code, "Digest") : "host");
  LaunchPlan plan =
      plan_launch(target, {.region = parts_.region,
                           .url = parts_.url ? parts_.url() : "",
                           .ca_bundle = !parts_.ca_bundle.empty(),
                           .runtime_port = parts_.runtime_port(),
                           .token = token,
                           .log_stream = log_stream,
                           .python = interpreter(base::text_or(target.configuration, "Runtime")),
                           .image = spec.image.config});
  const iam::Iam::Session session = session_for(target);
  plan.environment["AWS_ACCESS_KEY_ID"] = session.key.id;
  plan.environment["AWS_SECRET_ACCESS_KEY"] = session.key.secret;
  plan.environment["AWS_SESSION_TOKEN"] = session.token;
  spec.arguments = std::move(plan.arguments);
  spec.environment = std::move(plan.environment);
  spec.working_directory = plan.working_directory;
  spec.hostname = "lambda";
  spec.network = target.isolated() ? containers::Network::kNone : containers::Network::kHost;
  spec.limits.memory_bytes = static_cast<std::uint64_t>(target.memory_mb()) << 20;
  // At least one: a share of a processor would make every start slow.
  spec.limits.cpus = std::max(1.0, static_cast<double>(target.memory_mb()) / kMemoryOfCpu);
  spec.limits.processes = 1024;
  spec.limits.log_bytes = 2 * kLogOfContainer;
  if (!target.is_image()) {
    spec.mounts = {{parts_.code.unpacked(base::text_or(target.code, "Sha256")), kTask,
                    containers::Access::kReadOnly},
                   {parts_.runtime_directory, kRuntime, containers::Access::kReadOnly}};
    if (target.isolated()) {
      spec.mounts.push_back(
          {parts_.socket_directory, "/var/slipway", containers::Access::kReadOnly});
    }
  }
  if (!parts_.ca_bundle.empty()) {
    spec.mounts.push_back({parts_.ca_bundle, kCaBundle, containers::Access::kReadOnly});
  }
  parts_.engine.start(spec);
  return session.expires - kSafety;
}

}  // namespace slipway::functions
