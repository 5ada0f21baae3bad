#include "wire/sigv4.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "wire/sigv4_canonical.h"
#include "wire/sigv4_keys.h"

namespace slipway::wire {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A request as the vectors write it; continued header lines belong to the field before.
net::Request parse_request(const std::string& text) {
  net::Request request;
  const auto lines = base::split(text, '\n');
  const std::string& first = lines[0];
  request.method = first.substr(0, first.find(' '));
  request.target =
      first.substr(request.method.size() + 1, first.rfind(" HTTP/") - request.method.size() - 1);
  std::vector<std::pair<std::string, std::string>> fields;
  std::size_t i = 1;
  for (; i < lines.size() && !lines[i].empty(); ++i) {
    if (lines[i].starts_with(' ')) {
      fields.back().second += "\n" + lines[i];
      continue;
    }
    const std::size_t colon = lines[i].find(':');
    fields.emplace_back(lines[i].substr(0, colon), lines[i].substr(colon + 1));
  }
  for (auto& [name, value] : fields) request.headers.add(name, value);
  if (i + 1 < lines.size()) {
    std::vector<std::string> rest(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1, lines.end());
    request.body = net::Body(base::join(rest, "\n"));
  }
  return request;
}

struct Vector {
  explicit Vector(const std::string& name)
      : folder(fs::path(SLIPWAY_TEST_DATA) / "sigv4" / name),
        context(Json::parse(read(folder / "context.json"))),
        request(parse_request(read(folder / "request.txt"))) {
    const Json& credentials = context["credentials"];
    key = {credentials["access_key_id"], credentials["secret_access_key"],
           base::text_or(credentials, "token")};
    region = context["region"];
    service = context["service"];
    now = base::parse_iso8601(context["timestamp"].get<std::string>()).value();
    normalize = context["normalize"];
    lifetime = std::chrono::seconds(context["expiration_in_seconds"].get<int>());
  }
  std::string expected(const std::string& file) const { return read(folder / file); }

  fs::path folder;
  Json context;
  net::Request request;
  SigningKey key;
  std::string region, service;
  base::Millis now = 0;
  bool normalize = true;
  std::chrono::seconds lifetime{0};
};

class OneKey final : public Credentials {
 public:
  explicit OneKey(const SigningKey& key) {
    id_ = key.access_key;
    key_.secret = key.secret;
    key_.session_token = key.session_token;
    key_.caller = {"123456789012", "arn:aws:iam::123456789012:root", "123456789012", id_};
  }
  std::optional<Key> find(std::string_view access_key) const override {
    if (access_key != id_) return std::nullopt;
    return key_;
  }
  Key& key() { return key_; }

