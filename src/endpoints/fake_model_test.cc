#include <algorithm>
#include <chrono>
#include <condition_variable>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/digest.h"
#include "base/strings.h"
#include "endpoints/fake_model_for_test.h"
#include "endpoints/response_reader.h"
#include "wire/sigv4.h"

namespace slipway::endpoints {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

base::FileDescriptor connect_to(std::uint16_t port) {
  base::FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return {};
  }
  const int one = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket;
}

bool send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

FakeModel::FakeModel(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
  listener_ = base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size);
  ::listen(listener_.get(), 128);
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

FakeModel::~FakeModel() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  close_connections();
  for (std::thread& thread : threads_) thread.join();
}

void FakeModel::close_connections() {
  const std::lock_guard lock(mutex_);
  for (const int descriptor : open_) ::shutdown(descriptor, SHUT_RDWR);
}

void FakeModel::accept() {
  while (!stopping_) {
    const int descriptor = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) continue;
    ++accepted_;
    const int one = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const std::lock_guard lock(mutex_);
    open_.push_back(descriptor);
    threads_.emplace_back([this, descriptor] { serve(descriptor); });
  }
}

void FakeModel::serve(int descriptor) {
  std::string input;
  char bytes[64 << 10];
  for (int count = 0;; ++count) {
    std::size_t end = 0;
    std::size_t length = 0;
    if (input.empty()) {
      char byte = 0;
      if (::recv(descriptor, &byte, 1, MSG_PEEK) <= 0 || count == reset_at_) break;
    }
    for (;;) {
      end = input.find("\r\n\r\n");
      if (end != std::string::npos) {
        const std::size_t at = base::lower(input.substr(0, end)).find("content-length: ");
        length = at < end ? std::stoul(input.substr(at + 16, 20)) : 0;
        if (input.size() >= end + 4 + length) break;
      }
      const ssize_t got = ::recv(descriptor, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      input.append(bytes, static_cast<std::size_t>(got));
    }
    if (end == std::string::npos || input.size() < end + 4 + length) break;
    const std::string answer =
        behaviour_({input.substr(0, end + 2), input.substr(end + 4, length), count});
    input.erase(0, end + 4 + length);
    if (answer.empty() || !send_all(descriptor, answer)) break;
    if (answer.find("Content-Length") == std::string::npos &&
        answer.find("chunked") == std::string::npos) {
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, descriptor);
  ::close(descriptor);
}

base::FileDescriptor FakeModel::connect() {
  if (refusing_) return {};
  base::FileDescriptor socket = connect_to(port_);
  if (socket) ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  return socket;
}

std::string FakeModel::ok(std::string_view body, std::string_view fields) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

base::FileDescriptor FakeConnector::connect(const std::string& replica,
                                            std::chrono::milliseconds) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(replica);
  return found == models_.end() ? base::FileDescriptor() : found->second->connect();
}

FakeModel& FakeConnector::add(const std::string& replica, FakeModel::Behaviour behaviour) {
  const std::lock_guard lock(mutex_);
  auto& model = models_[replica];
  model = std::make_unique<FakeModel>(std::move(behaviour));
  return *model;
}

std::optional<wire::Credentials::Key> FakeCredentials::find(std::string_view access_key) const {
  if (access_key != "AKIATEST") return std::nullopt;
  Key key;
  key.secret = "the secret of the test";
  key.caller.account = kTestAccount;
  return key;
}

GatewayClient::GatewayClient(std::uint16_t port) : port_(port) {}

std::string GatewayClient::request(const std::string& endpoint, const std::string& body,
                                   const Fields& fields, const std::string& secret) {
  net::RequestHead head;
  head.method = "POST";
  head.target = "/endpoints/" + endpoint + "/invocations";
  head.headers.add("Host", "127.0.0.1");
  for (const auto& [name, value] : fields) head.headers.add(name, value);
  wire::sign(head, {"AKIATEST", secret, ""}, "us-east-1", "sagemaker", base::sha256_hex(body),
             base::SystemClock().now());
  std::string bytes = "POST " + head.target + " HTTP/1.1\r\n";
  for (const auto& [name, value] : head.headers) bytes += name + ": " + value + "\r\n";
  return bytes + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void GatewayClient::send(std::string_view bytes) {
  if (!socket_) socket_ = connect_to(port_);
  if (!send_all(socket_.get(), bytes)) socket_.reset();
}

Answer GatewayClient::receive(std::size_t most) {
  if (!socket_) return {};
  timeval limit{20, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ResponseReader reader(64u << 20);
  for (;;) {
    reader.make_room();
    const ssize_t got = ::recv(socket_.get(), reader.space(), std::min(most, reader.room()), 0);
    if (got <= 0) {
      socket_.reset();
      return {};
    }
    const auto result = reader.take(static_cast<std::size_t>(got));
    if (result == ResponseReader::Result::kIncomplete) continue;
    if (result != ResponseReader::Result::kComplete) return {};
    Answer answer;
    answer.status = reader.head().status;
    answer.body = reader.body();
    for (const auto& field : reader.head().fields) {
      answer.fields[base::lower(field.name)] = field.value;
    }
    if (!reader.keep_alive()) socket_.reset();
    return answer;
  }
}

Answer GatewayClient::invoke(const std::string& endpoint, const std::string& body,
                             const Fields& fields) {
  send(request(endpoint, body, fields));
  return receive();
}

bool eventually(const std::function<bool()>& condition) {
  std::mutex mutex;
  std::condition_variable never;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::unique_lock lock(mutex);
    never.wait_for(lock, std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace slipway::endpoints
