#pragma once

// AWS Signature Version 4, both ways.
// Format: "Signature Version 4 signing process" in the AWS General Reference; the test
// cases are those of awslabs/aws-c-auth.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/http.h"
#include "net/loop_handler.h"
#include "wire/api.h"

namespace slipway::wire {

struct SigningKey {
  std::string access_key;
  std::string secret;
  std::string session_token;
};

// Path encoding: S3 signs the path as sent; every other service normalises it and
// encodes it once more.
enum class PathStyle { kS3, kNormalized };

// Adds X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256 and Authorization to `head`.
// `payload_sha256`: hexadecimal, or "UNSIGNED-PAYLOAD".
void sign(net::RequestHead& head, const SigningKey& key, std::string_view region,
          std::string_view service, std::string_view payload_sha256, base::Millis now);

// The X-Amz-* query of a presigned URL, added to head.target. Signs "host" alone.
void presign(net::RequestHead& head, const SigningKey& key, std::string_view region,
             std::string_view service, std::chrono::seconds lifetime, base::Millis now);

// What a signature claims, before it is checked.
struct Claim {
  std::string access_key;
  std::string date;  // yyyymmdd
  std::string region;
  std::string service;
  std::vector<std::string> signed_headers;
  std::string signature;
  std::string time;            // yyyymmddThhmmssZ
  std::string payload_sha256;  // as declared; "UNSIGNED-PAYLOAD", "STREAMING-…" or hexadecimal
  bool presigned = false;
  std::chrono::seconds lifetime{0};  // presigned only
  std::string session_token;
};

// Nothing where the request carries no SigV4 at all. Throws Error{IncompleteSignature}
// where it carries a broken one.
std::optional<Claim> claim_of(const net::RequestHead& head);

// Why a request is not who it claims to be.
enum class Refusal {
  kNone,
  kMissing,         // no signature at all
  kIncomplete,      // one that cannot be read
  kUnknownKey,      // no such access key
  kWrongToken,      // session token absent, foreign or not this key's
  kExpiredToken,    // the key has expired
  kSkewed,          // signed more than 15 minutes from now
  kExpiredUrl,      // a presigned URL past its lifetime
  kUnsignedHeader,  // S3: an x-amz-* header that the signature does not cover
  kWrongSignature,
  kWrongPayload,  // the body is not the one whose digest was signed
  kWrongService,  // signed for another service
};
// The code and text that verify() throws with; the same words that AWS uses for all services.
std::string_view code_of(Refusal refusal) noexcept;
std::string_view message_of(Refusal refusal) noexcept;

// Derived signing keys by access key, date, region and service, because deriving one costs
// four HMACs. Thread-safe; each event loop may own one. Forgets everything when it is full.
class SigningKeyCache {
 public:
  explicit SigningKeyCache(std::size_t limit = 1024);
  ~SigningKeyCache();
  struct Derived;  // sigv4_keys.h
  std::shared_ptr<const Derived> derive(std::string_view access_key, std::string_view secret,
                                        std::string_view date, std::string_view region,
                                        std::string_view service);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether the sender may go on to send the body of this head: verify() where the signature is
// over a declared digest; otherwise, as it cannot be checked yet, everything but the signature.
Refusal check_head(const net::RequestHead& head, const Credentials& credentials, base::Millis now);

// What verify_quietly() found: a key and kNone, or no key and the reason.
struct Verdict {
  std::shared_ptr<const Credentials::Key> key;
  Refusal refusal = Refusal::kMissing;
  explicit operator bool() const noexcept { return key != nullptr; }
};
// verify() for an event loop: the whole request lies in `request`, whose body's digest is computed
// here where it is signed. No exception, no lock but the cache's and the credentials'. Its scope
// must name `service`, so that what was signed for another service cannot be played here.
Verdict verify_quietly(const net::RequestView& request, const Credentials& credentials,
                       SigningKeyCache& keys, base::Millis now, std::string_view service) noexcept;

struct Verified {
  Caller caller;
  Claim claim;
  std::string signing_key;  // raw; for the chunk signatures of a streaming body
};

// Checks key, signature, session token, lifetime and the clock's difference (15 minutes).
// Throws Error{InvalidClientTokenId | SignatureDoesNotMatch | ExpiredToken | RequestExpired |
// MissingAuthenticationToken …}, 403; the Api renames them to each service's own codes.
// `body_sha256`, in hexadecimal, is the digest of the body that came; where it is empty,
// a declared digest is not compared with anything and an undeclared one is that of no bytes.
Verified verify(const net::RequestHead& head, const Credentials& credentials, base::Millis now,
                std::string_view body_sha256 = {}, SigningKeyCache* keys = nullptr);

// Pieces, for tests and for the gateway.
std::string canonical_request(const net::RequestHead& head,
                              const std::vector<std::string>& signed_headers,
                              std::string_view payload_sha256, PathStyle style,
                              bool normalize = true);
std::string string_to_sign(std::string_view time, std::string_view scope,
                           std::string_view canonical);
std::string derive_key(std::string_view secret, std::string_view date, std::string_view region,
                       std::string_view service);

}  // namespace slipway::wire
