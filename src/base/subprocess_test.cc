#include "base/subprocess.h"

#include <atomic>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"

namespace slipway::base {
namespace {

Command shell(const std::string& script) {
  Command command;
  command.arguments = {"sh", "-c", script};
  return command;
}

TEST(Subprocess, GivesBothStreamsAndTheExitCode) {
  const CommandResult result = run(shell("echo out; echo err >&2; exit 3"));

  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error, "err\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_FALSE(result.ok());
}

TEST(Subprocess, PassesInputEnvironmentAndDirectory) {
  Command command = shell("cat; echo $NAME; pwd");
  command.input = std::string(300'000, 'x');
  command.environment = {{"NAME", "value"}};
  command.directory = "/usr";

  EXPECT_EQ(run(command).output, command.input + "value\n/usr\n");
}

TEST(Subprocess, DoesNotMindAProgramThatIgnoresItsInput) {
  Command command = shell("exit 0");
  command.input = std::string(1'000'000, 'x');

  EXPECT_TRUE(run(command).ok());
}

TEST(Subprocess, ReportsASignalAsTheShellDoes) {
  EXPECT_EQ(run(shell("kill -TERM $$")).exit_code, 128 + SIGTERM);
}

TEST(Subprocess, KillsTheWholeGroupAtTheTimeout) {
  Command command = shell("sleep 1000 & echo $!; wait");
  command.timeout = std::chrono::milliseconds(200);

  const CommandResult result = run(command);

  EXPECT_TRUE(result.timed_out);
  EXPECT_FALSE(result.ok());
  const auto grandchild = parse_integer(trim(result.output));
  ASSERT_TRUE(grandchild.has_value());
  // The killed process lives on as a zombie until init has taken it.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  bool alive = true;
  while (alive && std::chrono::steady_clock::now() < deadline) {
    const std::string state =
        run(shell("cut -d ' ' -f 3 /proc/" + std::to_string(*grandchild) + "/stat")).output;
    alive = state != "Z\n" && !state.empty();
  }
  EXPECT_FALSE(alive);
}

TEST(Subprocess, DoesNotWaitForWhatTheProgramLeftRunning) {
  Command command = shell("sleep 1000 & echo $!");
  command.timeout = std::chrono::seconds(20);

  const CommandResult result = run(command);

  EXPECT_TRUE(result.ok());
  const auto left = parse_integer(trim(result.output));
  ASSERT_TRUE(left.has_value());
  ::kill(static_cast<pid_t>(*left), SIGKILL);
}

TEST(Subprocess, KeepsNoMoreOutputThanItsLimitButPassesAllOn) {
  Command command = shell("head -c 1000000 /dev/zero");
  command.output_limit = 1000;
  std::size_t passed = 0;
  command.on_output = [&](std::string_view piece) { passed += piece.size(); };

  const CommandResult result = run(command);

  EXPECT_EQ(result.output.size(), 1000u);
  EXPECT_EQ(passed, 1'000'000u);
}

TEST(Subprocess, InheritsNoDescriptors) {
  // Not even one that somebody opened without O_CLOEXEC.
  const FileDescriptor open(::open("/dev/null", O_RDONLY));

  const CommandResult result =
      run(shell("test -e /proc/self/fd/" + std::to_string(open.get()) + " && echo inherited"));

  EXPECT_EQ(result.output, "");
}

TEST(Subprocess, SaysWhichProgramIsMissing) {
  Command command;
  command.arguments = {"no-such-program"};

  try {
    run(command);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "the program \"no-such-program\" was not found in PATH");
  }
  command.arguments = {"/no/such/program"};
  EXPECT_THROW(run(command), Error);
}

TEST(Subprocess, RunsFromManyThreadsAtOnce) {
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) {
        const std::string text = std::to_string(i * 10 + j);
        if (run(shell("echo " + text)).output == text + "\n") ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(good, 40);
}

TEST(Subprocess, FindsProgramsInPath) {
  EXPECT_TRUE(find_program("sh").has_value());
  EXPECT_TRUE(find_program("/bin/sh").has_value());
  EXPECT_FALSE(find_program("no-such-program").has_value());
  EXPECT_FALSE(find_program("/etc/passwd").has_value());
}

}  // namespace
}  // namespace slipway::base
