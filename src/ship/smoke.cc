#include "ship/smoke.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "ship/zip.h"
#include "store/files.h"

namespace slipway::ship {
namespace {

// As base64 in a definition, of which there may be a MiB.
constexpr std::uint64_t kMostBytes = 256u << 10;

// Standard library only: the machine may have no boto3.
constexpr const char* kCode =
    R"py("""Sends a recorded request to an endpoint; an answer other than 200 is an error.

Event: {"EndpointName": …, "ContentType": …, "Body": base64}
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import os
import urllib.parse


class SmokeFailed(Exception):
    """The endpoint did not answer as it should; the message says how."""


def signed(method, host, path, payload, content_type):
    """Returns the headers of the request, signed with AWS Signature Version 4."""
    region = os.environ.get("AWS_REGION", "us-east-1")
    time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": content_type, "host": host, "x-amz-date": time,
               "x-amz-content-sha256": hashlib.sha256(payload).hexdigest()}
    if os.environ.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = os.environ["AWS_SESSION_TOKEN"]
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, path, "", lines, names, headers["x-amz-content-sha256"]])
    scope = f"{time[:8]}/{region}/sagemaker/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, digest])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}")
    return headers


def handler(event, _context):
    """Returns the beginning of the answer."""
    region = os.environ.get("AWS_REGION", "us-east-1")
    address = os.environ.get("AWS_ENDPOINT_URL") or f"https://runtime.sagemaker.{region}.amazonaws.com"
    url = urllib.parse.urlsplit(address)
    path = f"/endpoints/{event['EndpointName']}/invocations"
    body = base64.b64decode(event["Body"])
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=75)
    try:
        headers = signed("POST", url.netloc, path, body, event["ContentType"])
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
    finally:
        connection.close()
    if answer.status != 200:
        raise SmokeFailed(f"endpoint {event['EndpointName']} answered the recorded request with "
                          f"{answer.status}: {text[:300]}")
    return {"answer": (text.splitlines() or [""])[0][:200]}
)py";

void ensure_function(wire::ServiceClient& services, const std::string& name,
                     const std::string& role) {
  try {
    services.call_path("lambda", "GET", "/2015-03-31/functions/" + name, nullptr);
    return;
  } catch (const Error& error) {
    if (error.status() != 404) throw;
  }
  try {
    services.call_path("lambda", "POST", "/2015-03-31/functions",
                       {{"FunctionName", name},
                        {"Runtime", "python3.11"},
                        {"Handler", "smoke.handler"},
                        {"Role", role},
                        {"Timeout", 90},
                        {"MemorySize", 128},
                        {"Description", "sends a recorded request to an endpoint"},
                        {"Code", {{"ZipFile", base::base64(zip_of({{"smoke.py", kCode}}))}}}});
  } catch (const Error& error) {
    if (error.status() != 409) throw;  // somebody else has just made it
  }
}

}  // namespace

std::optional<SmokeCheck> ensure_smoke_check(wire::ServiceClient& services, const ModelSpec& spec,
                                             const std::filesystem::path& source,
                                             const std::string& account, const std::string& role) {
  if (spec.smoke_request.empty()) return std::nullopt;
  const std::string whose = "slipway.yaml: 'smoke.request' names " + spec.smoke_request + ", ";
  const std::filesystem::path path = source / spec.smoke_request;
  if (!std::filesystem::is_regular_file(path))
    throw Error("InvalidSpecification", whose + "which is not in the commit");
  if (const auto size = std::filesystem::file_size(path); size > kMostBytes)
    throw Error("InvalidSpecification", whose + "which has " + std::to_string(size) +
                                            " bytes; at most " + std::to_string(kMostBytes) +
                                            " are sent");
  // Other code is another function: a pipeline that names the old one goes on with it.
  const std::string name = "slipway-smoke-" + base::sha256_hex(kCode).substr(0, 8);
  ensure_function(services, name, role);
  return SmokeCheck{
      "arn:aws:lambda:" + services.options().region + ":" + account + ":function:" + name,
      spec.smoke_content_type, store::read_file(path, kMostBytes)};
}

Json smoke_step(const SmokeCheck& check, const std::string& endpoint) {
  return {
      {"Name", "Smoke"},
      {"Type", "Lambda"},
      {"DependsOn", {"Endpoint"}},
      {"FunctionArn", check.function},
      {"Arguments",
       {{"EndpointName", endpoint},
        {"ContentType", check.content_type},
        {"Body", base::base64(check.body)}}},
      {"OutputParameters", Json::array({{{"OutputName", "answer"}, {"OutputType", "String"}}})}};
}

}  // namespace slipway::ship
