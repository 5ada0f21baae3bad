#pragma once

// The server as a whole: builds the rooms in their order, starts them, and stops them in
// reverse.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "notify/notify.h"

namespace slipway::app {

struct AppOptions {
  std::filesystem::path data;  // everything durable lies here
  std::string address = "127.0.0.1";
  std::uint16_t port = 4700;   // 0: any free one
  std::uint16_t tls_port = 0;  // of the same by TLS; 0: any free one
  // What people and other machines call this server; empty: as local_url(). See addresses.h.
  std::string external_url;
  std::string account = "123456789012";
  std::string region = "us-east-1";
  std::string runtime;         // "crun", "runc" or empty: the first that works
  std::filesystem::path self;  // this binary
  int loops = 0;               // 0: one for each two cores, at least one
  std::size_t workers = 32;
  std::size_t running_jobs = 0;  // 0: one for each core
  std::size_t ci_jobs = 0;       // of CI pipelines at a time; 0: one for each core, at least two
  notify::SmtpOptions smtp;
};

// What a client on this machine needs to find the server; <data>/server.json.
struct ServerFile {
  std::string endpoint;      // "http://127.0.0.1:4700"
  std::string tls_endpoint;  // "https://127.0.0.1:4743"
  std::string ca_bundle;     // PEM file of the authorities that tls_endpoint's clients trust
  std::string region;
  std::string account;
  int process = 0;
};
// Throws Error with the next step where no server has written one.
ServerFile read_server_file(const std::filesystem::path& data);

class App {
 public:
  // Returns when the server answers. Throws Error with one sentence and the next step where the
  // data directory is in use, the port is taken or no OCI runtime works.
  static std::unique_ptr<App> start(AppOptions options);
  virtual ~App() = default;
  virtual const std::string& endpoint() const = 0;
  // Lets running requests end; containers go on and are found again by the next start.
  virtual void stop() = 0;
};

}  // namespace slipway::app
