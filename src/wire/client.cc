#include "wire/client.h"

#include <array>
#include <thread>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

struct Target {
  std::string_view service;
  std::string_view prefix;
};
// "targetPrefix" of the service models.
constexpr std::array<Target, 3> kTargets{{
    {"sagemaker", "SageMaker"},
    {"ecr", "AmazonEC2ContainerRegistry_V20150921"},
    {"logs", "Logs_20140328"},
}};

std::string_view target_prefix(std::string_view service) {
  for (const Target& target : kTargets)
    if (target.service == service) return target.prefix;
  base::throw_internal("no JSON target for service " + std::string(service));
}

bool worth_repeating(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503;
}

// The text of the first element of that name.
std::string element(const std::string& xml, const std::string& name) {
  const std::string open = "<" + name + ">";
  const auto from = xml.find(open);
  if (from == std::string::npos) return "";
  const auto to = xml.find("</" + name + ">", from);
  if (to == std::string::npos) return "";
  return xml.substr(from + open.size(), to - from - open.size());
}

// Error bodies of the JSON protocols, REST-JSON and S3's XML.
Error error_of(const net::ClientResponse& response) {
  if (auto json = base::try_parse_json(response.body); json && json->is_object()) {
    std::string code = base::text_or(*json, "__type", response.headers.get("x-amzn-ErrorType"));
    if (const auto hash = code.rfind('#'); hash != std::string::npos) code.erase(0, hash + 1);
    if (const auto colon = code.find(':'); colon != std::string::npos) code.erase(colon);
    std::string message = base::text_or(*json, "message");
    if (message.empty()) message = base::text_or(*json, "Message");
    return Error(code.empty() ? "UnknownError" : code, message, response.status);
  }
  std::string code = element(response.body, "Code");
  if (code.empty()) code = std::to_string(response.status);
  std::string message = element(response.body, "Message");
  if (message.empty()) message = std::string(base::utf8_prefix(base::trim(response.body), 300));
  return Error(code, message, response.status);
}

}  // namespace

ServiceClient::ServiceClient(net::Client& http, const base::Clock& clock, ClientOptions options)
    : http_(http), clock_(clock), options_(std::move(options)) {}

