#include "wire/sigv4_claim.h"

#include <algorithm>

#include "base/strings.h"

namespace slipway::wire {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::int64_t kLongestLifetime = 7 * 24 * 3600;  // seconds

bool read_credential(std::string_view text, ClaimView& claim) {
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

bool read_signed_headers(std::string_view text, ClaimView& claim) {
  bool has_host = false;
  while (!text.empty()) {
    if (claim.signed_count == claim.signed_headers.size()) return false;
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view name = text.substr(0, end);
    claim.signed_headers[claim.signed_count++] = name;
    has_host = has_host || name == "host";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return has_host;
}

Refusal parse_header(const net::RequestView& request, std::string_view authorization,
                     ClaimView& claim) {
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
  if (!complete || seen != 7) return Refusal::kIncomplete;
  claim.time = request.header("x-amz-date");
  if (claim.time.empty()) {
    const auto date = base::parse_http_date(request.header("date"));
    if (!date) return Refusal::kIncomplete;
    claim.storage.push_back(base::basic_time(*date));
    claim.time = claim.storage.back();
  }
  claim.payload_sha256 = request.header("x-amz-content-sha256");
  claim.session_token = request.header("x-amz-security-token");
  return Refusal::kNone;
}

Refusal parse_query(const net::RequestView& request, std::string_view query, ClaimView& claim) {
  claim.presigned = true;
  const auto pairs = base::parse_query(query);
  claim.storage.reserve(pairs.size() + 1);  // so that no view moves
  const auto value_of = [&](std::string_view name) -> std::string_view {
    for (const auto& [key, value] : pairs)
      if (key == name) return claim.storage.emplace_back(value);
    return {};
  };
  if (value_of("X-Amz-Algorithm") != kAlgorithm) return Refusal::kIncomplete;
  if (!read_credential(value_of("X-Amz-Credential"), claim)) return Refusal::kIncomplete;
  if (!read_signed_headers(value_of("X-Amz-SignedHeaders"), claim)) return Refusal::kIncomplete;
  const auto lifetime = base::parse_integer(value_of("X-Amz-Expires"));
  if (!lifetime || *lifetime < 1 || *lifetime > kLongestLifetime) return Refusal::kIncomplete;
  claim.lifetime = std::chrono::seconds(*lifetime);
  claim.signature = value_of("X-Amz-Signature");
  claim.time = value_of("X-Amz-Date");
  claim.session_token = value_of("X-Amz-Security-Token");
  claim.payload_sha256 = value_of("X-Amz-Content-Sha256");
  if (claim.payload_sha256.empty()) claim.payload_sha256 = request.header("x-amz-content-sha256");
  if (claim.payload_sha256.empty() && claim.service == "s3")
    claim.payload_sha256 = "UNSIGNED-PAYLOAD";
  return Refusal::kNone;
}

}  // namespace

Refusal parse_claim(const net::RequestView& request, ClaimView& claim) {
  const std::string_view authorization = request.header("authorization");
  if (authorization.starts_with(kAlgorithm)) return parse_header(request, authorization, claim);
  const std::size_t mark = request.target.find('?');
  if (mark != std::string_view::npos) {
    const std::string_view query = request.target.substr(mark + 1);
    if (query.find("X-Amz-Signature=") != std::string_view::npos ||
        query.find("X-Amz-Credential=") != std::string_view::npos)
      return parse_query(request, query, claim);
  }
  return Refusal::kMissing;
}

Claim ClaimView::copy() const {
  Claim claim;
  claim.access_key = access_key;
  claim.date = date;
  claim.region = region;
  claim.service = service;
  claim.signed_headers.assign(signed_headers.begin(), signed_headers.begin() + signed_count);
  claim.signature = signature;
  claim.time = time;
  claim.payload_sha256 = payload_sha256;
  claim.presigned = presigned;
  claim.lifetime = lifetime;
  claim.session_token = session_token;
  return claim;
}

}  // namespace slipway::wire
