#include "wire/sigv4.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "wire/sigv4_canonical.h"
#include "wire/sigv4_claim.h"
#include "wire/sigv4_keys.h"

namespace slipway::wire {
namespace {

constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr base::Millis kSkew = 15 * 60 * 1000;

// The text under the signature, for a canonical request.
std::string text_of(const ClaimView& claim, std::string_view canonical) {
  std::string text;
  text.reserve(160 + claim.region.size() + claim.service.size());
  text.append("AWS4-HMAC-SHA256\n").append(claim.time).append(1, '\n');
  text.append(claim.date).append(1, '/').append(claim.region).append(1, '/');
  text.append(claim.service).append("/aws4_request\n");
  Sha256 hash;
  hash.update(canonical);
  const auto digest = as_hex(hash.finish());
  return text.append(digest.data(), digest.size());
}

Refusal check_time(const ClaimView& claim, base::Millis now) {
  const auto signed_at = base::parse_basic_time(claim.time);
  if (!signed_at || !claim.time.starts_with(claim.date)) return Refusal::kIncomplete;
  if (*signed_at > now + kSkew) return Refusal::kSkewed;
  if (!claim.presigned) return *signed_at < now - kSkew ? Refusal::kSkewed : Refusal::kNone;
  return now > *signed_at + claim.lifetime.count() * 1000 ? Refusal::kExpiredUrl : Refusal::kNone;
}

Refusal check_key(const ClaimView& claim, const Credentials::Key& key, base::Millis now) {
  if (!base::equals_in_constant_time(claim.session_token, key.session_token))
    return Refusal::kWrongToken;
  if (key.expires != 0 && now >= key.expires) return Refusal::kExpiredToken;
  return Refusal::kNone;
}

// S3 alone acts on headers that change what is stored, so it wants each of them signed.
bool has_unsigned_header(const net::RequestView& request, const ClaimView& claim) {
  for (std::size_t i = 0; i < request.field_count; ++i) {
    const std::string name = base::lower(request.fields[i].name);
    if (!name.starts_with("x-amz-") || name == "x-amz-security-token") continue;
    const auto names = claim.signed_names();
    if (std::find(names.begin(), names.end(), name) == names.end()) return true;
  }
  return false;
}

struct Outcome {
  Refusal refusal = Refusal::kNone;
  std::shared_ptr<const Credentials::Key> key;
  std::shared_ptr<const SigningKeyCache::Derived> derived;
};

// `digest_of_body`: called at most once, where the signature or the declared digest needs
// it; gives nothing where the body is not in hand.
template <class DigestOfBody>
Outcome verify_all(const net::RequestView& request, const Credentials& credentials,
                   SigningKeyCache* keys, base::Millis now, ClaimView& claim,
                   DigestOfBody digest_of_body) {
  Outcome outcome;
  outcome.refusal = parse_claim(request, claim);
  if (outcome.refusal != Refusal::kNone) return outcome;
  outcome.key = credentials.share(claim.access_key);
  if (!outcome.key) {
    outcome.refusal = Refusal::kUnknownKey;
    return outcome;
  }
  std::string_view payload = claim.payload_sha256;
  std::string digest;
  bool mismatch = false;
  if (payload.empty()) {
    digest = digest_of_body();
    payload = digest.empty() ? kEmptySha256 : std::string_view(digest);
  } else if (is_hex_digest(payload)) {
    digest = digest_of_body();
    mismatch = !digest.empty() && !base::equals_ignoring_case(digest, payload);
  }
  const std::string& secret = outcome.key->secret;
  if (keys)
    outcome.derived =
        keys->derive(claim.access_key, secret, claim.date, claim.region, claim.service);
  else
    outcome.derived = std::make_shared<const SigningKeyCache::Derived>(
        derive_key(secret, claim.date, claim.region, claim.service));
  const auto signs = [&](bool normalize) {
    const std::string canonical = canonical_request(request, claim.signed_names(), payload,
                                                    path_style_of(claim.service), normalize);
    const auto expected = as_hex(outcome.derived->mac.of(text_of(claim, canonical)));
    return base::equals_in_constant_time({expected.data(), expected.size()}, claim.signature);
  };
  // A path with dot segments or empty ones may have been signed as it is.
  const bool good = signs(true) || (is_normalizable(request.target) && signs(false));
  // The signature first: what follows tells strangers nothing about keys that exist.
  if (!good) {
    outcome.refusal = Refusal::kWrongSignature;
  } else if (const Refusal of_key = check_key(claim, *outcome.key, now); of_key != Refusal::kNone) {
    outcome.refusal = of_key;
  } else if (const Refusal of_time = check_time(claim, now); of_time != Refusal::kNone) {
    outcome.refusal = of_time;
  } else if (claim.service == "s3" && has_unsigned_header(request, claim)) {
    outcome.refusal = Refusal::kUnsignedHeader;
  } else if (mismatch) {
    outcome.refusal = Refusal::kWrongPayload;
  }
  return outcome;
}

}  // namespace

std::shared_ptr<const Credentials::Key> Credentials::share(std::string_view access_key) const {
  std::optional<Key> key = find(access_key);
  return key ? std::make_shared<const Key>(std::move(*key)) : nullptr;
}

std::string_view code_of(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kMissing:
      return "MissingAuthenticationToken";
    case Refusal::kIncomplete:
      return "IncompleteSignature";
    case Refusal::kUnknownKey:
    case Refusal::kWrongToken:
      return "InvalidClientTokenId";
    case Refusal::kExpiredToken:
      return "ExpiredToken";
    case Refusal::kSkewed:
      return "RequestTimeTooSkewed";
    case Refusal::kExpiredUrl:
      return "RequestExpired";
    case Refusal::kUnsignedHeader:
      return "AccessDenied";
    case Refusal::kWrongSignature:
      return "SignatureDoesNotMatch";
    case Refusal::kWrongPayload:
      return "XAmzContentSHA256Mismatch";
    case Refusal::kWrongService:
      return "SignatureDoesNotMatch";
  }
  return "";
}

