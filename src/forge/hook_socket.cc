#include "forge/hook_socket.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

namespace slipway::forge {
namespace {

using base::FileDescriptor;
using std::chrono::milliseconds;

constexpr std::size_t kMostBytes = 16u << 20;  // of one document
constexpr milliseconds kQuestionTime{10'000};  // to send or receive a question
constexpr milliseconds kAnswerTime{600'000};   // until what follows a push has been done

// A path may be longer than a socket's address: the way by the open directory is short.
struct Address {
  FileDescriptor directory;
  sockaddr_un address{};

  explicit Address(const std::filesystem::path& path)
      : directory(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    address.sun_family = AF_UNIX;
    const std::string text =
        "/proc/self/fd/" + std::to_string(directory.get()) + "/" + path.filename().string();
    std::strncpy(address.sun_path, text.c_str(), sizeof address.sun_path - 1);
  }
  const sockaddr* pointer() const { return reinterpret_cast<const sockaddr*>(&address); }
};

bool wait(int descriptor, short events, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waited{descriptor, events, 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool send_all(int descriptor, std::string_view bytes, milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!bytes.empty()) {
    if (!wait(descriptor, POLLOUT, deadline)) return false;
    const ssize_t sent =
        ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Up to the end of what the other side sends.
std::optional<Json> receive(int descriptor, milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  std::string text;
  std::array<char, 16384> buffer;
  while (text.size() <= kMostBytes) {
    if (!wait(descriptor, POLLIN, deadline)) return std::nullopt;
    const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return base::try_parse_json(text);
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return std::nullopt;
}

bool is_own_user(int descriptor) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

}  // namespace

HookSocket::HookSocket(std::filesystem::path path, base::ThreadPool& pool,
                       std::function<Json(const Json&)> answer)
    : path_(std::move(path)), pool_(pool), answer_(std::move(answer)) {}

HookSocket::~HookSocket() { stop(); }

void HookSocket::start() {
  if (thread_.joinable()) return;
  listener_ = FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  stop_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener_ || !stop_) base::throw_errno("cannot make a socket");
  ::unlink(path_.c_str());  // an earlier process's: the database's lock keeps others out
  const Address address(path_);
  // The mode before the bind: the socket never stands open to others.
  if (::fchmod(listener_.get(), S_IRUSR | S_IWUSR) != 0 ||
      ::bind(listener_.get(), address.pointer(), sizeof address.address) != 0 ||
      ::chmod(path_.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(listener_.get(), 64) != 0) {
    base::throw_errno("cannot listen at " + path_.string());
  }
  thread_ = std::thread([this] { run(); });
}

void HookSocket::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) != sizeof one) {
    base::throw_errno("cannot stop the hooks' socket");
  }
  thread_.join();
  listener_.reset();
  ::unlink(path_.c_str());
}

void HookSocket::run() {
  while (true) {
    std::array<pollfd, 2> waits = {pollfd{listener_.get(), POLLIN, 0},
                                   pollfd{stop_.get(), POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    const int accepted = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) {
      // Out of descriptors: the waiting hook must not make this thread spin.
      if (errno == EMFILE || errno == ENFILE) ::poll(&waits[1], 1, 100);
      continue;
    }
    const auto connection = std::make_shared<FileDescriptor>(accepted);
    if (!is_own_user(accepted)) continue;
    // Where there is no place the connection ends, and the hook says that the server is busy.
    if (!pool_.submit([this, connection] { serve(connection->get()); })) {
      log(Level::kWarning, "a git hook found no place");
    }
  }
}

void HookSocket::serve(int descriptor) const {
  const auto question = receive(descriptor, kQuestionTime);
  if (!question) return;
  Json answer;
  try {
    answer = answer_(*question);
  } catch (const Error& error) {
    if (error.status() >= 500) {
      log(Level::kError, "a git hook could not be answered", {{"error", error.message()}});
    }
    answer = {{"error", error.message()}};
  } catch (const std::exception& error) {
    log(Level::kError, "a git hook could not be answered",
        {{"error", std::string_view(error.what())}});
    answer = {{"error", "The server failed."}};
  }
  send_all(descriptor, base::dump_json(answer), kQuestionTime);
}

std::optional<Json> ask_server(const std::filesystem::path& socket, const Json& question) {
  const FileDescriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address address(socket);
  if (!connection || !address.directory ||
      ::connect(connection.get(), address.pointer(), sizeof address.address) != 0 ||
      !send_all(connection.get(), base::dump_json(question), kQuestionTime)) {
    return std::nullopt;
  }
  ::shutdown(connection.get(), SHUT_WR);
  return receive(connection.get(), kAnswerTime);
}

}  // namespace slipway::forge
