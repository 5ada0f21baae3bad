#include "cli/session.h"

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

// The [default] section of an AWS shared credentials file.
wire::SigningKey read_credentials(const std::filesystem::path& file) {
  wire::SigningKey key;
  bool in_default = false;
  for (const std::string& raw : base::split(store::read_file(file), '\n')) {
    const std::string_view line = base::trim(raw);
    if (line.starts_with('[')) in_default = line == "[default]";
    const auto equals = line.find('=');
    if (!in_default || equals == std::string_view::npos) continue;
    const std::string_view name = base::trim(line.substr(0, equals));
    const std::string value(base::trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") key.access_key = value;
    if (name == "aws_secret_access_key") key.secret = value;
    if (name == "aws_session_token") key.session_token = value;
  }
  return key;
}

}  // namespace

Session find_session(const Globals& globals) {
  Session session;
  session.endpoint = environment("AWS_ENDPOINT_URL");
  if (!session.endpoint.empty()) {
    session.key = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                   environment("AWS_SESSION_TOKEN")};
    session.region = environment("AWS_REGION");
    if (session.region.empty()) session.region = environment("AWS_DEFAULT_REGION");
    if (session.region.empty()) session.region = "us-east-1";
    if (session.key.access_key.empty() || session.key.secret.empty())
      throw Error("NoCredentials",
                  "AWS_ENDPOINT_URL is set but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are "
                  "not; on the server's machine run: eval \"$(slipway env)\"");
  } else {
    const app::ServerFile server = app::read_server_file(globals.data);
    session.endpoint = server.endpoint;
    session.region = server.region;
    session.key = read_credentials(globals.data / "credentials");
  }
  while (session.endpoint.ends_with('/')) session.endpoint.pop_back();
  const auto scheme = session.endpoint.find("://");
  if (scheme == std::string::npos)
    throw Error(
        "BadEndpoint",
        "AWS_ENDPOINT_URL must be a URL such as http://127.0.0.1:4700, not " + session.endpoint);
  session.host = session.endpoint.substr(scheme + 3);
  return session;
}

std::filesystem::path cache_directory() {
  std::filesystem::path root = environment("XDG_CACHE_HOME");
  if (root.empty())
    root = std::filesystem::path(environment("HOME").empty() ? "/tmp" : environment("HOME")) /
           ".cache";
  const std::filesystem::path directory = root / "slipway";
  std::filesystem::create_directories(directory);
  return std::filesystem::canonical(directory);
}

}  // namespace slipway::cli
