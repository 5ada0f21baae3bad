#pragma once

// How a command reaches the server: address and keys from the environment, as the AWS tools
// read them, else from the data directory of a server on this machine.

#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "cli/command.h"
#include "net/client.h"
#include "wire/client.h"

namespace slipway::cli {

struct Session {
  std::string endpoint;  // "http://127.0.0.1:4700"
  std::string host;      // "127.0.0.1:4700"
  std::string region;
  wire::SigningKey key;
};

// AWS_ENDPOINT_URL with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION; or
// <data>/server.json and <data>/credentials. Throws Error with the next step where neither is
// there.
Session find_session(const Globals& globals);

// Where the command line keeps layers, logs and its own containers:
// $XDG_CACHE_HOME/slipway or ~/.cache/slipway. Created.
std::filesystem::path cache_directory();

}  // namespace slipway::cli
