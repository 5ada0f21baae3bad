#include "images/registry_client.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "images/decide.h"

namespace slipway::images {
namespace {

constexpr std::chrono::hours kTransfer{2};
constexpr int kTagPages = 1000;

std::string blob_path(const std::string& repository, const std::string& digest) {
  return "/v2/" + repository + "/blobs/" + digest;
}

std::string manifest_path(const std::string& repository, const std::string& reference) {
  return "/v2/" + repository + "/manifests/" + reference;
}

std::string authorization_of(const std::string& user, const std::string& password) {
  return user.empty() ? "" : "Basic " + base::base64(user + ":" + password);
}

}  // namespace

RegistryClient::RegistryClient(net::Client& client, std::string url, const std::string& user,
                               const std::string& password)
    : client_(client),
      url_(url.ends_with('/') ? url.substr(0, url.size() - 1) : std::move(url)),
      authorization_(authorization_of(user, password)) {}

std::string RegistryClient::absolute(const std::string& location) const {
  return location.starts_with('/') ? url_ + location : location;
}

net::ClientRequest RegistryClient::request(const std::string& method,
                                           const std::string& path) const {
  net::ClientRequest request;
  request.method = method;
  request.url = absolute(path);
  // The credentials are for this registry alone, wherever a Location may point.
  if (!authorization_.empty() && request.url.starts_with(url_ + "/")) {
    request.headers.set("Authorization", authorization_);
  }
  return request;
}

net::ClientResponse RegistryClient::send(const net::ClientRequest& request) {
  net::ClientResponse response = client_.send(request);
  if (response.status == 401) refuse(request, response);
  return response;
}

void RegistryClient::refuse(const net::ClientRequest& request,
                            const net::ClientResponse& response) {
  std::string why = std::to_string(response.status);
  const Json answer = base::try_parse_json(response.body).value_or(Json::object());
  if (answer.is_object()) {
    for (const Json& error : base::array_or_empty(answer, "errors")) {
      why += " " + base::text_or(error, "code") + ": " + base::text_or(error, "message");
    }
  }
  throw Error("RegistryError",
              "The registry refused " + request.method + " " + request.url + " with " + why);
}

bool RegistryClient::has_blob(const std::string& repository, const std::string& digest) {
  const auto asked = request("HEAD", blob_path(repository, digest));
  const auto response = send(asked);
  if (response.status == 404) return false;
  if (response.status != 200) refuse(asked, response);
  return true;
}

void RegistryClient::push_blob(const std::string& repository, const std::string& digest,
                               const std::filesystem::path& file, const std::string& mount_from) {
  net::ClientRequest content;
  content.body_file = file;
  upload(repository, digest, mount_from, std::move(content));
}

void RegistryClient::push_bytes(const std::string& repository, const std::string& digest,
                                const std::string& bytes) {
  net::ClientRequest content;
  content.body = bytes;
  upload(repository, digest, "", std::move(content));
}

void RegistryClient::upload(const std::string& repository, const std::string& digest,
                            const std::string& mount_from, net::ClientRequest content) {
  if (has_blob(repository, digest)) return;
  std::string path = "/v2/" + repository + "/blobs/uploads/";
  if (!mount_from.empty() && mount_from != repository) {
    path += "?mount=" + base::percent_encode(digest) + "&from=" + base::percent_encode(mount_from);
  }
  const auto start = request("POST", path);
  const auto started = send(start);
  if (started.status == 201) return;
  if (started.status != 202) refuse(start, started);
  std::string location(started.headers.get("Location"));
  location += location.find('?') == std::string::npos ? '?' : '&';
  auto put = request("PUT", location + "digest=" + base::percent_encode(digest));
  put.headers.set("Content-Type", "application/octet-stream");
  put.body = std::move(content.body);
  put.body_file = std::move(content.body_file);
  put.timeout = kTransfer;
  const auto uploaded = send(put);
  if (uploaded.status != 201) refuse(put, uploaded);
}

void RegistryClient::pull_blob(const std::string& repository, const std::string& digest,
                               const std::filesystem::path& file) {
  auto asked = request("GET", blob_path(repository, digest));
  asked.response_file = file;
  asked.timeout = kTransfer;
  auto response = send(asked);
  // A store behind the registry may hold the blob; it gets no credentials of ours.
  if (response.status == 302 || response.status == 307) {
    asked = request("GET", std::string(response.headers.get("Location")));
    asked.response_file = file;
    asked.timeout = kTransfer;
    response = client_.send(asked);
  }
  if (response.status != 200) {
    std::filesystem::remove(file);
    refuse(asked, response);
  }
  if ("sha256:" + base::sha256_hex_of_file(file) != digest) {
    std::filesystem::remove(file);
    throw Error("RegistryError", "The registry sent other bytes than " + digest + ".");
  }
}

std::optional<FetchedManifest> RegistryClient::get_manifest(const std::string& repository,
                                                            const std::string& reference) {
  auto asked = request("GET", manifest_path(repository, reference));
  asked.headers.set("Accept", std::string(kOciManifest) + ", " + kOciIndex + ", " +
                                  kDockerManifest + ", " + kDockerList);
  auto response = send(asked);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) refuse(asked, response);
  FetchedManifest result;
  result.digest = "sha256:" + base::sha256_hex(response.body);
  if (is_digest(reference) && reference != result.digest) {
    throw Error("RegistryError", "The registry sent another manifest than " + reference + ".");
  }
  result.media_type =
      parse_manifest(response.body, response.headers.get("Content-Type")).media_type;
  result.content = std::move(response.body);
  return result;
}