std::string_view message_of(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kMissing:
      return "Missing Authentication Token";
    case Refusal::kIncomplete:
      return "The request signature does not conform to AWS standards: it needs Credential, "
             "SignedHeaders with host, Signature and a date.";
    case Refusal::kUnknownKey:
    case Refusal::kWrongToken:
      return "The security token included in the request is invalid.";
    case Refusal::kExpiredToken:
      return "The security token included in the request is expired";
    case Refusal::kSkewed:
      return "Signature expired or not yet valid: the request's time and the server's differ by "
             "more than 15 minutes.";
    case Refusal::kExpiredUrl:
      return "Request has expired";
    case Refusal::kUnsignedHeader:
      return "There were headers present in the request which were not signed";
    case Refusal::kWrongSignature:
      return "The request signature we calculated does not match the signature you provided. "
             "Check your AWS Secret Access Key and signing method. Consult the service "
             "documentation for details.";
    case Refusal::kWrongPayload:
      return "The provided 'x-amz-content-sha256' header does not match what was computed.";
    case Refusal::kWrongService:
      return "Credential should be scoped to correct service.";
  }
  return "";
}

std::optional<Claim> claim_of(const net::RequestHead& head) {
  const HeadView view(head);
  ClaimView claim;
  const Refusal refusal = parse_claim(view.view(), claim);
  if (refusal == Refusal::kIncomplete)
    throw Error(std::string(code_of(refusal)), std::string(message_of(refusal)));
  if (refusal == Refusal::kMissing) return std::nullopt;
  return claim.copy();
}

Verified verify(const net::RequestHead& head, const Credentials& credentials, base::Millis now,
                std::string_view body_sha256, SigningKeyCache* keys) {
  const HeadView view(head);
  ClaimView claim;
  const Outcome outcome = verify_all(view.view(), credentials, keys, now, claim,
                                     [&] { return std::string(body_sha256); });
  if (outcome.refusal != Refusal::kNone) {
    const bool malformed =
        outcome.refusal == Refusal::kIncomplete || outcome.refusal == Refusal::kWrongPayload;
    throw Error(std::string(code_of(outcome.refusal)), std::string(message_of(outcome.refusal)),
                malformed ? 400 : 403);
  }
  return {outcome.key->caller, claim.copy(), outcome.derived->raw};
}

Refusal check_head(const net::RequestHead& head, const Credentials& credentials, base::Millis now) {
  const HeadView view(head);
  ClaimView claim;
  const Refusal refusal = parse_claim(view.view(), claim);
  if (refusal != Refusal::kNone) return refusal;
  if (!claim.payload_sha256.empty()) {
    ClaimView again;
    return verify_all(view.view(), credentials, nullptr, now, again, [] { return std::string(); })
        .refusal;
  }
  const auto key = credentials.share(claim.access_key);
  if (!key) return Refusal::kUnknownKey;
  const Refusal of_key = check_key(claim, *key, now);
  return of_key != Refusal::kNone ? of_key : check_time(claim, now);
}

Verdict verify_quietly(const net::RequestView& request, const Credentials& credentials,
                       SigningKeyCache& keys, base::Millis now, std::string_view service) noexcept {
  try {
    ClaimView claim;
    Outcome outcome = verify_all(request, credentials, &keys, now, claim,
                                 [&] { return sha256_hex_quickly(request.body); });
    if (outcome.refusal != Refusal::kNone) return {nullptr, outcome.refusal};
    if (claim.service != service) return {nullptr, Refusal::kWrongService};
    return {std::move(outcome.key), Refusal::kNone};
  } catch (...) {
    // Only memory can run out here: whoever cannot be verified is not let in.
    return {nullptr, Refusal::kWrongSignature};
  }
}

}  // namespace slipway::wire
