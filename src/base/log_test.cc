#include "base/log.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace slipway::base {
namespace {

class Log : public testing::Test {
 protected:
  void TearDown() override { set_log(Level::kInfo, LogFormat::kText); }
};

TEST_F(Log, JsonLinesAreObjects) {
  set_log(Level::kInfo, LogFormat::kJson);
  testing::internal::CaptureStderr();

  log(Level::kWarning, "disk is nearly full", {{"path", "/a \"b\"\n"}, {"percent", 93}});

  const auto line = try_parse_json(testing::internal::GetCapturedStderr());
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ((*line)["level"], "warning");
  EXPECT_EQ((*line)["message"], "disk is nearly full");
  EXPECT_EQ((*line)["fields"]["path"], "/a \"b\"\n");
  EXPECT_EQ((*line)["fields"]["percent"], "93");
  EXPECT_TRUE((*line)["at"].is_string());
}

TEST_F(Log, AValueCannotMakeALineOfItsOwn) {
  testing::internal::CaptureStderr();

  log(Level::kInfo, "listening", {{"address", "127.0.0.1:1"}, {"name", "a\nlevel=error"}});

  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("listening address=127.0.0.1:1 name=\"a\\nlevel=error\"\n"),
            std::string::npos)
      << text;
}

TEST_F(Log, LeavesOutWhatIsBelowTheLevel) {
  set_log(Level::kWarning, LogFormat::kText);
  testing::internal::CaptureStderr();

  log(Level::kInfo, "listening");

  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace slipway::base
