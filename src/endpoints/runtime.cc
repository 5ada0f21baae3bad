#include "endpoints/runtime.h"

#include <filesystem>

#include "base/error.h"
#include "base/strings.h"
#include "endpoints/model_data.h"
#include "store/files.h"

namespace slipway::endpoints {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kPort = 8080;
constexpr int kLastLines = 5;
constexpr const char* kContainerPrefix = "ep-";

std::string log_group(const ReplicaPlace& place) {
  return "/aws/sagemaker/Endpoints/" + place.endpoint;
}

std::string log_stream(const ReplicaPlace& place) {
  return place.variant.name + "/" + place.replica;
}

std::string text_of(const containers::Exit& exit) {
  if (exit.reason.starts_with("cannot start")) return "its container " + exit.reason;
  std::string text = "its container ended with exit code " + std::to_string(exit.code);
  if (!exit.reason.empty()) text += " (" + exit.reason + ")";
  return text;
}

}  // namespace

ContainerRuntime::ContainerRuntime(objects::Objects& objects, images::Images& images,
                                   containers::Engine& engine, containers::LogPump& log_pump,
                                   observe::Logs& logs, ContainerRuntimeOptions options)
    : objects_(objects),
      images_(images),
      engine_(engine),
      log_pump_(log_pump),
      logs_(logs),
      options_(std::move(options)) {}

base::FileDescriptor ContainerRuntime::connect(const std::string& replica,
                                               std::chrono::milliseconds timeout) noexcept {
  try {
    return engine_.connect(replica, kPort, timeout);
  } catch (...) {
    return {};  // the same to the caller as a replica that does not listen
  }
}

fs::path ContainerRuntime::fleet_directory(const std::string& endpoint_id, int generation) const {
  return options_.directory / endpoint_id / std::to_string(generation);
}

fs::path ContainerRuntime::model_directory(const std::string& endpoint_id, int generation,
                                           const std::string& model) const {
  return fleet_directory(endpoint_id, generation) / model / "model";
}

void ContainerRuntime::fetch_model(const std::string& account, const Variant& variant,
                                   const fs::path& directory) {
  if (fs::exists(directory)) return;
  const auto location = objects::parse_s3_uri(variant.model_data_url);
  if (!location) {
    throw Error("ValidationException",
                "The model data of model " + variant.model +
                    " is not at an s3:// address: " + variant.model_data_url);
  }
  const fs::path parent = directory.parent_path();
  store::create_directories_durably(store::system_disk(), parent);
  const fs::path archive = parent / "model.archive";
  const fs::path unfinished = parent / "model.unfinished";
  fs::remove(archive);
  fs::remove_all(unfinished);  // of an attempt that was cut short
  try {
    objects_.download(account, location->bucket, location->key, archive);
  } catch (const Error& error) {
    throw Error("ValidationException",
                "Could not find model data at " + variant.model_data_url + ": " + error.message());
  }
  unpack_model_data(archive, unfinished, {options_.model_bytes, options_.model_files});
  fs::remove(archive);
  // The name "model" means whole.
  store::system_disk().rename(unfinished, directory);
  store::system_disk().sync_directory(parent);
}

void ContainerRuntime::prepare(const std::string& account, const std::string& endpoint_id,
                               const Fleet& fleet) {
  std::map<std::string, images::UnpackedImage> unpacked;
  for (const Variant& variant : fleet.variants) {
    if (!unpacked.contains(variant.image_digest)) {
      unpacked.emplace(variant.image_digest, images_.unpack(account, variant.image_digest));
    }
    if (variant.model_data_url.empty()) continue;
    fetch_model(account, variant, model_directory(endpoint_id, fleet.generation, variant.model));
  }
  (*unpacked_.lock())[{endpoint_id, fleet.generation}] = std::move(unpacked);
}

