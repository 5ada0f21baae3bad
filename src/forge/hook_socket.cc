#include "forge/hook_socket.h"

#include <array>
#include <cerrno>
#include <memory>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "forge/hook_wire.h"

namespace slipway::forge {
namespace {

using base::FileDescriptor;

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
  const SocketAddress address(path_);
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
  const auto question = receive_document(descriptor, kQuestionTime);
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

}  // namespace slipway::forge