 private:
  std::string id_;
  Key key_;
};

// What the vectors pin down of a signed request: the canonical request, the text that is
// signed and the signature.
void expect_pieces(const Vector& vector, const std::string& variant) {
  const net::Request request = parse_request(vector.expected(variant + "-signed-request.txt"));
  const auto claim = claim_of(request);
  ASSERT_TRUE(claim.has_value());
  const std::string canonical =
      canonical_request(request, claim->signed_headers, request.body.sha256(),
                        PathStyle::kNormalized, vector.normalize);
  EXPECT_EQ(canonical, vector.expected(variant + "-canonical-request.txt"));
  const std::string scope =
      claim->date + "/" + claim->region + "/" + claim->service + "/aws4_request";
  const std::string text = string_to_sign(claim->time, scope, canonical);
  EXPECT_EQ(text, vector.expected(variant + "-string-to-sign.txt"));
  const std::string key = derive_key(vector.key.secret, claim->date, claim->region, claim->service);
  EXPECT_EQ(base::hex(base::hmac_sha256(key, text)), vector.expected(variant + "-signature.txt"));
  EXPECT_EQ(claim->signature, vector.expected(variant + "-signature.txt"));
}

void expect_verified(const Vector& vector, const std::string& variant) {
  const net::Request request = parse_request(vector.expected(variant + "-signed-request.txt"));
  const OneKey credentials(vector.key);

  const Verified verified = verify(request, credentials, vector.now, request.body.sha256());

  EXPECT_EQ(verified.caller.access_key, vector.key.access_key);
  EXPECT_EQ(verified.claim.presigned, variant == "query");
}

class SigV4Vectors : public testing::TestWithParam<std::string> {};

TEST_P(SigV4Vectors, HeaderPiecesAreThoseOfTheVector) {
  expect_pieces(Vector(GetParam()), "header");
}

// The query variant of one vector adds the token to the URL after signing, so that the URL's
// own canonical form is another.
bool adds_token_after(const Vector& vector) {
  return base::boolean_or(vector.context, "omit_session_token", false);
}

TEST_P(SigV4Vectors, QueryPiecesAreThoseOfTheVector) {
  Vector vector(GetParam());
  if (!adds_token_after(vector)) return expect_pieces(vector, "query");
  vector.key.session_token.clear();
  presign(vector.request, vector.key, vector.region, vector.service, vector.lifetime, vector.now);
  EXPECT_THAT(vector.request.target,
              testing::EndsWith("X-Amz-Signature=" + vector.expected("query-signature.txt")));
}

TEST_P(SigV4Vectors, AcceptsTheSignedRequest) {
  const Vector vector(GetParam());
  // A token in a header that is not signed is no reason to refuse it.
  expect_verified(vector, "header");
  if (!adds_token_after(vector)) expect_verified(vector, "query");
}

TEST_P(SigV4Vectors, SignsAsTheVectorWhereItSignsTheBody) {
  Vector vector(GetParam());
  if (!vector.context["sign_body"].get<bool>()) {
    // Ours always declares the body's digest; the verifier must take what it made.
    sign(vector.request, vector.key, vector.region, vector.service, vector.request.body.sha256(),
         vector.now);
    EXPECT_NO_THROW(
        verify(vector.request, OneKey(vector.key), vector.now, vector.request.body.sha256()));
    return;
  }
  vector.request.headers.remove("Content-Length");
  sign(vector.request, vector.key, vector.region, vector.service, vector.request.body.sha256(),
       vector.now);
  EXPECT_NO_THROW(
      verify(vector.request, OneKey(vector.key), vector.now, vector.request.body.sha256()));
}

TEST_P(SigV4Vectors, PresignsWhatItAccepts) {
  Vector vector(GetParam());
  vector.request.body = net::Body();
  presign(vector.request, vector.key, vector.region, vector.service, vector.lifetime, vector.now);
  const OneKey credentials(vector.key);

  EXPECT_NO_THROW(verify(vector.request, credentials, vector.now + 3'599'000));
  try {
    verify(vector.request, credentials, vector.now + 3'601'000);
    FAIL() << "accepted a URL past its lifetime";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "RequestExpired");
  }
}

std::vector<std::string> vector_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(SLIPWAY_TEST_DATA) / "sigv4"))
    if (entry.is_directory()) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, SigV4Vectors, testing::ValuesIn(vector_names()),
                         [](const auto& test) { return base::replace_all(test.param, "-", "_"); });

TEST(SigV4VectorSet, IsComplete) { EXPECT_EQ(vector_names().size(), 38u); }

TEST(Presign, WritesTheUrlOfTheVector) {
  Vector vector("get-vanilla-with-session-token");
  presign(vector.request, vector.key, vector.region, vector.service, vector.lifetime, vector.now);
  const net::Request expected = parse_request(vector.expected("query-signed-request.txt"));
  EXPECT_EQ(vector.request.target, expected.target);
}

class Verification : public testing::Test {
 protected:
  Verification() : credentials_(key_) {
    request_.method = "PUT";
    request_.target = "/bucket/a%20key%2B?partNumber=1";
    request_.headers.add("Host", "127.0.0.1:4700");
    request_.body = net::Body("hello");
  }

  std::string code(const net::Request& request, base::Millis now) {
    try {
      verify(request, credentials_, now, request.body.sha256());
      return "";
    } catch (const Error& error) {
      return error.code();
    }
  }
  std::string code() { return code(request_, now_); }
  void sign_s3(const std::string& payload) {
    sign(request_, key_, "us-east-1", "s3", payload, now_);
  }

