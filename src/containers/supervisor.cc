#include "containers/supervisor.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "containers/decide.h"
#include "containers/oci_config.h"

namespace slipway::containers {
namespace {

// What remains in the pipes once the last process is gone is read at once; only a process that left
// the container's namespace could hold them open longer.
constexpr std::int64_t kDrainMillis = 2000;
// When the machine shuts down and signals the shim itself.
constexpr std::int64_t kShutdownGraceMillis = 10'000;

std::int64_t monotonic_millis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

base::Millis wall_millis() { return base::SystemClock().now(); }

std::string read_file_at(int directory, const std::string& path) {
  const base::FileDescriptor file(::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  while (file) {
    const ssize_t count = ::read(file.get(), buffer, sizeof(buffer));
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

// A pipe whose reading end does not block and is not inherited.
std::pair<base::FileDescriptor, base::FileDescriptor> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) base::throw_errno("making a pipe");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {base::FileDescriptor(ends[0]), base::FileDescriptor(ends[1])};
}

}  // namespace

Supervisor::Supervisor(const Plan& plan, const Paths& paths, Bundle bundle, OutputLog& log)
    : plan_(plan), paths_(paths), bundle_(std::move(bundle)), log_(log) {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  signals_ = base::FileDescriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) base::throw_errno("making a signal descriptor");
}

Exit Supervisor::run() {
  start_runtime();
  const auto ended = [&] {
    if (!runtime_status_) return false;
    return *runtime_status_ != 0 || ended_.contains(init_);
  };
  while (!ended()) wait_for_event();
  drain();
  return finish();
}

void Supervisor::start_runtime() {
  auto [output_end, output_start] = make_pipe();
  auto [error_end, error_start] = make_pipe();
  output_ = std::move(output_end);
  error_ = std::move(error_end);

  std::vector<std::string> words = runtime_command(plan_, bundle_.directory.string());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output_start.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, error_start.get(), 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigaddset(&signals, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error = ::posix_spawn(&runtime_, plan_.runtime.c_str(), &actions, &attributes,
                                  arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    errno = error;
    base::throw_errno("starting " + plan_.runtime);
  }
}

void Supervisor::wait_for_event() {
  pollfd watched[] = {{signals_.get(), POLLIN, 0},
                      {bundle_.control, POLLIN, 0},
                      {output_.get(), POLLIN, 0},
                      {error_.get(), POLLIN, 0}};
  int timeout = -1;
  if (kill_at_) {
    timeout = static_cast<int>(std::clamp<std::int64_t>(*kill_at_ - monotonic_millis(), 0, 60'000));
  }
  if (::poll(watched, std::size(watched), timeout) < 0 && errno != EINTR) {
    base::throw_errno("waiting for a container");
  }
  if (watched[2].revents != 0) read_output(output_, Stream::kOutput);
  if (watched[3].revents != 0) read_output(error_, Stream::kError);
  if (watched[1].revents != 0) read_control();
  if (watched[0].revents != 0) read_signals();
  pursue_stop();
}

void Supervisor::read_output(base::FileDescriptor& pipe, Stream stream) {
  char buffer[65536];
  const ssize_t count = ::read(pipe.get(), buffer, sizeof(buffer));
  if (count > 0) {
    log_.take(stream, {buffer, static_cast<std::size_t>(count)}, wall_millis());
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    pipe.reset();
  }
}

void Supervisor::read_control() {
  char buffer[4096];  // commands are shorter than PIPE_BUF, so none is torn
  const ssize_t count = ::read(bundle_.control, buffer, sizeof(buffer));
  if (count <= 0) return;
  for (const std::string& line :
       base::split(std::string_view(buffer, static_cast<std::size_t>(count)), '\n')) {
    if (!line.starts_with("stop ")) continue;
    if (const auto grace = base::parse_integer(line.substr(5))) ask_to_stop(*grace);
  }
}

void Supervisor::read_signals() {
  signalfd_siginfo information;
  while (::read(signals_.get(), &information, sizeof(information)) == sizeof(information)) {
    if (information.ssi_signo != SIGCHLD && information.ssi_signo != SIGHUP) {
      ask_to_stop(kShutdownGraceMillis);
    }
  }
  reap();
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t child; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (child == runtime_) {
      runtime_ended(status);
    } else {
      ended_[child] = status;
    }
  }
}

void Supervisor::runtime_ended(int status) {
  runtime_status_ = status;
  if (status != 0) return;
  const auto pid =
      base::parse_integer(base::trim(read_file_at(AT_FDCWD, bundle_.directory.string() + "/pid")));
  if (!pid || *pid <= 0) {
    runtime_status_ = -1;
    return;
  }
  init_ = static_cast<pid_t>(*pid);
  // Processes that the runtime left behind are no longer of interest; the container's end may be.
  std::erase_if(ended_, [&](const auto& entry) { return entry.first != init_; });
  if (!ended_.contains(init_)) announce_running();
}

void Supervisor::announce_running() {
  // A pidfd's information in the machine's /proc gives the pid as the machine counts it.
  const base::FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, init_, 0)));
  if (!process) return;
  const std::string information =
      read_file_at(bundle_.machine_proc, "self/fdinfo/" + std::to_string(process.get()));
  for (const std::string& line : base::split(information, '\n')) {
    if (!line.starts_with("Pid:")) continue;
    const auto pid = base::parse_integer(base::trim(std::string_view(line).substr(4)));
    if (!pid || *pid <= 0) return;
    const auto started =
        start_time_of(read_file_at(bundle_.machine_proc, std::to_string(*pid) + "/stat"));
    if (started) write_running(paths_, {static_cast<pid_t>(*pid), *started});
    return;
  }
}

void Supervisor::ask_to_stop(std::int64_t grace_ms) {
  const std::int64_t at = monotonic_millis() + std::clamp<std::int64_t>(grace_ms, 0, 86'400'000);
  kill_at_ = kill_at_ ? std::min(*kill_at_, at) : at;
}

void Supervisor::pursue_stop() {
  if (!kill_at_) return;
  if (init_ > 0 && !ended_.contains(init_) && !asked_init_) {
    ::kill(init_, SIGTERM);
    asked_init_ = true;
  }
  if (monotonic_millis() < *kill_at_) return;
  kill_at_ = monotonic_millis() + 1000;  // again, should the runtime be between two steps
  if (init_ > 0) {
    ::kill(init_, SIGKILL);
  } else if (!runtime_status_) {
    ::kill(runtime_, SIGKILL);
  }
}

void Supervisor::drain() {
  const std::int64_t until = monotonic_millis() + kDrainMillis;
  while (output_ || error_) {
    pollfd watched[] = {{output_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}};
    const std::int64_t left = until - monotonic_millis();
    if (left <= 0 || ::poll(watched, 2, static_cast<int>(left)) <= 0) break;
    if (watched[0].revents != 0) read_output(output_, Stream::kOutput);
    if (watched[1].revents != 0) read_output(error_, Stream::kError);
  }
  log_.finish(wall_millis());
}

Exit Supervisor::finish() {
  const base::Millis now = wall_millis();
  if (*runtime_status_ == 0) {
    return exit_from_status(ended_.at(init_), killed_for_memory(plan_.cgroup_directories), now);
  }
  if (kill_at_) return {128 + SIGKILL, "stopped before it had started", now};
  return start_failure(read_file_at(AT_FDCWD, bundle_.directory.string() + "/runtime.log"), now);
}

}  // namespace slipway::containers
