#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "iam/iam.h"
#include "images/registry_parts.h"

namespace slipway::images {
namespace {

constexpr std::size_t kPage = 10'000;

net::Response error_response(const std::string& code, const std::string& message, int status,
                             const Json& detail) {
  Json error{{"code", code}, {"message", message}};
  if (!detail.is_null()) error["detail"] = detail;
  net::Response response = json_response(Json{{"errors", Json::array({error})}});
  response.status = status;
  return response;
}

// The specification's name for an error of another room.
std::string code_of(const Error& error) {
  constexpr std::array kCodes{"BLOB_UNKNOWN",
                              "BLOB_UPLOAD_INVALID",
                              "BLOB_UPLOAD_UNKNOWN",
                              "DIGEST_INVALID",
                              "MANIFEST_BLOB_UNKNOWN",
                              "MANIFEST_INVALID",
                              "MANIFEST_UNKNOWN",
                              "NAME_INVALID",
                              "NAME_UNKNOWN",
                              "SIZE_INVALID",
                              "UNAUTHORIZED",
                              "DENIED",
                              "UNSUPPORTED",
                              "TOOMANYREQUESTS",
                              "TAG_INVALID",
                              "RANGE_INVALID",
                              "PAGINATION_NUMBER_INVALID"};
  if (std::find(kCodes.begin(), kCodes.end(), error.code()) != kCodes.end()) return error.code();
  return error.status() == 413 ? "SIZE_INVALID" : "UNKNOWN";
}

std::optional<wire::Caller> caller_of(const iam::Iam& iam, const net::RequestHead& head) {
  const std::string_view header = head.headers.get("Authorization");
  const std::size_t space = header.find(' ');
  if (space == std::string_view::npos) {
    // The address that ECR's GetDownloadUrlForLayer gives carries its own permission.
    if (head.method != "GET" || route_of(head.path()).kind != RouteKind::kBlob) return std::nullopt;
    for (const auto& [name, value] : base::parse_query(head.query())) {
      if (name == "token") return iam.check_registry_login("AWS", value);
    }
    return std::nullopt;
  }
  const std::string_view scheme = header.substr(0, space);
  const std::string_view value = base::trim(header.substr(space + 1));
  if (base::equals_ignoring_case(scheme, "Bearer")) return iam.check_registry_login("AWS", value);
  if (!base::equals_ignoring_case(scheme, "Basic")) return std::nullopt;
  const auto text = base::from_base64(value);
  if (!text) return std::nullopt;
  const std::size_t colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return iam.check_registry_login(std::string_view(*text).substr(0, colon),
                                  std::string_view(*text).substr(colon + 1));
}

net::Response unauthorized() {
  net::Response response = error_response("UNAUTHORIZED", "authentication required", 401, nullptr);
  response.headers.set("WWW-Authenticate", "Basic realm=\"slipway\"");
  return response;
}

std::size_t page_size(const RegistryCall& call) {
  const auto text = call.parameter("n");
  if (!text) return kPage;
  const auto number = base::parse_integer(*text);
  if (!number || *number < 0) {
    throw Error("PAGINATION_NUMBER_INVALID", "invalid number of results requested", 400);
  }
  return std::min<std::size_t>(static_cast<std::size_t>(*number), kPage);
}

// Fills a page out of one more name than it has room for.
Json page_of(std::vector<std::string>& names, std::size_t size, const std::string& path,
             net::Response& response) {
  if (names.size() > size) {
    names.resize(size);
    if (!names.empty()) {
      response.headers.set("Link", "<" + path + "?n=" + std::to_string(size) + "&last=" +
                                       base::percent_encode(names.back()) + ">; rel=\"next\"");
    }
  }
  return names.empty() ? Json::array() : Json(names);
}

net::Response dispatch(const RegistryCall& call) {
  switch (call.route.kind) {
    case RouteKind::kNone:
      throw Error("UNSUPPORTED", "no such address", 404);
    case RouteKind::kBase:
      return json_response(Json::object());
    case RouteKind::kCatalog:
      return handle_catalog(call);
    case RouteKind::kTags:
      return handle_tags(call);
    case RouteKind::kManifest:
      return handle_manifest(call);
    case RouteKind::kBlob:
      return handle_blob(call);
    case RouteKind::kUploads:
      return handle_uploads(call);
    case RouteKind::kUpload:
      return handle_upload(call);
    case RouteKind::kReferrers:
      return handle_referrers(call);
  }
  throw_unsupported();
}

void finish(const net::Request& request, net::Response& response) {
  response.headers.set("Docker-Distribution-API-Version", "registry/2.0");
  auto* text = std::get_if<std::string>(&response.body);
  if (request.method != "HEAD" || text == nullptr || response.content_length) return;
  response.content_length = text->size();
  text->clear();
}

}  // namespace

std::optional<std::string> RegistryCall::parameter(std::string_view name) const {
  for (const auto& [key_text, value] : query) {
    if (key_text == name) return value;
  }
  return std::nullopt;
}

void throw_unknown(const RegistryCall& call, const std::string& code, const std::string& message) {
  const bool there =
      call.state.database
          .read([&](store::Reader& reader) { return find_repository(reader, call.key); })
          .has_value();
  if (!there) {
    throw Error("NAME_UNKNOWN", "repository name not known to registry", 404,
                Json{{"name", call.key.name}});
  }
  throw Error(code, message, 404, Json{{"reference", call.route.reference}});
}

void throw_unsupported() { throw Error("UNSUPPORTED", "The operation is unsupported.", 405); }

net::Response json_response(const Json& body, std::string_view content_type) {
  return net::plain(200, base::dump_json(body), content_type);
}

net::Response handle_tags(const RegistryCall& call) {
  if (!call.is_read()) throw_unsupported();
  const std::size_t size = page_size(call);
  const std::string last = call.parameter("last").value_or("");
  const auto tags = call.state.database.read(
      [&](store::Reader& reader) { return list_tags(reader, call.key, last, size + 1); });
  if (tags.empty()) {
    const bool there =
        call.state.database
            .read([&](store::Reader& reader) { return find_repository(reader, call.key); })
            .has_value();
    if (!there) throw_unknown(call, "NAME_UNKNOWN", "repository name not known to registry");
  }
  std::vector<std::string> names;
  for (const Tag& tag : tags) names.push_back(tag.name);
  net::Response response;
  const Json page = page_of(names, size, "/v2/" + call.key.name + "/tags/list", response);
  net::Response filled = json_response(Json{{"name", call.key.name}, {"tags", page}});
  for (const auto& [name, value] : response.headers) filled.headers.set(name, value);
  return filled;
}

net::Response handle_catalog(const RegistryCall& call) {
  if (!call.is_read()) throw_unsupported();
  const std::size_t size = page_size(call);
  const std::string last = call.parameter("last").value_or("");
  const auto found = call.state.database.read([&](store::Reader& reader) {
    return list_repositories(reader, call.key.account, last, size + 1);
  });
  std::vector<std::string> names;
  for (const Repository& repository : found) names.push_back(repository.name);
  net::Response response;
  const Json page = page_of(names, size, "/v2/_catalog", response);
  net::Response filled = json_response(Json{{"repositories", page}});
  for (const auto& [name, value] : response.headers) filled.headers.set(name, value);
  return filled;
}

net::Response handle_referrers(const RegistryCall& call) {
  if (!call.is_read()) throw_unsupported();
  if (!is_digest(call.route.reference)) {
    throw Error("DIGEST_INVALID", "provided digest is not a sha256 digest", 400);
  }
  const auto wanted = call.parameter("artifactType");
  const auto manifests = call.state.database.read([&](store::Reader& reader) {
    return list_referrers(reader, call.key, call.route.reference);
  });
  Json descriptors = Json::array();
  for (const Manifest& manifest : manifests) {
    if (wanted && manifest.artifact_type != *wanted) continue;
    Json descriptor{
        {"mediaType", manifest.media_type}, {"digest", manifest.digest}, {"size", manifest.size}};
    if (!manifest.artifact_type.empty()) descriptor["artifactType"] = manifest.artifact_type;
    if (!manifest.annotations.empty()) descriptor["annotations"] = manifest.annotations;
    descriptors.push_back(std::move(descriptor));
  }
  net::Response response = json_response(
      Json{{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", descriptors}}, kOciIndex);
  if (wanted) response.headers.set("OCI-Filters-Applied", "artifactType");
  return response;
}

Registry::Registry(Images& images, const iam::Iam& iam) : images_(images), iam_(iam) {}

std::optional<net::Response> Registry::admit(const net::RequestHead& head) const {
  if (caller_of(iam_, head)) return std::nullopt;
  return unauthorized();
}

net::Response Registry::handle(const net::Request& request) {
  const auto caller = caller_of(iam_, request);
  net::Response response = unauthorized();
  if (caller) {
    try {
      const std::string path = base::percent_decode(request.path());
      RegistryCall call{images_.state(),
                        request,
                        {caller->account, ""},
                        route_of(path),
                        base::parse_query(request.query())};
      call.key.name = call.route.repository;
      const bool names_one = call.route.kind != RouteKind::kNone &&
                             call.route.kind != RouteKind::kBase &&
                             call.route.kind != RouteKind::kCatalog;
      if (names_one && !is_repository_name(call.key.name)) {
        throw Error("NAME_INVALID", "invalid repository name", 400, Json{{"name", call.key.name}});
      }
      response = dispatch(call);
    } catch (const Error& error) {
      // What the client cannot know about is the session's to log and to answer.
      if (error.status() >= 500 && error.status() != 507) throw;
      response = error_response(code_of(error), error.message(), error.status(), error.detail());
    }
  }
  finish(request, response);
  return response;
}

}  // namespace slipway::images
