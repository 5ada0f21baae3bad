#include "net/parser.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace slipway::net {
namespace {

constexpr std::size_t kLimit = 64u << 10;

struct Parsed {
  Progress progress = Progress::kIncomplete;
  int status = 0;
  RequestLineAndHead head;
};

// `bytes` must outlive the result.
Parsed parse_request(std::string_view bytes, std::size_t limit = kLimit) {
  HeadParser parser(limit);
  Parsed parsed;
  parsed.progress = parser.parse(bytes, parsed.head);
  parsed.status = parser.refusal().status;
  return parsed;
}

TEST(HeadParser, ReadsAnOrdinaryRequest) {
  const std::string bytes =
      "POST /endpoints/a/invocations?x=1 HTTP/1.1\r\nHost: here\r\nContent-Type:  a/b \r\n"
      "Content-Length: 3\r\nX-Empty:\r\n\r\nabc";

  const auto parsed = parse_request(bytes);

  ASSERT_EQ(parsed.progress, Progress::kComplete);
  EXPECT_EQ(parsed.head.method, "POST");
  EXPECT_EQ(parsed.head.target, "/endpoints/a/invocations?x=1");
  EXPECT_EQ(parsed.head.size, bytes.size() - 3);
  EXPECT_EQ(parsed.head.fields.size(), 4u);
  EXPECT_EQ(parsed.head.header("content-type"), "a/b");
  EXPECT_EQ(parsed.head.header("x-empty"), "");
  EXPECT_EQ(parsed.head.body, BodyKind::kLength);
  EXPECT_EQ(parsed.head.content_length, 3u);
  EXPECT_TRUE(parsed.head.keep_alive);
}

TEST(HeadParser, FindsTheSameHeadWhenBytesComeOneByOne) {
  const std::string bytes = "\r\nGET /a HTTP/1.1\r\nHost: b\r\n\r\n";
  HeadParser parser(kLimit);
  RequestLineAndHead head;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // Each time elsewhere in memory, as in a buffer that grows.
    const std::string part = bytes.substr(0, size);
    ASSERT_EQ(parser.parse(part, head), Progress::kIncomplete) << size;
  }
  ASSERT_EQ(parser.parse(bytes, head), Progress::kComplete);
  EXPECT_EQ(head.target, "/a");
  EXPECT_EQ(head.size, bytes.size());
}

struct RefusedCase {
  const char* name;
  std::string bytes;
  int status;
};

class RefusedRequest : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedRequest, IsRefusedWithItsStatus) {
  const auto parsed = parse_request(GetParam().bytes);

  EXPECT_EQ(parsed.progress, Progress::kBad);
  EXPECT_EQ(parsed.status, GetParam().status);
}

