#include "forge/backend.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace slipway::forge {
namespace {

using base::FileDescriptor;
using std::chrono::milliseconds;

constexpr std::size_t kPiece = 64u << 10;
constexpr std::size_t kMostHead = 16u << 10;
constexpr std::size_t kMostErrors = 4096;
// To clean up its lock files after SIGTERM.
constexpr milliseconds kGrace{5000};

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) base::throw_errno("cannot make a pipe");
  Pipe pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) {
    base::throw_errno("cannot configure a pipe");
  }
  return pipe;
}

// The child is the first of a process group, so that its own children end with it.
pid_t spawn(const std::string& program, std::vector<std::string> arguments,
            std::vector<std::string> environment, const std::array<int, 3>& descriptors) {
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  int failed = 0;
  for (int at = 0; at < 3 && failed == 0; ++at) {
    failed = ::posix_spawn_file_actions_adddup2(&actions, descriptors.at(at), at);
  }
  if (failed == 0) failed = ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (failed == 0) failed = ::posix_spawnattr_setsigmask(&attributes, &none);
  if (failed == 0) failed = ::posix_spawnattr_setsigdefault(&attributes, &all);
  if (failed == 0) failed = ::posix_spawnattr_setpgroup(&attributes, 0);
  if (failed == 0) {
    failed = ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  pid_t child = -1;
  if (failed == 0) {
    failed = ::posix_spawn(&child, program.c_str(), &actions, &attributes,
                           pointers(arguments).data(), pointers(environment).data());
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed == 0) return child;
  errno = failed;
  base::throw_errno("cannot start " + program);
}

// Git's own folder has the program itself; "git http-backend" would start one more process, and
// two in every push.
std::filesystem::path find_backend() {
  const auto git = base::find_program("git");
  if (!git) return {};
  const auto folder = base::run({.arguments = {git->string(), "--exec-path"}});
  const std::filesystem::path own = base::trim(folder.output);
  if (folder.ok() && base::find_program((own / "git-http-backend").string())) {
    return own / "git-http-backend";
  }
  return *git;
}

// The child's status without reaping, or nothing after `time`.
bool ends_within(pid_t child, milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  const FileDescriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  while (true) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT | WNOHANG) != 0 ||
        info.si_pid == child) {
      return true;
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waited{ended.get(), POLLIN, 0};
    // Kernels before 5.3 have no pidfd and are asked each time.
    ::poll(&waited, 1, ended ? static_cast<int>(left.count()) : 10);
  }
}

}  // namespace

FileDescriptor file_in_memory(const std::string& bytes) {
  FileDescriptor file(::memfd_create("git-request", MFD_CLOEXEC));
  if (!file) base::throw_errno("cannot make a file in memory");
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t count = ::write(file.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) base::throw_errno("cannot write a request for git");
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) base::throw_errno("cannot rewind a request for git");
  return file;
}

Backend::Backend(const std::map<std::string, std::string>& environment, FileDescriptor input,
                 BackendLimits limits)
    : deadline_(std::chrono::steady_clock::now() + limits.time), output_left_(limits.output) {
  static const std::filesystem::path found = find_backend();
  // Git may be installed, or another one, while the server runs.
  std::error_code gone;
  const std::filesystem::path program =
      std::filesystem::exists(found, gone) ? found : find_backend();
  if (program.empty()) {
    throw Error("ServiceUnavailable", "git is not installed on this server.", 503);
  }
  std::vector<std::string> arguments{program.filename().string()};
  if (arguments.front() == "git") arguments.emplace_back("http-backend");
  std::vector<std::string> entries;
  for (const auto& [name, value] : environment) entries.push_back(name + "=" + value);
  Pipe output = make_pipe();
  Pipe error = make_pipe();
  process_ = spawn(program.string(), std::move(arguments), std::move(entries),
                   {input.get(), output.write.get(), error.write.get()});
  output_ = std::move(output.read);
  error_ = std::move(error.read);
}

Backend::~Backend() {
  output_.reset();
  reap();
}

void Backend::reap() {
  if (process_ < 0) return;
  // The whole group, and first with a signal at which git removes its lock files: one that stayed
  // would block its ref for ever.
  if (!ends_within(process_, milliseconds(0))) {
    ::kill(-process_, SIGTERM);
    if (!ends_within(process_, kGrace)) ::kill(-process_, SIGKILL);
  }
  ::kill(-process_, SIGTERM);  // what is left of its group, where anything is
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  if (status != 0 && !errors_.empty()) {
    log(Level::kDebug, "git http-backend failed",
        {{"status", status}, {"error", base::utf8_prefix(base::trim(errors_), 500)}});
  }
}

void Backend::take_errors() {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(error_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return error_.reset();
    const auto size = static_cast<std::size_t>(got);
    errors_.append(buffer.data(),
                   std::min(size, kMostErrors - std::min(kMostErrors, errors_.size())));
  }
}

std::optional<std::string> Backend::read_piece() {
  while (output_) {
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      throw Error("ServiceUnavailable", "The git operation took too long and was ended.", 503);
    }
    std::array<pollfd, 2> waits = {pollfd{output_.get(), POLLIN, 0},
                                   pollfd{error_.get(), POLLIN, 0}};
    ::poll(waits.data(), waits.size(),
           static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (waits[1].revents != 0) take_errors();
    std::string piece(kPiece, '\0');
    const ssize_t got = ::read(output_.get(), piece.data(), piece.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) base::throw_errno("cannot read what git says");
    if (got == 0) {
      output_.reset();
      // It has said all; what it still has to do is to exit.
      ends_within(process_, kGrace);
      if (error_) take_errors();
      reap();
      return std::nullopt;
    }
    piece.resize(static_cast<std::size_t>(got));
    if (piece.size() > output_left_) {
      throw Error("ServiceUnavailable", "The git operation's answer is too large.", 503);
    }
    output_left_ -= piece.size();
    return piece;
  }
  return std::nullopt;
}

Backend::Head Backend::head() {
  std::string text;
  std::size_t end = std::string::npos;
  std::size_t gap = 4;
  while (true) {
    end = text.find("\r\n\r\n");
    gap = 4;
    if (end == std::string::npos) {
      end = text.find("\n\n");
      gap = 2;
    }
    if (end != std::string::npos) break;
    const auto piece = text.size() > kMostHead ? std::nullopt : read_piece();
    if (!piece) {
      base::throw_internal("git http-backend gave no answer: " +
                           std::string(base::utf8_prefix(base::trim(errors_), 500)));
    }
    text += *piece;
  }
  waiting_ = text.substr(end + gap);
  Head head;
  for (const std::string& line : base::split(std::string_view(text).substr(0, end), '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name(base::trim(std::string_view(line).substr(0, colon)));
    const std::string value(base::trim(std::string_view(line).substr(colon + 1)));
    if (base::equals_ignoring_case(name, "Status")) {
      head.status = static_cast<int>(base::parse_integer(value.substr(0, 3)).value_or(500));
    } else {
      head.headers.add(name, value);
    }
  }
  return head;
}

std::optional<std::string> Backend::next() {
  if (!waiting_.empty()) return std::exchange(waiting_, std::string());
  return read_piece();
}

}  // namespace slipway::forge
