#include "wire/sigv2.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// The parameters that name what is asked for, and are therefore signed: botocore's list, because
// its URLs are the ones that people still make.
constexpr std::array<std::string_view, 35> kSigned{
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};

std::string hmac_sha1(const std::string& key, const std::string& text) {
  std::string block = key.size() > 64 ? base::digest(base::Algorithm::kSha1, key) : key;
  block.resize(64, '\0');
  std::string inner = block;
  std::string outer = block;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  return base::digest(base::Algorithm::kSha1,
                      outer + base::digest(base::Algorithm::kSha1, inner + text));
}

std::string value_of(const Pairs& query, std::string_view name) {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return {};
}

// A header, or the parameter that a signer put in its place.
std::string header_or_parameter(const net::RequestHead& head, const Pairs& query,
                                std::string_view name) {
  const auto header = head.headers.find(name);
  return header ? std::string(*header) : value_of(query, name);
}

std::string amazon_headers(const net::RequestHead& head, const Pairs& query) {
  std::map<std::string, std::string> values;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!name.starts_with("x-amz-")) return;
    std::string& place = values[name];
    if (!place.empty()) place += ',';
    place += base::trim(value);
  };
  for (const auto& [name, value] : head.headers) add(base::lower(name), value);
  for (const auto& [name, value] : query)
    if (!head.headers.has(name)) add(name, value);
  std::string text;
  for (const auto& [name, value] : values) text += name + ":" + value + "\n";
  return text;
}

std::string resource(std::string_view path, const Pairs& query) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : query)
    if (std::find(kSigned.begin(), kSigned.end(), name) != kSigned.end())
      parts.push_back(value.empty() ? name : name + "=" + value);
  std::sort(parts.begin(), parts.end());
  return std::string(path) + (parts.empty() ? "" : "?" + base::join(parts, "&"));
}

[[noreturn]] void refuse(Refusal refusal) {
  throw Error(std::string(code_of(refusal)), std::string(message_of(refusal)), 403);
}

}  // namespace

bool is_sigv2_url(const net::RequestHead& head) noexcept {
  const std::string_view query = head.query();
  return query.find("AWSAccessKeyId=") != std::string_view::npos &&
         query.find("X-Amz-Credential=") == std::string_view::npos;
}

Verified verify_sigv2_url(const net::RequestHead& head, std::string_view path,
                          const Credentials& credentials, base::Millis now) {
  const Pairs query = base::parse_query(head.query());
  const std::string expires = value_of(query, "Expires");
  const auto end = base::parse_integer(expires);
  if (!end || *end < 0) refuse(Refusal::kIncomplete);
  const std::string access_key = value_of(query, "AWSAccessKeyId");
  const auto key = credentials.share(access_key);
  if (!key) refuse(Refusal::kUnknownKey);
  const std::string text = head.method + "\n" + header_or_parameter(head, query, "content-md5") +
                           "\n" + header_or_parameter(head, query, "content-type") + "\n" +
                           expires + "\n" + amazon_headers(head, query);
  const std::string signature = value_of(query, "Signature");
  const auto fits = [&](const std::string& signed_path) {
    const std::string all = text + resource(signed_path, query);
    return base::equals_in_constant_time(base::base64(hmac_sha1(key->secret, all)), signature);
  };
  // botocore signs "/bucket/" for a bucket and then asks for "/bucket".
  const bool bucket_only = path.size() > 1 && path.find('/', 1) == std::string_view::npos;
  if (!fits(std::string(path)) && !(bucket_only && fits(std::string(path) + "/")))
    refuse(Refusal::kWrongSignature);
  const std::string token = header_or_parameter(head, query, "x-amz-security-token");
  if (!base::equals_in_constant_time(token, key->session_token)) refuse(Refusal::kWrongToken);
  if (key->expires != 0 && now >= key->expires) refuse(Refusal::kExpiredToken);
  if (now / 1000 > *end) refuse(Refusal::kExpiredUrl);

  Claim claim;
  claim.access_key = access_key;
  claim.service = "s3";
  claim.payload_sha256 = "UNSIGNED-PAYLOAD";
  claim.presigned = true;
  claim.session_token = token;
  return {key->caller, std::move(claim), {}};
}

}  // namespace slipway::wire
