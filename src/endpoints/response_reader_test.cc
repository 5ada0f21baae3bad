#include "endpoints/response_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace slipway::endpoints {
namespace {

using Result = ResponseReader::Result;

// Feeds `bytes` in pieces of `piece`.
Result feed(ResponseReader& reader, std::string_view bytes, std::size_t piece) {
  Result result = Result::kIncomplete;
  while (!bytes.empty() && result == Result::kIncomplete) {
    reader.make_room();
    const std::size_t size = std::min({piece, reader.room(), bytes.size()});
    std::memcpy(reader.space(), bytes.data(), size);
    bytes.remove_prefix(size);
    result = reader.take(size);
  }
  return result;
}

class InPieces : public testing::TestWithParam<std::size_t> {};

TEST_P(InPieces, ReadsABodyOfKnownLength) {
  ResponseReader reader(1000);

  const auto result = feed(
      reader, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello", GetParam());

  EXPECT_EQ(result, Result::kComplete);
  EXPECT_EQ(reader.head().status, 200);
  EXPECT_EQ(reader.head().header("content-type"), "a/b");
  EXPECT_EQ(reader.body(), "hello");
  EXPECT_TRUE(reader.keep_alive());
}

TEST_P(InPieces, JoinsChunks) {
  ResponseReader reader(1000);

  const auto result = feed(reader,
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
                           GetParam());

  EXPECT_EQ(result, Result::kComplete);
  EXPECT_EQ(reader.body(), "hello");
  EXPECT_TRUE(reader.keep_alive());
}

TEST_P(InPieces, ReadsUntilTheEndWhereNoLengthIsGiven) {
  ResponseReader reader(1000);

  EXPECT_EQ(feed(reader, "HTTP/1.0 200 OK\r\n\r\nhello", GetParam()), Result::kIncomplete);
  EXPECT_EQ(reader.end(), Result::kComplete);

  EXPECT_EQ(reader.body(), "hello");
  EXPECT_FALSE(reader.keep_alive());
}

TEST_P(InPieces, PassesOverInterimAnswers) {
  ResponseReader reader(1000);

  const auto result =
      feed(reader, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
           GetParam());

  EXPECT_EQ(result, Result::kComplete);
  EXPECT_EQ(reader.body(), "x");
}

TEST_P(InPieces, KeepsTheHeadReadableBehindALargeBody) {
  ResponseReader reader(1u << 20);
  const std::string body(300'000, 'b');

  const auto result =
      feed(reader,
           "HTTP/1.1 200 OK\r\nX-One: two\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + body +
               "\r\n0\r\n\r\n",
           GetParam() * 1000);

  EXPECT_EQ(result, Result::kComplete);
  EXPECT_EQ(reader.body(), body);
  EXPECT_EQ(reader.head().header("x-one"), "two");
}

INSTANTIATE_TEST_SUITE_P(OfEachSize, InPieces, testing::Values(1, 2, 3, 7, 100'000));

TEST(ResponseReader, RefusesMoreThanItsLimit) {
  ResponseReader declared(4);
  ResponseReader chunked(4);

  EXPECT_EQ(feed(declared, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 100), Result::kTooLarge);
  EXPECT_EQ(
      feed(chunked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 100),
      Result::kTooLarge);
}

TEST(ResponseReader, FindsADamagedAnswerBroken) {
  ResponseReader reader(100);

  EXPECT_EQ(feed(reader, "SSH-2.0-OpenSSH\r\n\r\n", 100), Result::kBroken);
}

TEST(ResponseReader, FindsAnEarlyEndBroken) {
  ResponseReader reader(100);
  EXPECT_EQ(feed(reader, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 100),
            Result::kIncomplete);

  EXPECT_EQ(reader.end(), Result::kBroken);
}

TEST(ResponseReader, WillNotUseAConnectionAgainThatSaidTooMuch) {
  ResponseReader reader(100);

  EXPECT_EQ(feed(reader, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz", 100),
            Result::kComplete);

  EXPECT_FALSE(reader.keep_alive());
}

TEST(ResponseReader, ReadsOneAnswerAfterAnother) {
  ResponseReader reader(100);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(feed(reader, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 5), Result::kComplete);
    EXPECT_EQ(reader.body(), "ok");
    reader.clear();
    EXPECT_FALSE(reader.started());
  }
}

}  // namespace
}  // namespace slipway::endpoints
