// The engine with a real runtime. The machine must allow what the engine needs; as another user
// than root the same tests run the rootless way.

#include "containers/containers.h"

#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "containers/directory.h"

namespace slipway::containers {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

constexpr auto kPatience = 30s;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/containers-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    open();
  }

  void TearDown() override {
    if (!engine_) open();
    for (const std::string& id : engine_->list()) engine_->remove(id);
    engine_.reset();
    remove_tree(directory_);
  }

  void open() {
    engine_ = Engine::open({directory_ / "containers", "", fs::canonical("/proc/self/exe")});
  }

  ContainerSpec shell(const std::string& id, const std::string& script) {
    ContainerSpec spec;
    spec.id = id;
    spec.image.host_base = true;
    spec.arguments = {"/bin/sh", "-c", script};
    return spec;
  }

  Exit run(const ContainerSpec& spec) {
    engine_->start(spec);
    const auto exit = engine_->wait(spec.id, kPatience);
    EXPECT_TRUE(exit) << spec.id << " did not end";
    return exit.value_or(Exit{-1, "still runs", 0});
  }

  std::string output(const std::string& id) { return text_of(engine_->log_path(id)); }

  // Until the container has printed `text`, or ended without.
  bool wait_for_output(const std::string& id, const std::string& text) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      const bool over = engine_->wait(id, 2ms).has_value();
      if (output(id).find(text) != std::string::npos) return true;
      if (over) return false;
    }
    return false;
  }

  fs::path make_layer(const std::string& name) {
    const fs::path layer = directory_ / name;
    fs::create_directories(layer);
    return layer;
  }

  static bool is_root() { return ::geteuid() == 0; }

  fs::path directory_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, RunsToItsExitCodeAndKeepsBothStreams) {
  const Exit exit = run(shell("both", "echo one; echo two >&2; printf three; exit 7"));
  EXPECT_EQ(exit.code, 7);
  EXPECT_EQ(exit.reason, "");
  EXPECT_GT(exit.at, 1'600'000'000'000);
  EXPECT_EQ(engine_->state("both"), State::kExited);
  EXPECT_THAT(output("both"), testing::MatchesRegex("([0-9]{13} [OE] [a-z]+\n){3}"));
  EXPECT_THAT(output("both"), HasSubstr(" O one\n"));
  EXPECT_THAT(output("both"), HasSubstr(" E two\n"));
  EXPECT_THAT(output("both"), HasSubstr(" O three\n"));
}

TEST_F(EngineTest, StartingAgainChangesNothing) {
  EXPECT_EQ(run(shell("twice", "exit 3")).code, 3);
  EXPECT_EQ(run(shell("twice", "exit 4")).code, 3);
  EXPECT_THROW(engine_->start(shell("Bad Id", "true")), Error);
  EXPECT_EQ(engine_->state("Bad Id"), State::kAbsent);
}

TEST_F(EngineTest, SaysWhyItCannotStart) {
  ContainerSpec spec = shell("missing", "");
  spec.arguments = {"/no/such/program"};
  Exit exit = run(spec);
  EXPECT_EQ(exit.code, 127);
  EXPECT_THAT(exit.reason, HasSubstr("cannot start: "));
  EXPECT_THAT(exit.reason, HasSubstr("/no/such/program"));

  spec = shell("not-executable", "");
  spec.arguments = {"/etc/passwd"};
  EXPECT_EQ(run(spec).code, 126);

  spec = shell("no-source", "true");
  spec.mounts = {{"/no/such/source", "/data", Access::kReadOnly}};
  exit = run(spec);
  EXPECT_EQ(exit.code, 125);
  EXPECT_THAT(exit.reason, HasSubstr("/no/such/source"));

  spec = shell("no-user", "true");
  spec.image.config.user = "nosuchuser";
  EXPECT_THAT(run(spec).reason, HasSubstr("nosuchuser"));
}

TEST_F(EngineTest, GivesEnvironmentDirectoryHostnameAndMounts) {
  const fs::path input = make_layer("input");
  const fs::path result = make_layer("result");
  std::ofstream(input / "value") << "42\n";
  ContainerSpec spec = shell("full",
                             "pwd; hostname; echo $A $B; cat /opt/ml/input/value; "
                             "cp /opt/ml/input/value /opt/ml/model/copy; "
                             "touch /opt/ml/input/x 2>/dev/null && echo writable");
  spec.image.config.environment = {"A=image", "B=image"};
  spec.environment = {{"B", "own"}};
  spec.working_directory = "/opt/ml/code";
  spec.hostname = "algo-1";
  spec.mounts = {{input, "/opt/ml/input", Access::kReadOnly},
                 {result, "/opt/ml/model", Access::kReadWrite}};
  EXPECT_NE(run(spec).code, 0);
  const std::string text = output("full");
  EXPECT_THAT(text, HasSubstr(" O /opt/ml/code\n"));
  EXPECT_THAT(text, HasSubstr(" O algo-1\n"));
  EXPECT_THAT(text, HasSubstr(" O image own\n"));
  EXPECT_THAT(text, HasSubstr(" O 42\n"));
  EXPECT_THAT(text, Not(HasSubstr("writable")));
  EXPECT_EQ(text_of(result / "copy"), "42\n");
}

