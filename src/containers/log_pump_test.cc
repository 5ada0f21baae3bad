#include "containers/log_pump.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "containers/directory.h"

namespace slipway::containers {
namespace {

using testing::ElementsAre;

// Only what the pump asks for: which containers there are, and where their logs lie.
class LogsOnly final : public Engine {
 public:
  explicit LogsOnly(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void start(const ContainerSpec&) override {}
  State state(const std::string&) const override { return State::kRunning; }
  std::optional<Exit> exit_of(const std::string&) const override { return std::nullopt; }
  std::optional<Exit> wait(const std::string&, std::chrono::milliseconds) override { return {}; }
  void on_exit(std::function<void(const std::string&)>) override {}
  void stop(const std::string&, std::chrono::milliseconds) override {}
  void remove(const std::string&) override {}
  std::vector<std::string> list() const override { return {"c"}; }
  std::filesystem::path log_path(const std::string& id) const override { return directory_ / id; }
  std::optional<Usage> usage(const std::string&) const override { return std::nullopt; }
  base::FileDescriptor connect(const std::string&, std::uint16_t,
                               std::chrono::milliseconds) override {
    return {};
  }
  const std::string& runtime() const override { return name_; }

 private:
  const std::filesystem::path directory_;
  const std::string name_ = "none";
};

class LogPumpTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/log-pump-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    engine_ = std::make_unique<LogsOnly>(directory_);
    open();
  }
  void TearDown() override {
    pump_.reset();
    remove_tree(directory_);
  }

  void open() { pump_ = std::make_unique<LogPump>(*engine_, logs_); }
  void print(const std::string& text) { std::ofstream(directory_ / "c", std::ios::app) << text; }
  LogPump::Target target() { return {"1", "g", "s", nullptr}; }

  std::vector<std::string> lines() {
    std::vector<std::string> texts;
    for (const observe::LogEvent& event : logs_.tail("1", "g", "s", 100'000)) {
      texts.push_back(event.message);
    }
    return texts;
  }

  // Until the pump has carried `count` lines.
  bool wait_for_lines(std::size_t count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (lines().size() < count) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::filesystem::path directory_;
  std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  base::SystemClock clock_;
  observe::Logs logs_{*database_, clock_};
  std::unique_ptr<LogsOnly> engine_;
  std::unique_ptr<LogPump> pump_;
};

TEST_F(LogPumpTest, CarriesWholeLinesWhileItRunsAndTheRestAtTheEnd) {
  print("1700000000000 O one\n1700000000001 E \n1700000000002 O tor");
  pump_->follow("c", target());
  ASSERT_TRUE(wait_for_lines(2));
  EXPECT_THAT(lines(), ElementsAre("one", ""));
  print("n\n1700000000003 O last");
  pump_->drain("c");
  EXPECT_THAT(lines(), ElementsAre("one", "", "torn", "last"));
  EXPECT_EQ(logs_.tail("1", "g", "s", 1).at(0).at, 1'700'000'000'003);
}

TEST_F(LogPumpTest, CarriesEachLineOnceAcrossARestart) {
  print("1700000000000 O one\n");
  pump_->follow("c", target());
  ASSERT_TRUE(wait_for_lines(1));
  open();
  print("1700000000000 O two\n");
  pump_->follow("c", target());
  pump_->drain("c");
  pump_->follow("c", target());
  pump_->drain("c");
  EXPECT_THAT(lines(), ElementsAre("one", "two"));
}

TEST_F(LogPumpTest, CarriesMuchInBatches) {
  std::string text;
  for (int i = 0; i < 40'000; ++i)
    text += "1700000000000 O line number " + std::to_string(i) + "\n";
  print(text);
  pump_->follow("c", target());
  pump_->drain("c");
  const std::vector<std::string> all = lines();
  ASSERT_EQ(all.size(), 40'000u);
  EXPECT_EQ(all.back(), "line number 39999");
}

TEST_F(LogPumpTest, LosesAndRepeatsNothingWhenAListenerFails) {
  int calls = 0;
  LogPump::Target failing = target();
  failing.on_lines = [&](store::Transaction&, const std::vector<observe::LogEvent>&) {
    ++calls;
    throw Error("Broken", "a metric cannot be read");
  };
  pump_->follow("c", failing);
  print("1700000000000 O one\n");
  EXPECT_THROW(pump_->drain("c"), Error);
  EXPECT_TRUE(lines().empty());
  pump_.reset();
  EXPECT_GT(calls, 0);
  open();
  pump_->follow("c", target());
  pump_->drain("c");
  EXPECT_THAT(lines(), ElementsAre("one"));
}

TEST_F(LogPumpTest, MakesTheStreamBeforeTheFirstLine) {
  pump_->follow("c", target());
  const auto streams = database_->read([](store::Reader& reader) {
    int count = 0;
    reader.query("select count(*) from log_streams where name = 's'", {},
                 [&](const store::Row& row) { count = static_cast<int>(row.integer(0)); });
    return count;
  });
  EXPECT_EQ(streams, 1);
}

}  // namespace
}  // namespace slipway::containers
