#include "base/subprocess.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"

extern char** environ;  // POSIX: a program declares it itself

namespace slipway::base {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// posix_spawn runs the child on the parent's memory until exec, without any of the
// program's own code: nothing can be locked by a thread that the child does not have.
class SpawnPlan {
 public:
  SpawnPlan() {
    check(::posix_spawn_file_actions_init(&actions_));
    check(::posix_spawnattr_init(&attributes_));
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    check(::posix_spawnattr_setsigmask(&attributes_, &none));
    check(::posix_spawnattr_setsigdefault(&attributes_, &all));
    check(::posix_spawnattr_setpgroup(&attributes_, 0));
    check(::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void place(int descriptor, int as) {
    check(::posix_spawn_file_actions_adddup2(&actions_, descriptor, as));
  }
  void close_above_standard() {
    check(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1));
  }
  void change_directory(const std::filesystem::path& directory) {
    check(::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str()));
  }
  // An errno, or 0.
  int spawn(const std::string& program, char* const* arguments, char* const* environment,
            pid_t& child) {
    return ::posix_spawn(&child, program.c_str(), &actions_, &attributes_, arguments, environment);
  }

 private:
  static void check(int error) {
    if (error == 0) return;
    errno = error;
    throw_errno("cannot prepare a subprocess");
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
  Pipe pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  // Only the reading end: the child must see an ordinary, blocking pipe.
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno("cannot configure a pipe");
  return pipe;
}

// A file in memory instead of a pipe: a child that does not read its input cannot
// make the parent wait or raise SIGPIPE.
FileDescriptor input_of(const std::string& input) {
  if (input.empty()) {
    FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) throw_errno("cannot open /dev/null");
    return null;
  }
  FileDescriptor file(::memfd_create("standard-input", MFD_CLOEXEC));
  if (!file) throw_errno("cannot make a file in memory");
  std::string_view rest = input;
  while (!rest.empty()) {
    const ssize_t count = ::write(file.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write a subprocess's input");
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) throw_errno("cannot rewind a subprocess's input");
  return file;
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!command.environment.contains(std::string(text.substr(0, text.find('='))))) {
      entries.emplace_back(text);
    }
  }
  for (const auto& [name, value] : command.environment) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string path_of(const Command& command) {
  if (command.arguments.empty()) throw_internal("a subprocess needs the name of a program");
  const std::string& program = command.arguments.front();
  if (program.find('/') != std::string::npos) return program;
  const auto found = find_program(program);
  if (!found) throw_internal("the program \"" + program + "\" was not found in PATH");
  return found->string();
}

enum class Stream { kOpen, kEnded };

// Takes all that lies in the pipe. Where a grandchild keeps writing, the bound keeps the turn
// short.
Stream drain(int descriptor, std::string& kept, const Command& command) {
  std::array<char, 65536> buffer;
  std::size_t taken = 0;
  constexpr std::size_t kMost = 1u << 20;
  while (taken < kMost) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN ? Stream::kOpen : Stream::kEnded;
    if (count == 0) return Stream::kEnded;
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
    taken += piece.size();
    kept.append(
        piece.substr(0, command.output_limit - std::min(command.output_limit, kept.size())));
    if (command.on_output) command.on_output(piece);
  }
  return Stream::kOpen;
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A started program; waits for it, and kills its group where that is left undone.
class Child {
 public:
  explicit Child(pid_t pid)
      : pid_(pid), ended_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  ~Child() {
    if (pid_ > 0) {
      kill_group();
      wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill_group() const { ::kill(-pid_, SIGKILL); }

  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return exit_code_of(status);
  }

  // Without taking the exit status. Kernels before 5.3 have no pidfd and are asked each time.
  bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
           info.si_pid == pid_;
  }
  int descriptor() const { return ended_.get(); }

 private:
  pid_t pid_;
  FileDescriptor ended_;
};

int poll_timeout(SteadyTime deadline, const Child& child) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  const std::int64_t most = child.descriptor() >= 0 ? 60'000 : 20;
  return static_cast<int>(std::clamp<std::int64_t>(left.count() + 1, 0, most));
}

// Collects output until the child itself has ended: what it left running (a detached
// container, say) may hold the pipes for as long as it likes.
void collect(const Command& command, Child& child, FileDescriptor& output, FileDescriptor& error,
             CommandResult& result) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + command.timeout;
  bool ended = false;
  while (!ended) {
    if (!result.timed_out && std::chrono::steady_clock::now() >= deadline) {
      result.timed_out = true;
      child.kill_group();
    }
    std::array<pollfd, 3> waits = {pollfd{output.get(), POLLIN, 0}, pollfd{error.get(), POLLIN, 0},
                                   pollfd{child.descriptor(), POLLIN, 0}};
    const int timeout = result.timed_out ? 1000 : poll_timeout(deadline, child);
    if (::poll(waits.data(), waits.size(), timeout) < 0 && errno != EINTR) {
      throw_errno("cannot wait for a subprocess");
    }
    ended = child.has_ended();
    if (output && drain(output.get(), result.output, command) == Stream::kEnded) output.reset();
    if (error && drain(error.get(), result.error, command) == Stream::kEnded) error.reset();
  }
}

}  // namespace

CommandResult run(const Command& command) {
  const std::string program = path_of(command);
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment = environment_of(command);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);

  const FileDescriptor input = input_of(command.input);
  Pipe output = make_pipe();
  Pipe error = make_pipe();
  SpawnPlan plan;
  plan.place(input.get(), STDIN_FILENO);
  plan.place(output.write.get(), STDOUT_FILENO);
  plan.place(error.write.get(), STDERR_FILENO);
  plan.close_above_standard();
  if (command.directory) plan.change_directory(*command.directory);
  pid_t pid = -1;
  errno = plan.spawn(program, argument_pointers.data(), environment_pointers.data(), pid);
  if (errno != 0) throw_errno("cannot start " + program);

  Child child(pid);
  output.write.reset();
  error.write.reset();
  CommandResult result;
  collect(command, child, output.read, error.read, result);
  result.exit_code = child.wait();
  return result;
}

std::optional<std::filesystem::path> find_program(const std::string& program) {
  const auto is_program = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (program.find('/') != std::string::npos) {
    if (!is_program(program)) return std::nullopt;
    return std::filesystem::path(program);
  }
  const char* variable = std::getenv("PATH");
  const std::string path = variable ? variable : "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& directory : split(path, ':')) {
    if (directory.empty()) continue;
    const std::filesystem::path candidate = std::filesystem::path(directory) / program;
    if (is_program(candidate)) return candidate;
  }
  return std::nullopt;
}

}  // namespace slipway::base
