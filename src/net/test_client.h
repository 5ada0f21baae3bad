#pragma once

// For the tests of this room: a server on a free port, and a client that sends exactly
// the bytes that it is told to.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/file_descriptor.h"
#include "base/ids.h"
#include "base/thread_pool.h"
#include "net/loop_handler.h"
#include "net/parser.h"
#include "net/server.h"

namespace slipway::net {

constexpr int kTestDeadlineMilliseconds = 60'000;

struct Answer {
  int status = 0;  // 0: the connection ended instead
  Headers headers;
  std::string body;
};

// A blocking client. Every wait has a deadline. One thread may send while another receives.
class TestClient {
 public:
  explicit TestClient(std::uint16_t port, int receive_buffer = 0) {
    socket_ = base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) {
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  // False where the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }

  // One response; `answers_head` where the request was HEAD.
  Answer receive(bool answers_head = false) {
    HeadParser parser(1u << 20);
    StatusLineAndHead head;
    Progress progress = Progress::kIncomplete;
    while ((progress = parser.parse(received_, head, answers_head)) == Progress::kIncomplete) {
      if (!read_more()) return {};
    }
    if (progress == Progress::kBad) return {};
    Answer answer;
    answer.status = head.status;
    for (const auto& field : head.fields) {
      answer.headers.add(std::string(field.name), std::string(field.value));
    }
    const BodyKind kind = head.body;
    const auto length = static_cast<std::size_t>(head.content_length);
    received_.erase(0, head.size);
    return receive_body(kind, length, answer) ? answer : Answer{};
  }
  // Everything up to the end of the connection.
  std::string receive_all() {
    while (read_more()) {
    }
    return std::exchange(received_, std::string());
  }
  // True once the server has closed, having sent nothing more.
  bool ended() { return !read_more() && received_.empty() && !timed_out_; }

 private:
  bool wait(short events) {
    pollfd waited{socket_.get(), events, 0};
    return ::poll(&waited, 1, kTestDeadlineMilliseconds) > 0;
  }
  bool read_more() {
    char bytes[65536];
    timed_out_ = !wait(POLLIN);
    if (timed_out_) return false;
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  bool receive_body(BodyKind kind, std::size_t length, Answer& answer) {
    if (kind == BodyKind::kNone) return true;
    if (kind == BodyKind::kUntilClose) {
      answer.body = receive_all();
      return true;
    }
    if (kind == BodyKind::kLength) {
      while (received_.size() < length) {
        if (!read_more()) return false;
      }
      answer.body = received_.substr(0, length);
      received_.erase(0, length);
      return true;
    }
    ChunkedDecoder decoder;
    for (;;) {
      std::string piece = std::exchange(received_, std::string());
      const auto step = decoder.decode(piece.data(), piece.size());
      if (step.progress == Progress::kBad) return false;
      answer.body.append(piece, 0, step.produced);
      received_ = piece.substr(step.consumed);
      if (step.progress == Progress::kComplete) return true;
      if (!read_more()) return false;
    }
  }

  base::FileDescriptor socket_;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string received_;
};

// Something that one thread announces and another waits for.
class Signal {
 public:
  void give() {
    const std::lock_guard lock(mutex_);
    ++given_;
    changed_.notify_all();
  }
  // False after the tests' deadline.
  bool wait(int times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(kTestDeadlineMilliseconds),
                             [&] { return given_ >= times; });
  }
  int given() const {
    const std::lock_guard lock(mutex_);
    return given_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int given_ = 0;
};

// A handler of two functions, to be set before the server starts.
class FunctionHandler final : public Handler {
 public:
  std::function<std::optional<Response>(const RequestHead&)> on_admit;
  std::function<Response(Request)> on_handle = [](Request request) {
    return plain(200, request.method + " " + request.target + " " + request.body.text());
  };

  std::optional<Response> admit(const RequestHead& head) override {
    return on_admit ? on_admit(head) : std::nullopt;
  }
  Response handle(Request request) override { return on_handle(std::move(request)); }
};

class ServerTest : public testing::Test {
 protected:
  ServerTest()
      : directory_(std::filesystem::temp_directory_path() / ("net-test-" + base::random_hex(16))),
        spool_(directory_ / "spool") {
    options_.port = 0;
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  void start(std::size_t threads = 4, std::size_t queue = 64) {
    pool_ = std::make_unique<base::ThreadPool>(
        base::ThreadPoolOptions{.name = "test", .threads = threads, .queue = queue});
    server_ = Server::start(options_, handler_, *pool_, spool_, loop_handler_);
  }
  TestClient client() { return TestClient(server_->port()); }

  std::filesystem::path directory_;
  store::Spool spool_;
  ServerOptions options_;
  FunctionHandler handler_;
  LoopHandler* loop_handler_ = nullptr;
  std::unique_ptr<base::ThreadPool> pool_;
  std::unique_ptr<Server> server_;
};

inline std::string post(std::string_view path, std::string_view body,
                        std::string_view fields = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(fields) + "\r\n";
}

}  // namespace slipway::net
