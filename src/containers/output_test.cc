#include "containers/output.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace slipway::containers {
namespace {

class OutputTest : public testing::Test {
 protected:
  std::string written() {
    std::string text(1 << 20, '\0');
    text.resize(static_cast<std::size_t>(
        std::max<ssize_t>(0, ::pread(file_.get(), text.data(), text.size(), 0))));
    return text;
  }

  base::FileDescriptor file_{::memfd_create("log", MFD_CLOEXEC)};
};

TEST_F(OutputTest, CutsLinesPerStream) {
  OutputLog log(file_.get(), 1 << 20);
  log.take(Stream::kOutput, "a\nb", 1000000000001);
  log.take(Stream::kError, "x\r\n\n", 1000000000002);
  EXPECT_EQ(written(), "1000000000001 O a\n1000000000002 E x\n1000000000002 E \n");
  const std::size_t before = written().size();
  log.take(Stream::kOutput, "c\n", 1000000000003);
  log.take(Stream::kError, "end", 1000000000003);
  log.finish(1000000000004);
  EXPECT_EQ(written().substr(before), "1000000000003 O bc\n1000000000004 E end\n");
}

TEST_F(OutputTest, TimesNeverGoBack) {
  OutputLog log(file_.get(), 1 << 20);
  log.take(Stream::kOutput, "a\n", 1000000000005);
  log.take(Stream::kOutput, "b\n", 1000000000001);
  EXPECT_EQ(written(), "1000000000005 O a\n1000000000005 O b\n");
}

TEST_F(OutputTest, SplitsLongLines) {
  OutputLog log(file_.get(), 1 << 20);
  log.take(Stream::kOutput, std::string(kLongestLine + 5, 'x') + "\n", 1000000000001);
  const std::string text = written();
  EXPECT_EQ(text.find('\n'), 16 + kLongestLine);
  EXPECT_EQ(text.substr(17 + kLongestLine), "1000000000001 O xxxxx\n");
}

TEST_F(OutputTest, SaysOnceThatItIsFull) {
  OutputLog log(file_.get(), 40);
  for (int i = 0; i < 5; ++i) log.take(Stream::kOutput, "a\n", 1000000000001);
  log.finish(1000000000002);
  EXPECT_EQ(written(),
            "1000000000001 O a\n1000000000001 O a\n"
            "1000000000001 E slipway: the log has reached its limit of 40 bytes; further output is "
            "not kept\n");
}

}  // namespace
}  // namespace slipway::containers