TEST_F(EngineTest, SeesOfTheMachineOnlyWhatTheBaseLetsIn) {
  ContainerSpec spec = shell(
      "base",
      "test -e /etc/shadow && echo shadow; ls /root /home /tmp | grep -v : ; "
      "touch /usr/x 2>/dev/null && echo usr; touch /proc/sys/kernel/x 2>/dev/null && echo sys; "
      "echo a > /etc/own && echo b > /own && cat /etc/own /own; python3 -c 'print(1 + 1)'; "
      "grep -h CapEff /proc/self/status; grep NoNewPrivs /proc/self/status");
  EXPECT_EQ(run(spec).code, 0) << output("base");
  const std::string text = output("base");
  for (const char* hidden : {"O shadow", "O usr", "O sys", "containers-test"}) {
    EXPECT_THAT(text, Not(HasSubstr(hidden)));
  }
  EXPECT_THAT(text, HasSubstr(" O a\n"));
  EXPECT_THAT(text, HasSubstr(" O b\n"));
  EXPECT_THAT(text, HasSubstr(" O 2\n"));
  EXPECT_THAT(text, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(text, HasSubstr("CapEff:\t00000000800405fb"));
}

TEST_F(EngineTest, LaysLayersOverTheBase) {
  const fs::path low = make_layer("low");
  const fs::path high = make_layer("high");
  fs::create_directories(low / "opt");
  fs::create_directories(high / "opt");
  fs::create_directories(high / "usr/local/lib/own");
  std::ofstream(low / "opt/a") << "low\n";
  std::ofstream(low / "opt/b") << "low\n";
  std::ofstream(high / "opt/a") << "high\n";
  std::ofstream(high / "usr/local/lib/own/module") << "in usr\n";
  ContainerSpec spec =
      shell("layers", "cat /opt/a /opt/b /usr/local/lib/own/module; echo new > /opt/b; cat /opt/b");
  spec.image.layers = {low, high};
  EXPECT_EQ(run(spec).code, 0) << output("layers");
  std::string text;
  for (const std::string& line : base::split(output("layers"), '\n')) {
    if (line.size() > 16) text += line.substr(16) + ";";
  }
  EXPECT_EQ(text, "high;low;in usr;new;");
  EXPECT_EQ(text_of(low / "opt/b"), "low\n");
}

TEST_F(EngineTest, RunsAnImageWithoutTheBase) {
  const fs::path layer = make_layer("whole");
  for (const char* name : {"bin", "lib", "lib64", "usr/lib"}) fs::create_directories(layer / name);
  fs::create_directories(layer / "etc");
  fs::copy_file(fs::canonical("/bin/sh"), layer / "bin/sh");
  fs::copy_file(fs::canonical("/bin/id"), layer / "bin/id");
  // Their libraries, from the machine; an image would bring them.
  ContainerSpec spec = shell("whole", "id -u; id -g; test -e /usr/bin/env || echo alone");
  spec.image.host_base = false;
  spec.image.layers = {layer};
  for (const char* name : {"/lib/x86_64-linux-gnu", "/lib64"}) {
    if (fs::exists(name)) spec.mounts.push_back({fs::canonical(name), name, Access::kReadOnly});
  }
  std::ofstream(layer / "etc/passwd") << "model:x:1234:2345::/:/bin/sh\n";
  spec.image.config.user = "model";
  EXPECT_EQ(run(spec).code, 0) << output("whole");
  EXPECT_THAT(output("whole"), HasSubstr(is_root() ? " O 1234\n" : " O 0\n"));
  EXPECT_THAT(output("whole"), HasSubstr(is_root() ? " O 2345\n" : " O 0\n"));
  EXPECT_THAT(output("whole"), HasSubstr(" O alone\n"));
}

TEST_F(EngineTest, StopsWithGraceAndThenWithoutAsking) {
  engine_->start(
      shell("polite", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done"));
  ASSERT_TRUE(wait_for_output("polite", "up"));
  engine_->stop("polite", 20s);
  EXPECT_EQ(engine_->wait("polite", kPatience)->code, 5);
  EXPECT_THAT(output("polite"), HasSubstr(" O bye\n"));

  engine_->start(shell("deaf", "trap '' TERM; echo up; while :; do sleep 0.1; done"));
  ASSERT_TRUE(wait_for_output("deaf", "up"));
  engine_->stop("deaf", 100ms);
  EXPECT_EQ(engine_->wait("deaf", kPatience)->code, 137);
}

TEST_F(EngineTest, StopsWhatIsOnlyStarting) {
  engine_->start(shell("early", "sleep 1000"));
  engine_->stop("early", 0ms);
  const auto exit = engine_->wait("early", kPatience);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 137);
}

TEST_F(EngineTest, TellsListenersOnceFromItsThread) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> ended;
  engine_->on_exit([&](const std::string& id) {
    const std::lock_guard lock(mutex);
    ended.push_back(id);
    changed.notify_all();
  });
  for (int i = 0; i < 4; ++i) engine_->start(shell("many-" + std::to_string(i), "exit 0"));
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return ended.size() >= 4; }));
  EXPECT_EQ(std::set<std::string>(ended.begin(), ended.end()).size(), 4u);
  EXPECT_EQ(engine_->list().size(), 4u);
}