  const SigningKey key_{"AKIDEXAMPLE", "secret", ""};
  OneKey credentials_;
  net::Request request_;
  const base::Millis now_ = 1'700'000'000'000;
};

TEST_F(Verification, AcceptsS3Paths) {
  sign_s3(request_.body.sha256());
  EXPECT_EQ(code(), "");
}

TEST_F(Verification, RefusesAnotherBody) {
  sign_s3(request_.body.sha256());
  request_.body = net::Body("hellO");
  EXPECT_EQ(code(), "XAmzContentSHA256Mismatch");
}

TEST_F(Verification, TakesUnsignedPayloads) {
  sign_s3("UNSIGNED-PAYLOAD");
  EXPECT_EQ(code(), "");
}

TEST_F(Verification, RefusesAChangedPathQueryMethodOrHeader) {
  sign_s3(request_.body.sha256());
  net::Request path = request_;
  path.target = "/bucket/another?partNumber=1";
  net::Request query = request_;
  query.target = "/bucket/a%20key%2B?partNumber=2";
  net::Request method = request_;
  method.method = "DELETE";
  net::Request host = request_;
  host.headers.set("Host", "elsewhere");

  EXPECT_EQ(code(path, now_), "SignatureDoesNotMatch");
  EXPECT_EQ(code(query, now_), "SignatureDoesNotMatch");
  EXPECT_EQ(code(method, now_), "SignatureDoesNotMatch");
  EXPECT_EQ(code(host, now_), "SignatureDoesNotMatch");
}

TEST_F(Verification, RefusesUnknownKeys) {
  sign(request_, {"AKIDOTHER", "secret", ""}, "us-east-1", "s3", request_.body.sha256(), now_);
  EXPECT_EQ(code(), "InvalidClientTokenId");
}

