#pragma once

// Receivers on this machine for tests: a web server that notes what it gets, and an SMTP server of
// a few lines.

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "base/thread_pool.h"
#include "net/server.h"
#include "store/files.h"

namespace slipway::notify {

class WebReceiver final : public net::Handler {
 public:
  explicit WebReceiver(const std::filesystem::path& directory)
      : spool_(directory), pool_({"receiver", 2, 64}) {
    net::ServerOptions options;
    options.port = 0;
    options.loops = 1;
    server_ = net::Server::start(options, *this, pool_, spool_, nullptr);
  }
  ~WebReceiver() override {
    server_->stop(std::chrono::milliseconds(1000));
    pool_.stop();
  }

  std::optional<net::Response> admit(const net::RequestHead&) override { return std::nullopt; }
  net::Response handle(net::Request request) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    return net::plain(status_, "ok");
  }
  void answer(int status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }
  std::vector<net::Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

 private:
  mutable std::mutex mutex_;
  int status_ = 200;                    // guarded by mutex_
  std::vector<net::Request> requests_;  // guarded by mutex_
  store::Spool spool_;
  base::ThreadPool pool_;
  std::unique_ptr<net::Server> server_;
};

// Takes one connection after the other and answers line by line, without TLS.
class MailReceiver {
 public:
  // `recipient_answer`: what RCPT is told.
  explicit MailReceiver(std::string recipient_answer = "250 ok")
      : recipient_answer_(std::move(recipient_answer)),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_.get(), 8) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no port for a test");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~MailReceiver() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  int port() const { return port_; }
  // Whole messages, and the commands of all connections.
  std::vector<std::string> mails() const {
    const std::lock_guard lock(mutex_);
    return mails_;
  }
  std::vector<std::string> commands() const {
    const std::lock_guard lock(mutex_);
    return commands_;
  }

 private:
  void serve() {
    while (true) {
      const base::FileDescriptor connection(::accept(listener_.get(), nullptr, nullptr));
      if (!connection) return;
      converse(connection.get());
    }
  }

  void converse(int socket) {
    std::string buffer;
    const auto say = [&](const std::string& line) {
      const std::string text = line + "\r\n";
      return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) > 0;
    };
    const auto hear = [&](std::string_view end) -> std::optional<std::string> {
      std::size_t at = 0;
      while ((at = buffer.find(end)) == std::string::npos) {
        char bytes[4096];
        const ssize_t count = ::recv(socket, bytes, sizeof bytes, 0);
        if (count <= 0) return std::nullopt;
        buffer.append(bytes, static_cast<std::size_t>(count));
      }
      std::string text = buffer.substr(0, at);
      buffer.erase(0, at + end.size());
      return text;
    };
    if (!say("220 test")) return;
    while (const auto line = hear("\r\n")) {
      {
        const std::lock_guard lock(mutex_);
        commands_.push_back(*line);
      }
      if (line->starts_with("EHLO")) {
        say("250-test\r\n250 AUTH PLAIN LOGIN");
      } else if (line->starts_with("AUTH")) {
        say("334 ");
        if (!hear("\r\n")) return;
        say("235 welcome");
      } else if (line->starts_with("RCPT")) {
        say(recipient_answer_);
      } else if (*line == "DATA") {
        say("354 go on");
        const auto mail = hear("\r\n.\r\n");
        if (!mail) return;
        const std::lock_guard lock(mutex_);
        mails_.push_back(*mail);
        say("250 taken");
      } else if (*line == "QUIT") {
        say("221 bye");
        return;
      } else {
        say("250 ok");
      }
    }
  }

  const std::string recipient_answer_;
  const base::FileDescriptor listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> mails_;     // guarded by mutex_
  std::vector<std::string> commands_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::notify