net::ClientResponse ServiceClient::send(std::string_view service, net::ClientRequest request,
                                        const std::string& payload_sha256) {
  const std::string path = request.url;
  const std::string host = options_.endpoint.substr(options_.endpoint.find("://") + 3);
  std::chrono::milliseconds pause{200};
  for (int attempt = 1;; ++attempt) {
    // Signed anew each time: a signature grows old while we wait.
    net::RequestHead head;
    head.method = request.method;
    head.target = path;
    head.headers = request.headers;
    head.headers.set("Host", host);
    sign(head, options_.key, options_.region, service, payload_sha256, clock_.now());
    net::ClientRequest signed_request = request;
    signed_request.url = options_.endpoint + path;
    signed_request.headers = head.headers;
    const bool last = attempt >= options_.attempts;
    try {
      net::ClientResponse response = http_.send(signed_request);
      if (last || !worth_repeating(response.status)) return response;
    } catch (const Error&) {
      if (last) throw;
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

Json ServiceClient::call(std::string_view service, std::string_view operation, const Json& input) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = "/";
  request.body = base::dump_json(input);
  request.headers.set("Content-Type", "application/x-amz-json-1.1");
  request.headers.set("X-Amz-Target",
                      std::string(target_prefix(service)) + "." + std::string(operation));
  const std::string sha = base::sha256_hex(request.body);
  const net::ClientResponse response = send(service, std::move(request), sha);
  if (response.status != 200) throw error_of(response);
  if (response.body.empty()) return Json::object();
  return base::parse_json(response.body, std::string(operation) + "'s answer");
}

std::optional<Json> ServiceClient::call_if_exists(std::string_view service,
                                                  std::string_view operation, const Json& input,
                                                  std::string_view absent) {
  try {
    return call(service, operation, input);
  } catch (const Error& error) {
    if (error.message().find(absent) != std::string::npos) return std::nullopt;
    throw;
  }
}

Json ServiceClient::call_path(std::string_view service, const std::string& method,
                              const std::string& path, const Json& input) {
  net::ClientRequest request;
  request.method = method;
  request.url = path;
  if (!input.is_null()) {
    request.body = base::dump_json(input);
    request.headers.set("Content-Type", "application/json");
  }
  const std::string sha = base::sha256_hex(request.body);
  const net::ClientResponse response = send(service, std::move(request), sha);
  if (response.status >= 300) throw error_of(response);
  if (response.body.empty()) return Json::object();
  return base::parse_json(response.body, path);
}

std::string ServiceClient::account() {
  net::ClientRequest request;
  request.method = "POST";
  request.url = "/";
  request.body = "Action=GetCallerIdentity&Version=2011-06-15";
  request.headers.set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  const std::string sha = base::sha256_hex(request.body);
  const net::ClientResponse response = send("sts", std::move(request), sha);
  if (response.status != 200) throw error_of(response);
  return element(response.body, "Account");
}

net::ClientResponse ServiceClient::s3(const std::string& method, const std::string& bucket,
                                      const std::string& key, std::string body,
                                      const std::optional<std::filesystem::path>& file) {
  net::ClientRequest request;
  request.method = method;
  request.url = "/" + bucket;
  if (!key.empty()) request.url += "/" + base::percent_encode(key, base::Slash::kKeep);
  const std::string sha = file ? base::sha256_hex_of_file(*file) : base::sha256_hex(body);
  request.body = std::move(body);
  request.body_file = file;
  request.timeout = std::chrono::minutes(30);
  return send("s3", std::move(request), sha);
}

void ServiceClient::ensure_bucket(const std::string& bucket) {
  const net::ClientResponse response = s3("PUT", bucket, "", "", std::nullopt);
  if (response.status == 200) return;
  const Error error = error_of(response);
  if (error.code() != "BucketAlreadyOwnedByYou") throw error;
}

void ServiceClient::put_object(const std::string& bucket, const std::string& key,
                               const std::filesystem::path& file) {
  const net::ClientResponse response = s3("PUT", bucket, key, "", file);
  if (response.status != 200) throw error_of(response);
}

void ServiceClient::put_object_bytes(const std::string& bucket, const std::string& key,
                                     std::string bytes) {
  const net::ClientResponse response = s3("PUT", bucket, key, std::move(bytes), std::nullopt);
  if (response.status != 200) throw error_of(response);
}

std::string ServiceClient::get_object(const std::string& bucket, const std::string& key) {
  net::ClientResponse response = s3("GET", bucket, key, "", std::nullopt);
  if (response.status != 200) throw error_of(response);
  return std::move(response.body);
}

bool ServiceClient::has_object(const std::string& bucket, const std::string& key) {
  const net::ClientResponse response = s3("HEAD", bucket, key, "", std::nullopt);
  if (response.status == 200) return true;
  if (response.status == 404) return false;
  throw Error(std::to_string(response.status), "cannot look for s3://" + bucket + "/" + key,
              response.status);
}

InvokeResult ServiceClient::invoke(const std::string& endpoint, std::string body,
                                   const std::string& content_type, const std::string& accept) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = "/endpoints/" + endpoint + "/invocations";
  request.headers.set("Content-Type", content_type);
  if (!accept.empty()) request.headers.set("Accept", accept);
  const std::string sha = base::sha256_hex(body);
  request.body = std::move(body);
  request.timeout = std::chrono::seconds(70);
  net::ClientResponse response = send("sagemaker", std::move(request), sha);
  InvokeResult result;
  result.status = response.status;
  result.content_type = response.headers.get("Content-Type");
  result.variant = response.headers.get("x-Amzn-Invoked-Production-Variant");
  result.body = std::move(response.body);
  return result;
}

}  // namespace slipway::wire
