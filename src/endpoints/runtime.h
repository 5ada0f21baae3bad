#pragma once

// What the control plane asks of the machine, for one replica or fleet at a time: data,
// containers, logs. ContainerRuntime does it with containers; tests have their own.

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "base/guarded.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "endpoints/decide.h"
#include "endpoints/gateway.h"
#include "endpoints/types.h"
#include "images/images.h"
#include "objects/objects.h"
#include "observe/logs.h"

namespace slipway::endpoints {

// A replica with what it belongs to.
struct ReplicaPlace {
  std::string account;
  std::string endpoint;  // its name
  std::string endpoint_id;
  int generation = 0;
  std::string replica;  // replica_id()
  Variant variant;
};

// How a replica's container ended, for people.
struct ReplicaEnd {
  std::string how;         // "its container ended with exit code 1"
  std::string last_lines;  // of its log
};

// Thread-safe. All but seen() may block; what fails throws Error with a sentence for the user.
class ReplicaRuntime : public Connector {
 public:
  // Data and image of a fleet on this machine; repeatable.
  virtual void prepare(const std::string& account, const std::string& endpoint_id,
                       const Fleet& fleet) = 0;
  // Repeatable: starting what was started changes nothing. Requires prepare().
  virtual void start(const ReplicaPlace& place) = 0;
  // After a restart of the server: goes on carrying the container's output into its log.
  virtual void follow(const ReplicaPlace& place) = 0;
  // kBusy is never seen here.
  virtual Seen seen(const std::string& replica) const = 0;
  // Requires that it has ended.
  virtual ReplicaEnd end_of(const ReplicaPlace& place) = 0;
  virtual void stop(const std::string& replica) = 0;  // returns at once
  virtual void remove(const std::string& replica) = 0;
  virtual void remove_fleet(const std::string& endpoint_id, int generation) = 0;
  // Deletes containers and data of replicas and fleets that nobody knows.
  virtual void sweep(const std::set<std::string>& replicas,
                     const std::set<std::pair<std::string, int>>& fleets) = 0;
  // Called, from any thread, when a replica's container has ended.
  virtual void on_end(std::function<void(const std::string& replica)> ended) = 0;
};

struct ContainerRuntimeOptions {
  std::filesystem::path directory;  // <data>/endpoints
  std::string region = "us-east-1";
  std::chrono::milliseconds stop_grace{30'000};  // from SIGTERM to SIGKILL
  std::uint64_t model_bytes = 64ull << 30;       // of one model's data, unpacked
  std::uint64_t model_files = 1'000'000;
};

class ContainerRuntime final : public ReplicaRuntime {
 public:
  ContainerRuntime(objects::Objects& objects, images::Images& images, containers::Engine& engine,
                   containers::LogPump& log_pump, observe::Logs& logs,
                   ContainerRuntimeOptions options);

  base::FileDescriptor connect(const std::string& replica,
                               std::chrono::milliseconds timeout) noexcept override;
  void prepare(const std::string& account, const std::string& endpoint_id,
               const Fleet& fleet) override;
  void start(const ReplicaPlace& place) override;
  void follow(const ReplicaPlace& place) override;
  Seen seen(const std::string& replica) const override;
  ReplicaEnd end_of(const ReplicaPlace& place) override;
  void stop(const std::string& replica) override;
  void remove(const std::string& replica) override;
  void remove_fleet(const std::string& endpoint_id, int generation) override;
  void sweep(const std::set<std::string>& replicas,
             const std::set<std::pair<std::string, int>>& fleets) override;
  void on_end(std::function<void(const std::string& replica)> ended) override;

 private:
  using FleetKey = std::pair<std::string, int>;
  std::filesystem::path fleet_directory(const std::string& endpoint_id, int generation) const;
  std::filesystem::path model_directory(const std::string& endpoint_id, int generation,
                                        const std::string& model) const;
  void fetch_model(const std::string& account, const Variant& variant,
                   const std::filesystem::path& directory);

  objects::Objects& objects_;
  images::Images& images_;
  containers::Engine& engine_;
  containers::LogPump& log_pump_;
  observe::Logs& logs_;
  const ContainerRuntimeOptions options_;
  // By image digest, so that the cache keeps what a fleet runs.
  base::Guarded<std::map<FleetKey, std::map<std::string, images::UnpackedImage>>> unpacked_;
  base::Guarded<std::set<std::string>> drained_;  // replicas whose log is carried over whole
};

}  // namespace slipway::endpoints
