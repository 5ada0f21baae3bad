#pragma once

// Starts a function's container: image, code, command line, environment, credentials.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "containers/containers.h"
#include "functions/code.h"
#include "functions/types.h"
#include "iam/iam.h"
#include "images/images.h"

namespace slipway::functions {

// What a function's container is started with; pure but for the look at the machine's programs.
struct LaunchPlan {
  std::vector<std::string> arguments;
  std::string working_directory;
  std::map<std::string, std::string> environment;
};
struct LaunchFacts {
  std::string region;
  std::string url;         // of this server
  bool ca_bundle = false;  // a bundle of authorities is mounted
  std::uint16_t runtime_port = 0;
  std::string token;
  std::string log_stream;
  std::string python;  // the interpreter
  images::RunConfig image;
};
LaunchPlan plan_launch(const Target& target, const LaunchFacts& facts);
// Of the role's session: the function's name, which may be shorter than such a name.
std::string session_name(const std::string& function);

// Thread-safe.
class Launcher {
 public:
  struct Parts {
    const base::Clock& clock;
    images::Images& images;
    containers::Engine& engine;
    iam::Iam& iam;
    CodeStore& code;
    std::filesystem::path runtime_directory;  // with the runtime's programs; mounted read-only
    std::filesystem::path socket_directory;   // with the bridge's socket
    std::string region;
    std::function<std::string()> url;
    std::filesystem::path ca_bundle;  // may be empty
    std::function<std::uint16_t()> runtime_port;
  };
  explicit Launcher(Parts parts);

  // Writes the runtime's programs to the runtime directory.
  void prepare() const;
  // See Pool::Launch.
  base::Millis launch(const Target& target, const std::string& container, const std::string& token,
                      const std::string& log_stream);

 private:
  iam::Iam::Session session_for(const Target& target);

  const Parts parts_;
  std::mutex mutex_;
  std::map<std::string, iam::Iam::Session> sessions_;  // by role and function; guarded by mutex_
};

}  // namespace slipway::functions
