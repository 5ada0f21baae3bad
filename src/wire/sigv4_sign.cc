#include <algorithm>

#include "base/strings.h"
#include "wire/sigv4.h"
#include "wire/sigv4_canonical.h"
#include "wire/sigv4_keys.h"

namespace slipway::wire {
namespace {

constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string credential_of(const SigningKey& key, std::string_view scope) {
  return key.access_key + "/" + std::string(scope);
}

std::string scope_of(const std::string& time, std::string_view region, std::string_view service) {
  return time.substr(0, 8) + "/" + std::string(region) + "/" + std::string(service) +
         "/aws4_request";
}

std::string signature_of(const net::RequestHead& head, const SigningKey& key,
                         const std::vector<std::string>& signed_headers,
                         std::string_view payload_sha256, const std::string& time,
                         std::string_view region, std::string_view service) {
  const std::string canonical =
      canonical_request(head, signed_headers, payload_sha256, path_style_of(service));
  const HmacSha256 mac(derive_key(key.secret, time.substr(0, 8), region, service));
  const auto text =
      as_hex(mac.of(string_to_sign(time, scope_of(time, region, service), canonical)));
  return {text.data(), text.size()};
}

}  // namespace

void sign(net::RequestHead& head, const SigningKey& key, std::string_view region,
          std::string_view service, std::string_view payload_sha256, base::Millis now) {
  const std::string time = base::basic_time(now);
  if (!key.session_token.empty()) head.headers.set("X-Amz-Security-Token", key.session_token);
  head.headers.set("X-Amz-Date", time);
  head.headers.set("X-Amz-Content-Sha256", std::string(payload_sha256));
  std::vector<std::string> names;
  for (const auto& [name, value] : head.headers) {
    const std::string lower = base::lower(name);
    // What proxies and HTTP libraries rewrite cannot be covered.
    if (lower != "authorization" && lower != "connection" && lower != "expect" &&
        lower != "user-agent" && lower != "transfer-encoding" && lower != "content-length")
      names.push_back(lower);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const std::string signature =
      signature_of(head, key, names, payload_sha256, time, region, service);
  head.headers.set(
      "Authorization",
      "AWS4-HMAC-SHA256 Credential=" + credential_of(key, scope_of(time, region, service)) +
          ", SignedHeaders=" + base::join(names, ";") + ", Signature=" + signature);
}

void presign(net::RequestHead& head, const SigningKey& key, std::string_view region,
             std::string_view service, std::chrono::seconds lifetime, base::Millis now) {
  const std::string time = base::basic_time(now);
  const std::string credential = key.access_key + "/" + time.substr(0, 8) + "/" +
                                 std::string(region) + "/" + std::string(service) + "/aws4_request";
  head.target += head.target.find('?') == std::string::npos ? '?' : '&';
  head.target += "X-Amz-Algorithm=" + std::string("AWS4-HMAC-SHA256") +
                 "&X-Amz-Credential=" + base::percent_encode(credential) + "&X-Amz-Date=" + time +
                 "&X-Amz-SignedHeaders=host&X-Amz-Expires=" + std::to_string(lifetime.count());
  if (!key.session_token.empty())
    head.target += "&X-Amz-Security-Token=" + base::percent_encode(key.session_token);
  const std::string_view payload =
      service == "s3" ? std::string_view("UNSIGNED-PAYLOAD") : kEmptySha256;
  head.target +=
      "&X-Amz-Signature=" + signature_of(head, key, {"host"}, payload, time, region, service);
}

}  // namespace slipway::wire
