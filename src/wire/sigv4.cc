#include "wire/sigv4.h"

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "wire/sigv4_canonical.h"
#include "wire/sigv4_keys.h"

namespace slipway::wire {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr base::Millis kSkew = 15 * 60 * 1000;
constexpr std::int64_t kLongestLifetime = 7 * 24 * 3600;  // seconds
constexpr std::size_t kMostSignedHeaders = 100;

struct Parsed {
  std::optional<Claim> claim;
  Refusal refusal = Refusal::kNone;
};

Parsed broken() { return {std::nullopt, Refusal::kIncomplete}; }

bool read_credential(std::string_view text, Claim& claim) {
  // From the end: an access key may hold a "/", the four parts after it may not.
  std::array<std::string_view, 4> parts;
  for (std::size_t i = parts.size(); i-- > 0;) {
    const std::size_t slash = text.rfind('/');
    if (slash == std::string_view::npos) return false;
    parts[i] = text.substr(slash + 1);
    text = text.substr(0, slash);
  }
  claim.access_key = text;
  claim.date = parts[0];
  claim.region = parts[1];
  claim.service = parts[2];
  return !text.empty() && claim.date.size() == 8 && !claim.service.empty() &&
         parts[3] == "aws4_request";
}

bool read_signed_headers(std::string_view text, Claim& claim) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    claim.signed_headers.emplace_back(base::lower(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (claim.signed_headers.size() > kMostSignedHeaders) return false;
  }
  return std::find(claim.signed_headers.begin(), claim.signed_headers.end(), "host") !=
         claim.signed_headers.end();
}

Parsed parse_header(const net::RequestView& request, std::string_view authorization) {
  Claim claim;
  std::string_view rest = authorization.substr(kAlgorithm.size());
  bool complete = true;
  int seen = 0;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view part = base::trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part.starts_with("Credential=")) {
      complete = complete && read_credential(part.substr(11), claim);
      seen |= 1;
    } else if (part.starts_with("SignedHeaders=")) {
      complete = complete && read_signed_headers(part.substr(14), claim);
      seen |= 2;
    } else if (part.starts_with("Signature=")) {
      claim.signature = part.substr(10);
      seen |= 4;
    }
  }
  if (!complete || seen != 7) return broken();
  claim.time = request.header("x-amz-date");
  if (claim.time.empty()) {
    const auto date = base::parse_http_date(request.header("date"));
    if (!date) return broken();
    claim.time = base::basic_time(*date);
  }
  claim.payload_sha256 = request.header("x-amz-content-sha256");
  claim.session_token = request.header("x-amz-security-token");
  return {std::move(claim), Refusal::kNone};
}

Parsed parse_query(const net::RequestView& request, std::string_view query) {
  Claim claim;
  claim.presigned = true;
  std::map<std::string, std::string, std::less<>> values;
  for (auto& [name, value] : base::parse_query(query))
    if (name.starts_with("X-Amz-")) values.emplace(std::move(name), std::move(value));
  if (values["X-Amz-Algorithm"] != kAlgorithm) return broken();
  if (!read_credential(values["X-Amz-Credential"], claim)) return broken();
  if (!read_signed_headers(values["X-Amz-SignedHeaders"], claim)) return broken();
  const auto lifetime = base::parse_integer(values["X-Amz-Expires"]);
  if (!lifetime || *lifetime < 1 || *lifetime > kLongestLifetime) return broken();
  claim.lifetime = std::chrono::seconds(*lifetime);
  claim.signature = values["X-Amz-Signature"];
  claim.time = values["X-Amz-Date"];
  claim.session_token = values["X-Amz-Security-Token"];
  claim.payload_sha256 = values["X-Amz-Content-Sha256"];
  if (claim.payload_sha256.empty()) claim.payload_sha256 = request.header("x-amz-content-sha256");
  if (claim.payload_sha256.empty() && claim.service == "s3") claim.payload_sha256 = kUnsigned;
  return {std::move(claim), Refusal::kNone};
}

Parsed parse_claim(const net::RequestView& request) {
  const std::string_view authorization = request.header("authorization");
  if (authorization.starts_with(kAlgorithm)) return parse_header(request, authorization);
  const std::size_t mark = request.target.find('?');
  if (mark != std::string_view::npos) {
    const std::string_view query = request.target.substr(mark + 1);
    if (query.find("X-Amz-Signature=") != std::string_view::npos ||
        query.find("X-Amz-Credential=") != std::string_view::npos)
      return parse_query(request, query);
  }
  return {std::nullopt, Refusal::kMissing};
}

std::string scope_of(const Claim& claim) {
  std::string scope;
  scope.reserve(claim.date.size() + claim.region.size() + claim.service.size() + 15);
  return scope.append(claim.date)
      .append(1, '/')
      .append(claim.region)
      .append(1, '/')
      .append(claim.service)
      .append("/aws4_request");
}

Refusal check_time(const Claim& claim, base::Millis now) {
  const auto signed_at = base::parse_basic_time(claim.time);
  if (!signed_at || !claim.time.starts_with(claim.date)) return Refusal::kIncomplete;
  if (*signed_at > now + kSkew) return Refusal::kSkewed;
  if (!claim.presigned) return *signed_at < now - kSkew ? Refusal::kSkewed : Refusal::kNone;
  return now > *signed_at + claim.lifetime.count() * 1000 ? Refusal::kExpiredUrl : Refusal::kNone;
}

