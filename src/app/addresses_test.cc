#include "app/addresses.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::app {
namespace {

TEST(Addresses, NamesALocalServerByItsAddress) {
  EXPECT_EQ(local_url("127.0.0.1", 4700), "http://127.0.0.1:4700");
  EXPECT_EQ(local_url("::1", 80), "http://[::1]:80");
}

TEST(Addresses, ReachesAServerOnEveryAddressByLoopback) {
  EXPECT_EQ(local_url("0.0.0.0", 4700), "http://127.0.0.1:4700");
  EXPECT_EQ(local_url("::", 4700), "http://[::1]:4700");
}

TEST(Addresses, TakesAnExternalUrlWithoutAPath) {
  EXPECT_EQ(external_url("https://ml.example.org"), "https://ml.example.org");
  EXPECT_EQ(external_url("https://ml.example.org/"), "https://ml.example.org");
  EXPECT_EQ(external_url("http://10.0.0.7:4700"), "http://10.0.0.7:4700");
  EXPECT_EQ(external_url("http://[fd00::7]:4700"), "http://[fd00::7]:4700");
}

class Refused : public testing::TestWithParam<const char*> {};

TEST_P(Refused, IsNoExternalUrl) { EXPECT_THROW(external_url(GetParam()), Error); }

INSTANTIATE_TEST_SUITE_P(Addresses, Refused,
                         testing::Values("", "ml.example.org", "ftp://ml.example.org", "https://",
                                         "https:///", "https://ml.example.org/slipway",
                                         "https://ml.example.org:", "https://ml.example.org:http",
                                         "https://ml.example.org:123456", "https://user@host",
                                         "https://a b", "https://[fd00::7", "https://[fd00::7]x",
                                         "https://ml.example.org?x", "https://ml.example.org\r\n"));

TEST(Addresses, FindsWhoIsCalledByTls) {
  EXPECT_EQ(tls_host_of("https://ml.example.org:8443"), "ml.example.org:8443");
  EXPECT_EQ(tls_host_of("http://ml.example.org:8443"), "");
}

TEST(Addresses, FindsTheHostForTheCertificate) {
  EXPECT_EQ(host_of_url("https://ml.example.org:8443"), "ml.example.org");
  EXPECT_EQ(host_of_url("http://[fd00::7]:4700"), "fd00::7");
}

}  // namespace
}  // namespace slipway::app
