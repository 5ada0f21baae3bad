// Requests as botocore 1.43.11 signed them, with the access key AKIDEXAMPLE, whose secret is
// "secret", at one point in time.

#include <gtest/gtest.h>

#include "base/clock.h"
#include "wire/sigv4.h"

namespace slipway::wire {
namespace {

constexpr base::Millis kThen = 1'700'000'000'000;

class Botocore final : public Credentials {
 public:
  std::optional<Key> find(std::string_view access_key) const override {
    Key key;
    key.secret = "secret";
    key.caller.access_key = access_key;
    return key;
  }
};

struct Signed {
  std::string method;
  std::string target;
  std::string service;
  std::string signed_headers;
  std::string signature;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body = {};
};

void expect_accepted(const Signed& sent) {
  net::Request request;
  request.method = sent.method;
  request.target = sent.target;
  request.headers.add("Host", "127.0.0.1:4700");
  request.headers.add("X-Amz-Date", "20231114T221320Z");
  request.headers.add("amz-sdk-request", "attempt=1");
  for (const auto& [name, value] : sent.headers) request.headers.add(name, value);
  request.headers.add("Authorization",
                      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/" + sent.service +
                          "/aws4_request, SignedHeaders=" + sent.signed_headers +
                          ", Signature=" + sent.signature);
  request.body = net::Body(sent.body);
  EXPECT_NO_THROW(verify(request, Botocore(), kThen, request.body.sha256()));
}

constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(BotocoreSignatures, CoverKeysWithEverything) {
  expect_accepted({"PUT",
                   "/models/a%20b/%C3%BC%2B~%281%29%27%21%2A%3A%40%2C%3B%3D%26%24/..x//",
                   "s3",
                   "host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-meta-k;"
                   "x-amz-sdk-checksum-algorithm",
                   "484312a40f7a811843cde12936d1296b10aa2bad2663dd4d8fe7fff1706a72e3",
                   {{"x-amz-meta-k", "v  w"},
                    {"x-amz-checksum-crc32", "NhCmhg=="},
                    {"x-amz-sdk-checksum-algorithm", "CRC32"},
                    {"X-Amz-Content-SHA256",
                     "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}},
                   "hello"});
}

TEST(BotocoreSignatures, CoverQueries) {
  expect_accepted({"GET",
                   "/models?list-type=2&prefix=a%20b%2F%C3%BC%2B~&delimiter=%2F&"
                   "start-after=x%3D%26y&encoding-type=url",
                   "s3",
                   "host;x-amz-content-sha256;x-amz-date",
                   "e1b36dd014c8cc697adee91027503b466fbef433c14ef926b37540e68e6e88e5",
                   {{"X-Amz-Content-SHA256", kEmpty}}});
}

TEST(BotocoreSignatures, LeaveDotsInS3Paths) {
  expect_accepted({"GET",
                   "/models/a/../b",
                   "s3",
                   "host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date",
                   "c3bebb6676d77b4d67f3e23424814137af604e71106c0d1894bb271d799119a6",
                   {{"x-amz-checksum-mode", "ENABLED"}, {"X-Amz-Content-SHA256", kEmpty}}});
}

TEST(BotocoreSignatures, EncodePathsOfOtherServicesTwice) {
  expect_accepted({"GET",
                   "/2015-03-31/functions/"
                   "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af",
                   "lambda",
                   "host;x-amz-date",
                   "9d13c436b5727692011f3279f9cfe142144dad1ff91c79c19d01a4a330835c30",
                   {}});
}

TEST(BotocoreSignatures, CoverBodiesWithoutDeclaringThem) {
  expect_accepted(
      {"POST",
       "/",
       "sagemaker",
       "content-type;host;x-amz-date;x-amz-target",
       "3a4da7eefbee18df5947f8555bade81d35d4733aefd5a0795834a980635d0515",
       {{"X-Amz-Target", "SageMaker.ListModels"}, {"Content-Type", "application/x-amz-json-1.1"}},
       "{\"MaxResults\": 5}"});
  expect_accepted({"POST",
                   "/",
                   "sts",
                   "content-type;host;x-amz-date",
                   "0c0ff0834f25aeca965c2dbdb84d9460c9c25b3fa7e059006a062a9201769dcb",
                   {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
                   "Action=GetCallerIdentity&Version=2011-06-15"});
  expect_accepted({"POST",
                   "/endpoints/e/invocations",
                   "sagemaker",
                   "host;x-amz-date",
                   "c3d07c99c9635616dd4bcc0d49af525f95366099a76131b199a32d019924a3c2",
                   {},
                   "1,2"});
}

}  // namespace
}  // namespace slipway::wire