void ContainerRuntime::start(const ReplicaPlace& place) {
  containers::ContainerSpec spec;
  spec.id = place.replica;
  {
    auto unpacked = unpacked_.lock();
    spec.image = unpacked->at({place.endpoint_id, place.generation}).at(place.variant.image_digest);
  }
  spec.arguments =
      containers::command_line(spec.image.config, std::nullopt, std::vector<std::string>{"serve"});
  spec.environment["AWS_REGION"] = options_.region;
  spec.environment["SAGEMAKER_BIND_TO_PORT"] = std::to_string(kPort);
  for (const auto& [name, value] : place.variant.environment.items()) {
    if (value.is_string()) spec.environment[name] = value.get<std::string>();
  }
  spec.hostname = place.variant.hostname;
  spec.network = place.variant.network ? containers::Network::kHost : containers::Network::kNone;
  if (!place.variant.model_data_url.empty()) {
    spec.mounts.push_back(
        {fs::absolute(model_directory(place.endpoint_id, place.generation, place.variant.model)),
         "/opt/ml/model", containers::Access::kReadOnly});
  }
  follow(place);
  engine_.start(spec);
}

void ContainerRuntime::follow(const ReplicaPlace& place) {
  log_pump_.follow(place.replica, {place.account, log_group(place), log_stream(place), {}});
}

Seen ContainerRuntime::seen(const std::string& replica) const {
  switch (engine_.state(replica)) {
    case containers::State::kAbsent:
      return Seen::kAbsent;
    case containers::State::kRunning:
      return Seen::kRunning;
    case containers::State::kExited:
      return Seen::kExited;
  }
  return Seen::kAbsent;
}

ReplicaEnd ContainerRuntime::end_of(const ReplicaPlace& place) {
  log_pump_.drain(place.replica);
  drained_.lock()->insert(place.replica);
  ReplicaEnd end;
  const auto exit = engine_.exit_of(place.replica);
  end.how = exit ? text_of(*exit) : "its container ended";
  for (const observe::LogEvent& line :
       logs_.tail(place.account, log_group(place), log_stream(place), kLastLines)) {
    if (!end.last_lines.empty()) end.last_lines += " | ";
    end.last_lines += line.message;
  }
  return end;
}

void ContainerRuntime::stop(const std::string& replica) {
  engine_.stop(replica, options_.stop_grace);
}

void ContainerRuntime::remove(const std::string& replica) {
  const bool carried = drained_.lock()->erase(replica) > 0;
  if (!carried) log_pump_.drain(replica);
  engine_.remove(replica);
}

void ContainerRuntime::remove_fleet(const std::string& endpoint_id, int generation) {
  unpacked_.lock()->erase({endpoint_id, generation});
  fs::remove_all(fleet_directory(endpoint_id, generation));
  std::error_code not_empty;  // it still holds another generation
  fs::remove(options_.directory / endpoint_id, not_empty);
}

void ContainerRuntime::sweep(const std::set<std::string>& replicas,
                             const std::set<std::pair<std::string, int>>& fleets) {
  for (const std::string& container : engine_.list()) {
    if (container.starts_with(kContainerPrefix) && !replicas.contains(container)) {
      engine_.remove(container);
    }
  }
  if (!fs::exists(options_.directory)) return;
  for (const auto& endpoint : fs::directory_iterator(options_.directory)) {
    bool known = false;
    for (const auto& fleet : fs::directory_iterator(endpoint.path())) {
      const auto generation = base::parse_integer(fleet.path().filename().string());
      const bool kept = generation && fleets.contains({endpoint.path().filename().string(),
                                                       static_cast<int>(*generation)});
      if (!kept) fs::remove_all(fleet.path());
      known = known || kept;
    }
    if (!known) fs::remove_all(endpoint.path());
  }
}

void ContainerRuntime::on_end(std::function<void(const std::string& replica)> ended) {
  engine_.on_exit([ended = std::move(ended)](const std::string& container) {
    if (container.starts_with(kContainerPrefix)) ended(container);
  });
}

}  // namespace slipway::endpoints
