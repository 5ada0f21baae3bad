#include "wire/chunked_payload.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "wire/checksums.h"

namespace slipway::wire {
namespace {

// The example of the S3 API reference: 65 KiB of "a" in chunks of 64 KiB.
constexpr std::string_view kSeed =
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

ChunkPromise documented() {
  ChunkPromise promise;
  promise.is_signed = true;
  promise.signing_key =
      derive_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3");
  promise.signature = kSeed;
  promise.time = "20130524T000000Z";
  promise.scope = "20130524/us-east-1/s3/aws4_request";
  promise.decoded_length = 66560;
  return promise;
}

std::string documented_body() {
  return "10000;chunk-signature="
         "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
         std::string(65536, 'a') +
         "\r\n400;chunk-signature="
         "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
         std::string(1024, 'a') +
         "\r\n0;chunk-signature="
         "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
}

std::string refusal(const std::string& body, const ChunkPromise& promise) {
  try {
    decode_chunks(net::Body(body), promise, nullptr);
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(SignedChunks, AreThoseOfTheReference) {
  const ChunkedPayload payload = decode_chunks(net::Body(documented_body()), documented(), nullptr);
  EXPECT_EQ(payload.body.text(), std::string(66560, 'a'));
}

TEST(SignedChunks, AreRefusedWhereAnythingIsChanged) {
  std::string data = documented_body();
  data[65800] = 'b';
  std::string signature = documented_body();
  signature[22] = signature[22] == 'a' ? 'b' : 'a';
  ChunkPromise seed = documented();
  seed.signature[0] = '5';
  std::string without_end = documented_body();
  without_end.resize(without_end.size() - 91);

  EXPECT_EQ(refusal(data, documented()), "SignatureDoesNotMatch");
  EXPECT_EQ(refusal(signature, documented()), "SignatureDoesNotMatch");
  EXPECT_EQ(refusal(documented_body(), seed), "SignatureDoesNotMatch");
  EXPECT_EQ(refusal(without_end, documented()), "IncompleteBody");
}

TEST(SignedChunks, TakeSignedTrailers) {
  // The reference's example with a trailer, of the same data and key.
  ChunkPromise promise = documented();
  promise.has_trailer = true;
  promise.signature = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
  const std::string body =
      "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature="
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
      "x-amz-checksum-crc32c:sOO8/Q==\r\n"
      "x-amz-trailer-signature:"
      "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";

  const ChunkedPayload payload = decode_chunks(net::Body(body), promise, nullptr);
  EXPECT_EQ(payload.trailers.get("x-amz-checksum-crc32c"), "sOO8/Q==");
  EXPECT_EQ(verify_checksums({}, payload.trailers, payload.body, ChecksumNeed::kRequired).size(),
            1u);
  EXPECT_EQ(refusal(body.substr(0, body.size() - 92), promise), "SignatureDoesNotMatch");
}

ChunkPromise unsigned_promise() {
  ChunkPromise promise;
  promise.has_trailer = true;
  return promise;
}

TEST(UnsignedChunks, TakeTrailers) {
  const ChunkedPayload payload = decode_chunks(
      net::Body("5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"),
      unsigned_promise(), nullptr);
  EXPECT_EQ(payload.body.text(), "hello world");
  EXPECT_EQ(payload.trailers.get("x-amz-checksum-crc32"), "DUoRhQ==");
  EXPECT_NO_THROW(verify_checksums({}, payload.trailers, payload.body, ChecksumNeed::kRequired));
}

TEST(UnsignedChunks, AreRefusedWhereTheyAreMalformed) {
  ChunkPromise promise = unsigned_promise();
  EXPECT_EQ(refusal("x\r\n", promise), "InvalidRequest");
  EXPECT_EQ(refusal("5\r\nhellooo\r\n0\r\n\r\n", promise), "InvalidRequest");
  EXPECT_EQ(refusal("5\r\nhel", promise), "IncompleteBody");
  EXPECT_EQ(refusal("5\r\nhello\r\n", promise), "IncompleteBody");
  EXPECT_EQ(refusal(std::string(5000, '1'), promise), "InvalidRequest");
  EXPECT_EQ(refusal("ffffffffffffffff\r\n", promise), "InvalidRequest");
  promise.decoded_length = 6;
  EXPECT_EQ(refusal("5\r\nhello\r\n0\r\na:b\r\n\r\n", promise), "IncompleteBody");
}

TEST(UnsignedChunks, GoFromFileToFile) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-chunks-" + base::random_hex(8));
  {
    store::Spool spool(folder);
    auto file = std::make_shared<store::Spool::File>(spool.create());
    const std::string framed = "5\r\nhello\r\n0\r\na:b\r\n\r\n";
    file->append(framed);
    const net::Body body(file, framed.size(), "unused");

    const ChunkedPayload payload = decode_chunks(body, unsigned_promise(), &spool);

    EXPECT_FALSE(payload.body.in_memory());
    EXPECT_EQ(payload.body.text(), "hello");
    EXPECT_EQ(payload.body.sha256(), net::Body("hello").sha256());
  }
  std::filesystem::remove_all(folder);
}

std::string checksum_refusal(const std::string& name, const std::string& value) {
  net::Headers headers;
  headers.add(name, value);
  try {
    verify_checksums(headers, {}, net::Body("hello world"), ChecksumNeed::kOptional);
    return "";
  } catch (const Error& error) {
    return error.code() + ": " + error.message();
  }
}

TEST(Checksums, OfEveryKindAreVerified) {
  EXPECT_EQ(checksum_refusal("x-amz-checksum-crc32", "DUoRhQ=="), "");
  EXPECT_EQ(checksum_refusal("x-amz-checksum-crc32c", "yZRlqg=="), "");
  EXPECT_EQ(checksum_refusal("x-amz-checksum-crc64nvme", "jSnVw/bqjr4="), "");
  EXPECT_EQ(checksum_refusal("x-amz-checksum-sha1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="), "");
  EXPECT_EQ(
      checksum_refusal("x-amz-checksum-sha256", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="),
      "");
  EXPECT_EQ(checksum_refusal("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="), "");
}

TEST(Checksums, AreRefusedInTheWordsOfS3) {
  EXPECT_EQ(checksum_refusal("x-amz-checksum-crc32", "AAAAAA=="),
            "BadDigest: The CRC32 you specified did not match the calculated checksum.");
  EXPECT_EQ(checksum_refusal("x-amz-checksum-crc32", "AAAA"),
            "InvalidRequest: Value for x-amz-checksum-crc32 header is invalid.");
  EXPECT_EQ(checksum_refusal("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
            "BadDigest: The Content-MD5 you specified did not match what we received.");
  EXPECT_EQ(checksum_refusal("content-md5", "?"),
            "InvalidDigest: The Content-MD5 you specified was invalid.");
  EXPECT_EQ(checksum_refusal("x-amz-trailer", "x-amz-checksum-crc32").substr(0, 21),
            "MalformedTrailerError");
}

TEST(Checksums, AreMissedWhereOneIsRequired) {
  EXPECT_THROW(verify_checksums({}, {}, net::Body("a"), ChecksumNeed::kRequired), Error);
  EXPECT_TRUE(verify_checksums({}, {}, net::Body("a"), ChecksumNeed::kOptional).empty());
}

}  // namespace
}  // namespace slipway::wire