TEST_F(Verification, AllowsFifteenMinutesOfDifference) {
  sign_s3(request_.body.sha256());
  EXPECT_EQ(code(request_, now_ + 15 * 60'000), "");
  EXPECT_EQ(code(request_, now_ + 15 * 60'000 + 1), "RequestTimeTooSkewed");
  EXPECT_EQ(code(request_, now_ - 15 * 60'000 - 1), "RequestTimeTooSkewed");
}

TEST_F(Verification, WantsTheSessionsToken) {
  credentials_.key().session_token = "token";
  sign_s3(request_.body.sha256());
  EXPECT_EQ(code(), "InvalidClientTokenId");
  sign(request_, {"AKIDEXAMPLE", "secret", "token"}, "us-east-1", "s3", request_.body.sha256(),
       now_);
  EXPECT_EQ(code(), "");
}

TEST_F(Verification, RefusesATokenThatIsNobodys) {
  sign(request_, {"AKIDEXAMPLE", "secret", "token"}, "us-east-1", "s3", request_.body.sha256(),
       now_);
  EXPECT_EQ(code(), "InvalidClientTokenId");
}

TEST_F(Verification, RefusesKeysThatHaveExpired) {
  credentials_.key().expires = now_;
  sign_s3(request_.body.sha256());
  EXPECT_EQ(code(), "ExpiredToken");
  EXPECT_EQ(code(request_, now_ - 1), "");
}

TEST_F(Verification, WantsEveryAmazonHeaderOfS3Signed) {
  sign_s3(request_.body.sha256());
  request_.headers.add("x-amz-acl", "public-read");
  EXPECT_EQ(code(), "AccessDenied");
}

TEST_F(Verification, SaysWhatIsMissing) {
  EXPECT_EQ(code(), "MissingAuthenticationToken");
  EXPECT_FALSE(claim_of(request_).has_value());
  request_.headers.add("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114");
  EXPECT_EQ(code(), "IncompleteSignature");
}

TEST_F(Verification, RefusesASignatureWithoutHost) {
  sign_s3(request_.body.sha256());
  std::string text(request_.headers.get("authorization"));
  request_.headers.set("Authorization", base::replace_all(text, "host;", ""));
  EXPECT_EQ(code(), "IncompleteSignature");
}

TEST_F(Verification, RefusesAScopeOfAnotherDay) {
  sign_s3(request_.body.sha256());
  request_.headers.set("X-Amz-Date", "20231113T221320Z");
  EXPECT_EQ(code(), "SignatureDoesNotMatch");
}

TEST_F(Verification, QuietlySaysTheSame) {
  sign(request_, key_, "us-east-1", "sagemaker", request_.body.sha256(), now_);
  SigningKeyCache keys;
  const HeadView head(request_);
  net::RequestView view = head.view();
  view.body = request_.body.bytes();

  const Verdict good = verify_quietly(view, credentials_, keys, now_, "sagemaker");
  view.body = "another";
  const Verdict changed = verify_quietly(view, credentials_, keys, now_, "sagemaker");
  const Verdict late =
      verify_quietly(head.view(), credentials_, keys, now_ + 3'600'000, "sagemaker");

  ASSERT_TRUE(good);
  EXPECT_EQ(good.key->caller.access_key, "AKIDEXAMPLE");
  EXPECT_EQ(changed.refusal, Refusal::kWrongPayload);
  EXPECT_EQ(late.refusal, Refusal::kSkewed);
}

TEST_F(Verification, QuietlyRefusesWhatWasSignedForAnotherService) {
  sign(request_, key_, "us-east-1", "s3", request_.body.sha256(), now_);
  SigningKeyCache keys;
  const HeadView head(request_);
  net::RequestView view = head.view();
  view.body = request_.body.bytes();

  EXPECT_TRUE(verify_quietly(view, credentials_, keys, now_, "s3"));
  EXPECT_EQ(verify_quietly(view, credentials_, keys, now_, "sagemaker").refusal,
            Refusal::kWrongService);
}

TEST_F(Verification, HashesTheBodyWhereItsDigestIsNotDeclared) {
  sign(request_, key_, "us-east-1", "sagemaker", request_.body.sha256(), now_);
  // As botocore signs: the digest is in the canonical request, its header is not sent.
  const auto claim = claim_of(request_);
  net::Request bare = request_;
  bare.headers.remove("X-Amz-Content-Sha256");
  const std::vector<std::string> names{"host", "x-amz-date"};
  const std::string scope = claim->date + "/us-east-1/sagemaker/aws4_request";
  const std::string text =
      string_to_sign(claim->time, scope,
                     canonical_request(bare, names, bare.body.sha256(), PathStyle::kNormalized));
  const std::string signature = base::hex(
      base::hmac_sha256(derive_key("secret", claim->date, "us-east-1", "sagemaker"), text));
  bare.headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" + scope +
                                        ",SignedHeaders=host;x-amz-date,Signature=" + signature);

  EXPECT_EQ(code(bare, now_), "");
  bare.body = net::Body("another");
  EXPECT_EQ(code(bare, now_), "SignatureDoesNotMatch");
  EXPECT_EQ(check_head(bare, credentials_, now_), Refusal::kNone);
  EXPECT_EQ(check_head(bare, credentials_, now_ + 3'600'000), Refusal::kSkewed);
}

TEST(SigningKeyCache, StaysWithinItsLimitAndFollowsTheSecret) {
  SigningKeyCache keys(2);
  const auto first = keys.derive("AK", "one", "20231114", "us-east-1", "s3");
  EXPECT_EQ(keys.derive("AK", "one", "20231114", "us-east-1", "s3"), first);
  const auto second = keys.derive("AK", "two", "20231114", "us-east-1", "s3");
  EXPECT_NE(second->raw, first->raw);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(keys.derive("AK" + std::to_string(i), "s", "20231114", "us-east-1", "s3")->raw,
              derive_key("s", "20231114", "us-east-1", "s3"));
  EXPECT_EQ(first->raw, derive_key("one", "20231114", "us-east-1", "s3"));
}

TEST(HmacSha256, IsThatOfTheBaseRoom) {
  for (const std::size_t length : {0u, 1u, 63u, 64u, 65u, 200u}) {
    const std::string key(length, 'k');
    EXPECT_EQ(std::string(as_text(HmacSha256(key).of("text"))), base::hmac_sha256(key, "text"));
  }
}

}  // namespace
}  // namespace slipway::wire
