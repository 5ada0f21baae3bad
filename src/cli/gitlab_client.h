#pragma once

// GitLab's REST API as the command line uses it: of this server, or of any GitLab.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "net/client.h"

namespace slipway::cli {

// Not thread-safe. Calls throw Error with GitLab's message and status where the server refuses.
class GitlabClient {
 public:
  GitlabClient(std::string url, std::string token);
  // GITLAB_URL (else AWS_ENDPOINT_URL) with GITLAB_TOKEN, or the server of the data directory with
  // its token file. Throws Error with the next step where neither is there.
  static GitlabClient open(const Globals& globals);

  const std::string& url() const { return url_; }
  const std::string& token() const { return token_; }

  // `path` after /api/v4: "/projects/1/jobs?per_page=100". Null where `absent_is_null` and 404.
  Json get(const std::string& path);
  std::optional<Json> find(const std::string& path);
  // Every page of a list.
  std::vector<Json> all(const std::string& path);
  Json post(const std::string& path, const Json& body = Json::object());
  Json put(const std::string& path, const Json& body);
  std::string text(const std::string& path);

  // A project's id in a path: "health%2Ftumour".
  static std::string project(const std::string& full_path);

 private:
  net::ClientResponse send(const std::string& method, const std::string& path, const Json* body);

  const std::string url_;
  const std::string token_;
  net::Client http_;
};

}  // namespace slipway::cli
