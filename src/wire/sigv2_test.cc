// URLs as botocore 1.43.11 presigned them at one point in time, with the access key
// AKIDEXAMPLE, whose secret is "secret".

#include "wire/sigv2.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

constexpr base::Millis kThen = 1'700'000'000'000;
constexpr const char* kGet =
    "/b/a%20k%2B%C3%BC?response-content-type=text%2Fcsv&AWSAccessKeyId=AKIDEXAMPLE&"
    "Signature=5ySIEPkq0ST6kdjVlGB1TrtGi50%3D&Expires=1700000060";
constexpr const char* kPut =
    "/b/k?AWSAccessKeyId=AKIDEXAMPLE&Signature=Afxq0AZTIVB%2FmFBXJyrjkzCJpaQ%3D&"
    "content-type=text%2Fcsv&x-amz-meta-color=red&Expires=1700000060";
constexpr const char* kSessionGet =
    "/b/a%20k%2B%C3%BC?response-content-type=text%2Fcsv&AWSAccessKeyId=AKIDEXAMPLE&"
    "Signature=yPAjtkyg4VbB%2B%2FI1fjyQW0a4PAg%3D&x-amz-security-token=tok%2Fen%3D%3D&"
    "Expires=1700000060";

class Known final : public Credentials {
 public:
  explicit Known(std::string token = "") : token_(std::move(token)) {}
  std::optional<Key> find(std::string_view access_key) const override {
    if (access_key != "AKIDEXAMPLE") return std::nullopt;
    Key key;
    key.secret = "secret";
    key.session_token = token_;
    return key;
  }

 private:
  std::string token_;
};

net::RequestHead head(std::string method, std::string target) {
  net::RequestHead result;
  result.method = std::move(method);
  result.target = std::move(target);
  return result;
}

std::string code(const net::RequestHead& request, const Known& known = Known(),
                 base::Millis now = kThen) {
  try {
    verify_sigv2_url(request, request.path(), known, now);
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(SigV2Urls, OfBotocoreAreTaken) {
  EXPECT_TRUE(is_sigv2_url(head("GET", kGet)));
  EXPECT_EQ(code(head("GET", kGet)), "");
  EXPECT_EQ(code(head("PUT", kPut)), "");
  EXPECT_EQ(code(head("GET", kSessionGet), Known("tok/en==")), "");
}

TEST(SigV2Urls, TakeHeadersInThePlaceOfParameters) {
  net::RequestHead put = head("PUT", kPut);
  put.headers.add("Content-Type", "text/csv");
  put.headers.add("X-Amz-Meta-Color", "red");
  EXPECT_EQ(code(put), "");
  put.headers.set("Content-Type", "text/html");
  EXPECT_EQ(code(put), "SignatureDoesNotMatch");
}

TEST(SigV2Urls, AreRefusedWhereAnythingIsChanged) {
  const std::string get = kGet;
  EXPECT_EQ(code(head("PUT", get)), "SignatureDoesNotMatch");
  EXPECT_EQ(code(head("GET", base::replace_all(get, "a%20k", "b"))), "SignatureDoesNotMatch");
  EXPECT_EQ(code(head("GET", base::replace_all(get, "csv", "html"))), "SignatureDoesNotMatch");
  EXPECT_EQ(code(head("GET", base::replace_all(get, "0060", "9960"))), "SignatureDoesNotMatch");
  EXPECT_EQ(code(head("GET", base::replace_all(get, "AKID", "AKIX"))), "InvalidClientTokenId");
  EXPECT_EQ(code(head("GET", get + "&versionId=1")), "SignatureDoesNotMatch");
  net::RequestHead with_header = head("GET", get);
  with_header.headers.add("x-amz-acl", "public-read");
  EXPECT_EQ(code(with_header), "SignatureDoesNotMatch");
  EXPECT_EQ(code(head("GET", "/b/k?AWSAccessKeyId=AKIDEXAMPLE&Signature=x")),
            "IncompleteSignature");
}

TEST(SigV2Urls, End) {
  EXPECT_EQ(code(head("GET", kGet), Known(), kThen + 60'999), "");
  EXPECT_EQ(code(head("GET", kGet), Known(), kThen + 61'000), "RequestExpired");
}

TEST(SigV2Urls, WantTheSessionsToken) {
  EXPECT_EQ(code(head("GET", kGet), Known("tok/en==")), "InvalidClientTokenId");
  EXPECT_EQ(code(head("GET", kSessionGet), Known("other")), "InvalidClientTokenId");
}

}  // namespace
}  // namespace slipway::wire