TEST_F(EngineTest, ConnectsInsideTheContainersOwnNetwork) {
  ContainerSpec spec = shell("server", "");
  spec.arguments = {"python3", "-u", "-c",
                    "import socket\n"
                    "s = socket.create_server(('127.0.0.1', 8080)); print('listening')\n"
                    "c, _ = s.accept(); c.sendall(b'hello ' + c.recv(100)); c.close()\n"};
  engine_->start(spec);
  ASSERT_TRUE(wait_for_output("server", "listening")) << output("server");
  EXPECT_FALSE(engine_->connect("server", 8081, 1s));
  const base::FileDescriptor socket = engine_->connect("server", 8080, 1s);
  ASSERT_TRUE(socket);
  ASSERT_EQ(::send(socket.get(), "you", 3, 0), 3);
  std::string answer;
  char buffer[100];
  for (;;) {
    pollfd watched{socket.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&watched, 1, 10'000), 1);
    const ssize_t count = ::recv(socket.get(), buffer, sizeof(buffer), 0);
    if (count <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  EXPECT_EQ(answer, "hello you");
  EXPECT_TRUE(engine_->wait("server", kPatience));
  EXPECT_FALSE(engine_->connect("server", 8080, 100ms));
}

TEST_F(EngineTest, HasNoNetworkUnlessGranted) {
  EXPECT_EQ(run(shell("none", "grep -c : /proc/net/dev")).code, 0);
  EXPECT_THAT(output("none"), HasSubstr(" O 1\n"));
  ContainerSpec spec = shell("host", "readlink /proc/self/ns/net");
  spec.network = Network::kHost;
  EXPECT_EQ(run(spec).code, 0) << output("host");
  EXPECT_THAT(output("host"), HasSubstr(fs::read_symlink("/proc/self/ns/net").string()));
}

TEST_F(EngineTest, BoundsTheLog) {
  ContainerSpec spec = shell("loud", "seq 1 100000");
  spec.limits.log_bytes = 10'000;
  EXPECT_EQ(run(spec).code, 0);
  EXPECT_LT(output("loud").size(), 10'200u);
  EXPECT_THAT(output("loud"), HasSubstr("limit of 10000 bytes"));
}

TEST_F(EngineTest, SaysThatMemoryRanOut) {
  ContainerSpec spec = shell("hungry", "");
  spec.arguments = {"python3", "-c", "x = bytearray(200 << 20)"};
  spec.limits.memory_bytes = 40u << 20;
  const Exit exit = run(spec);
  if (output("hungry").find("does not let the server set limits") != std::string::npos) {
    GTEST_SKIP() << "limits need root and its controllers, or a delegated control group";
  }
  EXPECT_EQ(exit.code, 137);
  EXPECT_EQ(exit.reason, "out of memory");
}

TEST_F(EngineTest, CountsWhatIsUsed) {
  ContainerSpec spec = shell("busy", "");
  spec.arguments = {"python3", "-u", "-c",
                    "x = bytearray(50 << 20)\nfor i in range(3000000): pass\n"
                    "print('done')\nimport time\ntime.sleep(1000)"};
  engine_->start(spec);
  ASSERT_TRUE(wait_for_output("busy", "done")) << output("busy");
  const auto usage = engine_->usage("busy");
  ASSERT_TRUE(usage);
  EXPECT_GT(usage->cpu_seconds, 0.01);
  EXPECT_GT(usage->memory_bytes, 50u << 20);
  EXPECT_FALSE(engine_->usage("absent"));
}

// Ids are an engine's own, so two servers on one machine may use the same.
TEST_F(EngineTest, SharesTheMachineWithAnotherEngine) {
  const auto other = Engine::open({directory_ / "other", "", fs::canonical("/proc/self/exe")});
  const ContainerSpec spec = shell("same", "echo up; sleep 1000");
  engine_->start(spec);
  ASSERT_TRUE(wait_for_output("same", "up")) << output("same");
  other->start(shell("same", "exit 5"));
  const auto exit = other->wait("same", kPatience);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 5) << exit->reason;
  EXPECT_EQ(engine_->state("same"), State::kRunning);
  other->remove("same");
}

TEST_F(EngineTest, RemovesEverything) {
  engine_->start(shell("gone", "mkdir -p /a/b; chmod 0 /a/b; chmod 500 /a; echo up; sleep 1000"));
  ASSERT_TRUE(wait_for_output("gone", "up"));
  engine_->remove("gone");
  EXPECT_EQ(engine_->state("gone"), State::kAbsent);
  for (const auto& entry : fs::directory_iterator(directory_ / "containers")) {
    EXPECT_TRUE(entry.path().filename().string().starts_with(".skeleton")) << entry.path();
  }
  engine_->remove("gone");
}

// A killed shim takes the container with it; the engine finds out by itself.
TEST_F(EngineTest, CountsAKilledShimAsAnExit) {
  const fs::path shared = make_layer("shared");
  ContainerSpec spec = shell("orphan", "echo up; while :; do date +%N > /shared/beat; done");
  spec.mounts = {{shared, "/shared", Access::kReadWrite}};
  engine_->start(spec);
  ASSERT_TRUE(wait_for_output("orphan", "up"));
  const Paths paths(directory_ / "containers/orphan");
  const auto holder = read_holder(paths);
  auto running = read_running(paths);
  while (!running && !engine_->wait("orphan", 2ms)) running = read_running(paths);
  ASSERT_TRUE(holder);
  ASSERT_TRUE(running);
  ASSERT_EQ(::kill(holder->pid, SIGKILL), 0);
  const auto exit = engine_->wait("orphan", kPatience);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 137);
  EXPECT_THAT(exit->reason, HasSubstr("shim was killed"));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (::kill(running->pid, 0) == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_NE(::kill(running->pid, 0), 0) << "the container outlived its shim";
}

TEST_F(EngineTest, FindsItsContainersAfterARestart) {
  EXPECT_EQ(run(shell("before", "exit 9")).code, 9);
  engine_->start(shell("across", "echo up; read x < /gate 2>/dev/null; sleep 0.5; exit 11"));
  engine_->start(shell("meanwhile", "exit 12"));
  engine_->start(shell("stopped", "trap 'exit 13' TERM; echo up; while :; do sleep 0.1; done"));
  ASSERT_TRUE(wait_for_output("across", "up"));
  ASSERT_TRUE(wait_for_output("stopped", "up"));
  engine_.reset();
  fs::create_directories(directory_ / "containers/half");
  std::ofstream(directory_ / "containers/half/plan.json") << "{";
  open();
  EXPECT_EQ(engine_->exit_of("before")->code, 9);
  EXPECT_EQ(engine_->state("half"), State::kAbsent);
  EXPECT_EQ(engine_->state("stopped"), State::kRunning);
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> ended;
  engine_->on_exit([&](const std::string& id) {
    const std::lock_guard lock(mutex);
    ended.insert(id);
    changed.notify_all();
  });
  engine_->stop("stopped", 20s);
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, kPatience, [&] { return ended.contains("stopped"); }));
  }
  EXPECT_EQ(engine_->wait("stopped", kPatience)->code, 13);
  EXPECT_EQ(engine_->wait("across", kPatience)->code, 11);
  EXPECT_EQ(engine_->wait("meanwhile", kPatience)->code, 12);
  engine_.reset();  // its thread may still be telling of an end
}

// The server dies without a word, and so may its whole process group.
TEST_F(EngineTest, OutlivesTheServer) {
  engine_.reset();
  const pid_t server = ::fork();
  if (server == 0) {
    ::setsid();
    open();
    engine_->start(shell("survivor", "sleep 1; exit 21"));
    ::kill(0, SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(server, &status, 0), server);
  ASSERT_TRUE(WIFSIGNALED(status));
  open();
  EXPECT_EQ(engine_->wait("survivor", kPatience)->code, 21);
}

}  // namespace
}  // namespace slipway::containers

int main(int argc, char** argv) {
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