std::string RegistryClient::put_manifest(const std::string& repository,
                                         const std::string& reference,
                                         const std::string& media_type,
                                         const std::string& content) {
  auto asked = request("PUT", manifest_path(repository, reference));
  asked.headers.set("Content-Type", media_type);
  asked.body = content;
  const auto response = send(asked);
  if (response.status != 201) refuse(asked, response);
  return "sha256:" + base::sha256_hex(content);
}

std::vector<std::string> RegistryClient::tags(const std::string& repository) {
  std::vector<std::string> result;
  std::string path = "/v2/" + repository + "/tags/list?n=1000";
  for (int page = 0; page < kTagPages; ++page) {
    const auto asked = request("GET", path);
    const auto response = send(asked);
    if (response.status == 404) return result;
    if (response.status != 200) refuse(asked, response);
    const Json list = base::parse_json(response.body, "the registry's list of tags");
    for (const Json& tag : base::array_or_empty(list, "tags")) result.push_back(tag);
    const std::string link(response.headers.get("Link"));
    const std::size_t end = link.find('>');
    if (!link.starts_with('<') || end == std::string::npos) return result;
    path = link.substr(1, end - 1);
  }
  return result;
}

std::string RegistryClient::manifest_digest(const std::string& repository,
                                            const std::string& reference) {
  const auto found = get_manifest(repository, reference);
  if (!found) throw Error("RegistryError", "There is no image " + repository + ":" + reference);
  return found->digest;
}

FetchedManifest RegistryClient::image_manifest(const std::string& repository,
                                               const std::string& reference) {
  auto found = get_manifest(repository, reference);
  if (found && (found->media_type == kOciIndex || found->media_type == kDockerList)) {
    const auto chosen =
        choose_platform(base::parse_json(found->content, "image index"), native_architecture());
    found = chosen ? get_manifest(repository, *chosen) : std::nullopt;
  }
  if (!found) {
    throw Error("RegistryError", "There is no image " + repository + ":" + reference +
                                     " for linux/" + std::string(native_architecture()));
  }
  return *found;
}

Json RegistryClient::image_config(const std::string& repository, const std::string& reference) {
  const FetchedManifest manifest = image_manifest(repository, reference);
  const ParsedManifest parsed = parse_manifest(manifest.content, manifest.media_type);
  if (parsed.blobs.empty()) {
    throw Error("RegistryError", repository + ":" + reference + " is not a single image");
  }
  const auto asked = request("GET", blob_path(repository, parsed.blobs.front().digest));
  const auto response = send(asked);
  if (response.status != 200) refuse(asked, response);
  return base::parse_json(response.body, "the image's configuration");
}

}  // namespace slipway::images
