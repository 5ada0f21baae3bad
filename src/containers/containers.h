#pragma once

// Starting, watching, limiting and stopping containers.
//
// Each container has a directory <root>/<id> with its bundle, its log and, in the end,
// exit.json. A shim (this binary, started again under a hidden name) makes the file system
// in a mount namespace of its own, runs crun or runc, copies the output to the log and writes
// exit.json durably. The shim holds a lock on the directory for as long as it lives, so
// a server that was killed finds its containers again: lock held = running; not held and
// exit.json = exited; neither = lost, which counts as an exit with a reason.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "images/images.h"

namespace slipway::containers {

enum class Access { kReadOnly, kReadWrite };
struct Mount {
  std::filesystem::path source;  // on the machine
  std::string target;            // in the container; made where it is not there
  Access access = Access::kReadOnly;
};

enum class Network {
  kNone,  // a namespace of its own with only loopback up
  kHost,  // the machine's, with its resolver configuration
};

struct Limits {
  double cpus = 0;                 // 0: none
  std::uint64_t memory_bytes = 0;  // 0: none
  std::uint32_t processes = 4096;
  std::uint64_t log_bytes = 1ull << 30;  // of output kept; then a line says so
};

struct ContainerSpec {
  // The caller's own, unique for ever in the engine: [a-z0-9][a-z0-9.-]{0,127}. Starting an id
  // that was started before changes nothing, so a caller may repeat after a crash.
  std::string id;
  images::UnpackedImage image;
  std::vector<std::string> arguments;              // the whole command line, entrypoint included
  std::map<std::string, std::string> environment;  // over the image's own
  std::string working_directory;                   // the image's, else "/", where empty
  std::string hostname;                            // the id where empty
  std::vector<Mount> mounts;
  Network network = Network::kNone;
  Limits limits;
};

struct Exit {
  int code = 0;        // 128 + signal where a signal ended it
  std::string reason;  // empty, or why: "out of memory", "lost with the machine", "cannot start: …"
  base::Millis at = 0;
};

enum class State { kAbsent, kRunning, kExited };

struct Usage {
  double cpu_seconds = 0;
  std::uint64_t memory_bytes = 0;
};

struct EngineOptions {
  std::filesystem::path directory;  // <data>/containers
  std::string runtime;              // "", "crun" or "runc"; empty: the first that works here
  std::filesystem::path self;       // this binary, for the shim
};

// Thread-safe.
class Engine {
 public:
  // Throws Error with the package to install where there is no OCI runtime that works.
  static std::unique_ptr<Engine> open(EngineOptions options);
  virtual ~Engine() = default;

  // Returns once the shim has taken the container over; that it cannot start is an Exit.
  virtual void start(const ContainerSpec& spec) = 0;
  virtual State state(const std::string& id) const = 0;
  // How it ended; nothing while it runs. Requires that it was started.
  virtual std::optional<Exit> exit_of(const std::string& id) const = 0;
  // Waits at most `timeout`.
  virtual std::optional<Exit> wait(const std::string& id, std::chrono::milliseconds timeout) = 0;
  // Called, from a thread of the engine, once for each container that ends after this
  // call, also for those found running at open().
  virtual void on_exit(std::function<void(const std::string& id)> ended) = 0;
  // SIGTERM, and SIGKILL after `grace`. Returns at once; repeatable.
  virtual void stop(const std::string& id, std::chrono::milliseconds grace) = 0;
  // Deletes what it left behind; kills it where it still runs.
  virtual void remove(const std::string& id) = 0;
  virtual std::vector<std::string> list() const = 0;
  // Its output, both streams, one line each: "<epoch ms> <O|E> <text>". Grows while it runs.
  virtual std::filesystem::path log_path(const std::string& id) const = 0;
  virtual std::optional<Usage> usage(const std::string& id) const = 0;
  // A non-blocking TCP socket, connected to 127.0.0.1:`port` inside the container's network.
  // Empty where nothing listens or the container is gone. Blocks for at most `timeout`.
  virtual base::FileDescriptor connect(const std::string& id, std::uint16_t port,
                                       std::chrono::milliseconds timeout) = 0;
  virtual const std::string& runtime() const = 0;
};

// main() calls this first: where the process is a shim or another hidden role, runs it and
// returns its exit status.
std::optional<int> run_hidden_role(int argc, char** argv);

// What a container with this image runs, by Docker's rules: `entrypoint` and `arguments` replace
// the image's where given; a given entrypoint drops the image's command.
std::vector<std::string> command_line(const images::RunConfig& image,
                                      const std::optional<std::vector<std::string>>& entrypoint,
                                      const std::optional<std::vector<std::string>>& arguments);

}  // namespace slipway::containers
