#include "runner/multipart.h"

#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::runner {
namespace {

struct Part {
  PartHead head;
  std::string contents;
};

std::vector<Part> read(const std::string& body, std::size_t piece,
                       const std::string& boundary = "XX") {
  std::vector<Part> parts;
  MultipartReader reader(
      boundary,
      [&](const PartHead& head) {
        parts.push_back({head, ""});
      },
      [&](std::string_view bytes) { parts.back().contents += bytes; });
  for (std::size_t at = 0; at < body.size(); at += piece) reader.take(body.substr(at, piece));
  reader.finish();
  return parts;
}

const std::string kTwoParts =
    "--XX\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\n"
    "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".zip\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n"
    "one\r\n--X\r\n--XY\r\n\r\ntwo\r\n--XX--\r\n";

TEST(Multipart, GivesPartsWhateverThePieces) {
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 16u, 100000u}) {
    const auto parts = read(kTwoParts, piece);
    ASSERT_EQ(parts.size(), 2u) << piece;
    EXPECT_EQ(parts[0].head.name, "token");
    EXPECT_FALSE(parts[0].head.filename);
    EXPECT_EQ(parts[0].contents, "abc");
    EXPECT_EQ(parts[1].head.name, "file");
    EXPECT_EQ(parts[1].head.filename, "a \"b\".zip");
    EXPECT_EQ(parts[1].head.content_type, "application/octet-stream");
    EXPECT_EQ(parts[1].contents, "one\r\n--X\r\n--XY\r\n\r\ntwo");
  }
}

TEST(Multipart, TakesEmptyContentsAndBinary) {
  const std::string bytes("\0\r\n--\xff\r", 7);
  const auto parts = read(
      "preamble\r\n--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"
      "--XX  \r\nContent-Disposition: form-data; name=b\r\n\r\n" +
          bytes + "\r\n--XX--epilogue",
      4);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].contents, "");
  EXPECT_EQ(parts[1].head.name, "b");
  EXPECT_EQ(parts[1].contents, bytes);
}

TEST(Multipart, RefusesWhatIsNone) {
  EXPECT_THROW(read("", 10), Error);
  EXPECT_THROW(read("hello", 10), Error);
  EXPECT_THROW(read(kTwoParts.substr(0, kTwoParts.size() - 8), 10), Error);
  EXPECT_THROW(read("--XX\r\n" + std::string(40000, 'h'), 1000), Error);
  EXPECT_THROW(read("--XXjunk\r\n\r\n\r\n\r\n--XX--", 10), Error);
}

TEST(BoundaryOf, ReadsTheContentType) {
  EXPECT_EQ(boundary_of("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(boundary_of("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), "a b");
  EXPECT_FALSE(boundary_of("multipart/form-data"));
  EXPECT_FALSE(boundary_of("application/json; boundary=abc"));
  EXPECT_FALSE(boundary_of(""));
}

}  // namespace
}  // namespace slipway::runner