std::string with(const std::string& fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    HeadParser, RefusedRequest,
    testing::Values(
        RefusedCase{"FoldedField", with("A: b\r\n c\r\n"), 400},
        RefusedCase{"FoldedFirstField", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        RefusedCase{"SpaceBeforeColon", with("A : b\r\n"), 400},
        RefusedCase{"NoColon", with("Abc\r\n"), 400}, RefusedCase{"NoName", with(": b\r\n"), 400},
        RefusedCase{"ControlInName", with("A\x01: b\r\n"), 400},
        RefusedCase{"ControlInValue", with("A: b\x01\r\n"), 400},
        RefusedCase{"ZeroInValue", with(std::string("A: b\0c\r\n", 8)), 400},
        RefusedCase{"ReturnInValue", with("A: b\rc\r\n"), 400},
        RefusedCase{"BareLineFeed", "GET / HTTP/1.1\nHost: a\n\n", 400},
        RefusedCase{"BareLineFeedAtTheEnd", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
        RefusedCase{"LengthAndCoding", with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
                    400},
        RefusedCase{"CodingAndLength", with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
                    400},
        RefusedCase{"TwoLengths", with("Content-Length: 3\r\nContent-Length: 4\r\n"), 400},
        RefusedCase{"TwoEqualLengths", with("Content-Length: 3\r\ncontent-length: 3\r\n"), 400},
        RefusedCase{"ListOfLengths", with("Content-Length: 3, 3\r\n"), 400},
        RefusedCase{"SignedLength", with("Content-Length: +3\r\n"), 400},
        RefusedCase{"NegativeLength", with("Content-Length: -3\r\n"), 400},
        RefusedCase{"HexLength", with("Content-Length: 0x3\r\n"), 400},
        RefusedCase{"EmptyLength", with("Content-Length:\r\n"), 400},
        RefusedCase{"HugeLength", with("Content-Length: 18446744073709551617\r\n"), 400},
        RefusedCase{"UnknownCoding", with("Transfer-Encoding: gzip\r\n"), 501},
        RefusedCase{"TwoCodings", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
        RefusedCase{"CodingInDisguise", with("Transfer-Encoding: xchunked\r\n"), 501},
        RefusedCase{"CodingWithTail", with("Transfer-Encoding: chunked, identity\r\n"), 501},
        RefusedCase{"CodingTwice",
                    with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
        RefusedCase{"CodingOfOldVersion", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
                    400},
        RefusedCase{"UnknownExpectation", with("Expect: tea\r\n"), 417},
        RefusedCase{"NoHost", "GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
        RefusedCase{"TwoHosts", with("Host: b\r\n"), 400},
        RefusedCase{"NoMethod", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"NoVersion", "GET /\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"ControlInTarget", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"HighByteInTarget", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"TargetWithoutSlash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"Connect", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"VersionTwo", "PRI * HTTP/2.0\r\n\r\n", 505},
        RefusedCase{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"SpaceAfterVersion", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        RefusedCase{"EmptyLinesFirst", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        RefusedCase{"TlsHello", std::string("\x16\x03\x01\x02\x00", 5), 400}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(HeadParser, RefusesAHeadOverTheLimitBeforeItIsWhole) {
  const std::string bytes = "GET / HTTP/1.1\r\nA: " + std::string(2000, 'x');

  const auto parsed = parse_request(bytes, 1000);

  EXPECT_EQ(parsed.progress, Progress::kBad);
  EXPECT_EQ(parsed.status, 431);
}

TEST(HeadParser, RefusesTooManyFields) {
  std::string fields;
  for (int i = 0; i < 101; ++i) fields += "A: b\r\n";

  EXPECT_EQ(parse_request(with(fields)).status, 431);
}

TEST(HeadParser, TakesTheHostOfAnAbsoluteTarget) {
  const std::string bytes = "GET http://there:81/a?b HTTP/1.1\r\nHost: here\r\n\r\n";

  const auto parsed = parse_request(bytes);

  ASSERT_EQ(parsed.progress, Progress::kComplete);
  EXPECT_EQ(parsed.head.target, "/a?b");
  EXPECT_EQ(parsed.head.header("host"), "there:81");
}

struct KeepAliveCase {
  const char* head;
  bool keep_alive;
};

TEST(HeadParser, KnowsWhenTheConnectionStaysOpen) {
  const KeepAliveCase cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_request(one.head);
    ASSERT_EQ(parsed.progress, Progress::kComplete) << one.head;
    EXPECT_EQ(parsed.head.keep_alive, one.keep_alive) << one.head;
  }
}

struct ResponseCase {
  const char* head;
  bool answers_head;
  BodyKind body;
  bool keep_alive;
};

TEST(HeadParser, KnowsHowAResponsesBodyEnds) {
  const ResponseCase cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, BodyKind::kLength, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, BodyKind::kNone, true},
      {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", false, BodyKind::kChunked, true},
      {"HTTP/1.1 200 \r\n\r\n", false, BodyKind::kUntilClose, false},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, BodyKind::kNone, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false, BodyKind::kNone, true},
      {"HTTP/1.1 100 Continue\r\n\r\n", false, BodyKind::kNone, true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false, BodyKind::kLength, false},
  };
  for (const auto& one : cases) {
    HeadParser parser(kLimit);
    StatusLineAndHead head;
    ASSERT_EQ(parser.parse(one.head, head, one.answers_head), Progress::kComplete) << one.head;
    EXPECT_EQ(head.body, one.body) << one.head;
    EXPECT_EQ(head.keep_alive, one.keep_alive) << one.head;
  }
}

TEST(HeadParser, RefusesResponsesThatAreNone) {
  for (const char* bytes :
       {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1  200\r\n\r\n", "200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    HeadParser parser(kLimit);
    StatusLineAndHead head;
    EXPECT_EQ(parser.parse(bytes, head, false), Progress::kBad) << bytes;
  }
}

struct Decoded {
  Progress progress;
  std::string content;
  std::string rest;
};

// In pieces of `piece` bytes.
Decoded decode(const std::string& bytes, std::size_t piece) {
  ChunkedDecoder decoder;
  Decoded decoded{Progress::kIncomplete, "", ""};
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string part = bytes.substr(at, piece);
    const auto step = decoder.decode(part.data(), part.size());
    decoded.content.append(part, 0, step.produced);
    decoded.progress = step.progress;
    if (step.progress == Progress::kIncomplete) continue;
    decoded.rest = bytes.substr(at + step.consumed);
    break;
  }
  return decoded;
}

TEST(ChunkedDecoder, DecodesInPiecesOfAnySize) {
  const std::string bytes =
      "4\r\nWiki\r\n006;name=value\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: "
      "x\r\n\r\nNEXT";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const auto decoded = decode(bytes, piece);
    ASSERT_EQ(decoded.progress, Progress::kComplete) << piece;
    ASSERT_EQ(decoded.content, "Wikipedia in \r\n\r\nchunks.") << piece;
    ASSERT_EQ(decoded.rest, "NEXT") << piece;
  }
}

class BrokenChunks : public testing::TestWithParam<const char*> {};

TEST_P(BrokenChunks, AreRefused) { EXPECT_EQ(decode(GetParam(), 1000).progress, Progress::kBad); }

INSTANTIATE_TEST_SUITE_P(ChunkedDecoder, BrokenChunks,
                         testing::Values("g\r\n", "\r\n", "-1\r\n", "+1\r\na\r\n", "0x1\r\na\r\n",
                                         "1 \r\na\r\n", "1\na\n0\n\n", "1\r\nab\r\n", "1\r\na\n",
                                         "1\r\na\r0", "1111111111111111\r\n", "1;a\nb\r\n",
                                         "1\r\na\r\n0\r\n x\r\n\r\n", "0\r\nA: \x01\r\n\r\n",
                                         "0\r\nA: b\r\r\n"));

TEST(ChunkedDecoder, BoundsExtensionsAndTrailers) {
  EXPECT_EQ(decode("1;" + std::string(5000, 'x'), 100).progress, Progress::kBad);
  EXPECT_EQ(decode("0\r\nA: " + std::string(10000, 'x'), 100).progress, Progress::kBad);
}

}  // namespace
}  // namespace slipway::net
