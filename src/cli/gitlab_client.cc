#include "cli/gitlab_client.h"

#include <cstdlib>

#include "app/app.h"
#include "base/error.h"
#include "base/strings.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// {"path": ["is too long", …]} -> "path is too long, …"
std::string text_of(const Json& message) {
  if (message.is_string()) return message.get<std::string>();
  if (!message.is_object()) return base::dump_json(message);
  std::vector<std::string> parts;
  for (const auto& [name, reasons] : message.items()) {
    std::vector<std::string> texts;
    for (const Json& reason : reasons.is_array() ? reasons : Json::array({reasons}))
      texts.push_back(reason.is_string() ? reason.get<std::string>() : base::dump_json(reason));
    parts.push_back(name + " " + base::join(texts, ", "));
  }
  return base::join(parts, "; ");
}

std::string message_of(const net::ClientResponse& response) {
  const auto body = base::try_parse_json(response.body);
  if (!body || !body->is_object()) return std::string(base::utf8_prefix(response.body, 300));
  for (const char* member : {"message", "error"}) {
    if (!body->contains(member)) continue;
    return text_of((*body)[member]);
  }
  return base::dump_json(*body);
}

}  // namespace

GitlabClient::GitlabClient(std::string url, std::string token)
    : url_(std::move(url)), token_(std::move(token)) {}

GitlabClient GitlabClient::open(const Globals& globals) {
  std::string url = environment("GITLAB_URL");
  std::string token = environment("GITLAB_TOKEN");
  if (url.empty() && !token.empty()) url = environment("AWS_ENDPOINT_URL");
  if (url.empty()) {
    url = app::read_server_file(globals.data).endpoint;
    if (token.empty())
      token = std::string(base::trim(store::read_file(globals.data / "gitlab-token", 4096)));
  }
  if (token.empty())
    throw Error("NoToken",
                "GITLAB_URL is set but GITLAB_TOKEN is not; on the server's machine run: eval "
                "\"$(slipway env)\"");
  while (url.ends_with('/')) url.pop_back();
  return {url, token};
}

std::string GitlabClient::project(const std::string& full_path) {
  return base::percent_encode(full_path);
}

net::ClientResponse GitlabClient::send(const std::string& method, const std::string& path,
                                       const Json* body) {
  net::ClientRequest request;
  request.method = method;
  request.url = url_ + "/api/v4" + path;
  request.headers.set("PRIVATE-TOKEN", token_);
  if (body != nullptr) {
    request.body = base::dump_json(*body);
    request.headers.set("Content-Type", "application/json");
  }
  return http_.send(request);
}

std::optional<Json> GitlabClient::find(const std::string& path) {
  const net::ClientResponse response = send("GET", path, nullptr);
  if (response.status == 404) return std::nullopt;
  if (response.status >= 300) throw Error("GitlabError", message_of(response), response.status);
  return base::parse_json(response.body, path);
}

Json GitlabClient::get(const std::string& path) {
  auto found = find(path);
  if (!found) throw Error("NotFound", "404 Not Found: " + path, 404);
  return std::move(*found);
}

std::vector<Json> GitlabClient::all(const std::string& path) {
  std::vector<Json> items;
  const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
  std::string page = "1";
  for (int count = 0; !page.empty() && count < 1000; ++count) {
    const net::ClientResponse response =
        send("GET", path + separator + "per_page=100&page=" + page, nullptr);
    if (response.status >= 300) throw Error("GitlabError", message_of(response), response.status);
    Json list = base::parse_json(response.body, path);
    for (Json& item : list) items.push_back(std::move(item));
    page = std::string(response.headers.get("X-Next-Page"));
  }
  return items;
}

Json GitlabClient::post(const std::string& path, const Json& body) {
  const net::ClientResponse response = send("POST", path, &body);
  if (response.status >= 300) throw Error("GitlabError", message_of(response), response.status);
  return base::try_parse_json(response.body).value_or(Json::object());
}

Json GitlabClient::put(const std::string& path, const Json& body) {
  const net::ClientResponse response = send("PUT", path, &body);
  if (response.status >= 300) throw Error("GitlabError", message_of(response), response.status);
  return base::try_parse_json(response.body).value_or(Json::object());
}

std::string GitlabClient::text(const std::string& path) {
  net::ClientResponse response = send("GET", path, nullptr);
  if (response.status >= 300) throw Error("GitlabError", message_of(response), response.status);
  return std::move(response.body);
}

}  // namespace slipway::cli
