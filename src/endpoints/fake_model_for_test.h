#pragma once

// A model's HTTP server inside the test, and a client of the gateway.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "endpoints/gateway.h"

namespace slipway::endpoints {

// Answers on a free port of 127.0.0.1, a thread for each connection.
class FakeModel {
 public:
  struct Request {
    std::string head;
    std::string body;
    int on_connection = 0;  // the how-manieth of its connection, from 0
  };
  // Returns the bytes to send; empty: closes the connection without an answer. Bytes that lack
  // "Content-Length" and "chunked" are followed by a close.
  using Behaviour = std::function<std::string(const Request&)>;

  explicit FakeModel(Behaviour behaviour);
  ~FakeModel();  // closes every connection

  // Non-blocking; empty after refuse_connections().
  base::FileDescriptor connect();
  void refuse_connections() { refusing_ = true; }
  // Closes the connections that are open, as a server does with idle ones.
  void close_connections();
  // From here on: once the request of this number on a connection has arrived, the connection is
  // closed without reading it, which resets it. -1: none.
  void reset_at(int on_connection) { reset_at_ = on_connection; }
  int connections() const { return accepted_; }

  // An answer of 200 with a body.
  static std::string ok(std::string_view body, std::string_view fields = "");

 private:
  void accept();
  void serve(int descriptor);

  const Behaviour behaviour_;
  base::FileDescriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> refusing_{false};
  std::atomic<int> accepted_{0};
  std::atomic<int> reset_at_{-1};
  std::mutex mutex_;
  std::vector<int> open_;             // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  std::thread acceptor_;
};

// Replicas by name. Thread-safe.
class FakeConnector : public Connector {
 public:
  base::FileDescriptor connect(const std::string& replica,
                               std::chrono::milliseconds timeout) noexcept override;
  FakeModel& add(const std::string& replica, FakeModel::Behaviour behaviour);

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<FakeModel>> models_;
};

// One access key.
class FakeCredentials : public wire::Credentials {
 public:
  std::optional<Key> find(std::string_view access_key) const override;
};
inline constexpr const char* kTestAccount = "123456789012";

struct Answer {
  int status = 0;                             // 0: none came
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
};

// A keep-alive connection to the gateway's server.
class GatewayClient {
 public:
  explicit GatewayClient(std::uint16_t port);

  using Fields = std::vector<std::pair<std::string, std::string>>;
  // Signs, sends and receives. Connects again where the connection was closed.
  Answer invoke(const std::string& endpoint, const std::string& body, const Fields& fields = {});
  // The bytes of a signed request.
  static std::string request(const std::string& endpoint, const std::string& body,
                             const Fields& fields = {},
                             const std::string& secret = "the secret of the test");
  void send(std::string_view bytes);
  // Receives at most `most` bytes at a time: 1 leaves a next answer in the socket.
  Answer receive(std::size_t most = 1u << 20);
  void close() { socket_.reset(); }

 private:
  const std::uint16_t port_;
  base::FileDescriptor socket_;
};

// Calls `condition` until it is true, for at most ten seconds.
bool eventually(const std::function<bool()>& condition);

}  // namespace slipway::endpoints
