// The fuzz target of the parsers, as a unit test: a corpus, and deterministic random
// changes of it. Whatever arrives, the parsers stay within the bytes (AddressSanitizer
// watches), give the same result however the bytes are cut, and let nothing through
// that two readers could take for different messages.

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/parser.h"
#include "net/tokens.h"

namespace slipway::net {
namespace {

constexpr int kRounds = 20'000;

const std::array kCorpus = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /endpoints/x/invocations HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAuthorization: "
    "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sagemaker/aws4_request\r\n\r\nhello",
    "PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    "5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 304 Not Modified\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n",
    "GET http://h/p?q HTTP/1.1\r\nHost: a\r\n\r\n",
    "1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: v\r\n\r\nGET",
};

std::string mutate(std::mt19937& random, std::string bytes) {
  static constexpr std::array<std::string_view, 14> kTokens = {"\r\n",
                                                               "\n",
                                                               "\r",
                                                               ": ",
                                                               " ",
                                                               "\t",
                                                               "\x01",
                                                               "0",
                                                               "ffff",
                                                               "chunked",
                                                               "Content-Length: 3\r\n",
                                                               "Transfer-Encoding: chunked\r\n",
                                                               "HTTP/1.1",
                                                               ","};
  const int changes = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < changes; ++i) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 4) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random() % 256);
        break;
      case 1:
        bytes.insert(at, kTokens[random() % kTokens.size()]);
        break;
      case 2:
        bytes.erase(at, 1 + random() % 8);
        break;
      default:
        bytes.insert(at, bytes.substr(random() % (bytes.size() + 1), random() % 32));
    }
  }
  return bytes;
}

// A block of exactly the right size, so that a read beyond it is found.
std::unique_ptr<char[]> exact_copy(std::string_view bytes) {
  auto copy = std::make_unique<char[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return copy;
}

void check_head(std::string_view bytes, const MessageHead& head) {
  ASSERT_LE(head.size, bytes.size());
  ASSERT_EQ(bytes.substr(head.size - 4, 4), "\r\n\r\n");
  int lengths = 0;
  int codings = 0;
  for (const auto& field : head.fields) {
    ASSERT_FALSE(field.name.empty());
    ASSERT_TRUE(std::all_of(field.name.begin(), field.name.end(), is_token_byte));
    ASSERT_TRUE(std::all_of(field.value.begin(), field.value.end(), is_value_byte));
    lengths += same_ignoring_case(field.name, "content-length") ? 1 : 0;
    codings += same_ignoring_case(field.name, "transfer-encoding") ? 1 : 0;
  }
  ASSERT_LE(lengths + codings, 1);
}

TEST(ParserMutation, HeadsAreSafeAndDoNotDependOnHowTheyArrive) {
  std::mt19937 random(20261122);
  for (int round = 0; round < kRounds; ++round) {
    const std::string bytes = mutate(random, kCorpus[random() % kCorpus.size()]);
    const auto whole = exact_copy(bytes);
    const std::string_view view(whole.get(), bytes.size());
    HeadParser parser(4096);
    RequestLineAndHead head;
    const Progress at_once = parser.parse(view, head);
    if (at_once == Progress::kComplete) check_head(view, head);

    HeadParser piecewise(4096);
    RequestLineAndHead again;
    Progress progress = Progress::kIncomplete;
    for (std::size_t size = 0; size <= bytes.size() && progress == Progress::kIncomplete; ++size) {
      const auto part = exact_copy(view.substr(0, size));
      progress = piecewise.parse({part.get(), size}, again);
    }
    ASSERT_EQ(progress, at_once) << testing::PrintToString(bytes);
    ASSERT_EQ(again.size, head.size) << testing::PrintToString(bytes);

    HeadParser of_responses(4096);
    StatusLineAndHead response;
    if (of_responses.parse(view, response, false) == Progress::kComplete)
      check_head(view, response);
  }
}

TEST(ParserMutation, ChunksAreSafeAndDoNotDependOnHowTheyArrive) {
  std::mt19937 random(4711);
  for (int round = 0; round < kRounds; ++round) {
    const std::string bytes = mutate(random, kCorpus.back());
    const auto whole = exact_copy(bytes);
    ChunkedDecoder decoder;
    const auto at_once = decoder.decode(whole.get(), bytes.size());
    ASSERT_LE(at_once.consumed, bytes.size());
    ASSERT_LE(at_once.produced, at_once.consumed);

    ChunkedDecoder piecewise;
    std::string content;
    Progress progress = Progress::kIncomplete;
    for (std::size_t at = 0; at < bytes.size() && progress == Progress::kIncomplete; ++at) {
      char byte = bytes[at];
      const auto step = piecewise.decode(&byte, 1);
      content.append(&byte, step.produced);
      progress = step.progress;
    }
    ASSERT_EQ(progress, at_once.progress) << testing::PrintToString(bytes);
    ASSERT_EQ(content, std::string(whole.get(), at_once.produced));
  }
}

}  // namespace
}  // namespace slipway::net