Refusal check_key(const Claim& claim, const Credentials::Key& key, base::Millis now) {
  if (!base::equals_in_constant_time(claim.session_token, key.session_token))
    return Refusal::kWrongToken;
  if (key.expires != 0 && now >= key.expires) return Refusal::kExpiredToken;
  return Refusal::kNone;
}

// S3 alone acts on headers that change what is stored, so it wants each of them signed.
bool has_unsigned_header(const net::RequestView& request, const Claim& claim) {
  for (std::size_t i = 0; i < request.field_count; ++i) {
    const std::string name = base::lower(request.fields[i].name);
    if (!name.starts_with("x-amz-") || name == "x-amz-security-token") continue;
    if (std::find(claim.signed_headers.begin(), claim.signed_headers.end(), name) ==
        claim.signed_headers.end())
      return true;
  }
  return false;
}

bool is_hexadecimal_digest(std::string_view text) {
  return text.size() == 64 && base::from_hex(text).has_value();
}

struct Outcome {
  Refusal refusal = Refusal::kNone;
  std::optional<Claim> claim;
  std::shared_ptr<const Credentials::Key> key;
  std::shared_ptr<const SigningKeyCache::Derived> derived;
};

// `digest_of_body`: called at most once, where the signature or the declared digest needs
// it; gives nothing where the body is not in hand.
template <class DigestOfBody>
Outcome verify_all(const net::RequestView& request, const Credentials& credentials,
                   SigningKeyCache* keys, base::Millis now, DigestOfBody digest_of_body) {
  Parsed parsed = parse_claim(request);
  if (!parsed.claim) return {parsed.refusal, {}, {}, {}};
  Outcome outcome;
  outcome.claim = std::move(parsed.claim);
  Claim& claim = *outcome.claim;
  outcome.key = credentials.share(claim.access_key);
  if (!outcome.key) {
    outcome.refusal = Refusal::kUnknownKey;
    return outcome;
  }
  std::string payload = claim.payload_sha256;
  bool mismatch = false;
  if (payload.empty()) {
    payload = digest_of_body();
    if (payload.empty()) payload = kEmptySha256;
  } else if (is_hexadecimal_digest(payload)) {
    const std::string actual = digest_of_body();
    mismatch = !actual.empty() && actual != base::lower(payload);
  }
  outcome.derived = keys != nullptr
                        ? keys->derive(claim.access_key, outcome.key->secret, claim.date,
                                       claim.region, claim.service)
                        : std::make_shared<const SigningKeyCache::Derived>(derive_key(
                              outcome.key->secret, claim.date, claim.region, claim.service));
  const auto signs = [&](bool normalize) {
    const std::string canonical = canonical_request(request, claim.signed_headers, payload,
                                                    path_style_of(claim.service), normalize);
    const auto expected =
        as_hex(outcome.derived->mac.of(string_to_sign(claim.time, scope_of(claim), canonical)));
    return base::equals_in_constant_time({expected.data(), expected.size()}, claim.signature);
  };
  // A path with dot segments or empty ones may have been signed as it is.
  const bool normalizable = request.target.find("/.") != std::string_view::npos ||
                            request.target.find("//") != std::string_view::npos;
  const bool good = signs(true) || (normalizable && signs(false));
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
  }
  return "";
}

std::optional<Claim> claim_of(const net::RequestHead& head) {
  const HeadView view(head);
  Parsed parsed = parse_claim(view.view());
  if (parsed.refusal == Refusal::kIncomplete)
    throw Error(std::string(code_of(parsed.refusal)), std::string(message_of(parsed.refusal)));
  return std::move(parsed.claim);
}

Verified verify(const net::RequestHead& head, const Credentials& credentials, base::Millis now,
                std::string_view body_sha256, SigningKeyCache* keys) {
  const HeadView view(head);
  Outcome outcome =
      verify_all(view.view(), credentials, keys, now, [&] { return std::string(body_sha256); });
  if (outcome.refusal != Refusal::kNone) {
    throw Error(std::string(code_of(outcome.refusal)), std::string(message_of(outcome.refusal)),
                outcome.refusal == Refusal::kIncomplete || outcome.refusal == Refusal::kWrongPayload
                    ? 400
                    : 403);
  }
  return {outcome.key->caller, std::move(*outcome.claim), outcome.derived->raw};
}

Refusal check_head(const net::RequestHead& head, const Credentials& credentials, base::Millis now) {
  const HeadView view(head);
  const Parsed parsed = parse_claim(view.view());
  if (!parsed.claim) return parsed.refusal;
  if (!parsed.claim->payload_sha256.empty())
    return verify_all(view.view(), credentials, nullptr, now, [] { return std::string(); }).refusal;
  const auto key = credentials.share(parsed.claim->access_key);
  if (!key) return Refusal::kUnknownKey;
  const Refusal of_key = check_key(*parsed.claim, *key, now);
  return of_key != Refusal::kNone ? of_key : check_time(*parsed.claim, now);
}

Verdict verify_quietly(const net::RequestView& request, const Credentials& credentials,
                       SigningKeyCache& keys, base::Millis now) noexcept {
  try {
    Outcome outcome = verify_all(request, credentials, &keys, now,
                                 [&] { return sha256_hex_quickly(request.body); });
    if (outcome.refusal != Refusal::kNone) return {nullptr, outcome.refusal};
    return {std::move(outcome.key), Refusal::kNone};
  } catch (...) {
    // Only memory can run out here: whoever cannot be verified is not let in.
    return {nullptr, Refusal::kWrongSignature};
  }
}

}  // namespace slipway::wire
