// slipway env: what stock tools need to reach the server, as shell assignments.

#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>

#include "base/strings.h"
#include "cli/session.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

// skopeo and podman ask for TLS unless a registry is listed as insecure, and read such lists from
// fixed places only: a drop-in of the user's own, for this address alone.
void allow_plain_registry(const std::string& host) {
  const char* home = std::getenv("HOME");
  if (home == nullptr) return;
  const std::filesystem::path directory =
      std::filesystem::path(home) / ".config/containers/registries.conf.d";
  const std::filesystem::path file =
      directory / ("slipway-" + base::replace_all(host, ":", "-") + ".conf");
  if (std::filesystem::exists(file)) return;
  std::filesystem::create_directories(directory);
  store::write_atomically(store::system_disk(), file,
                          "[[registry]]\nlocation = \"" + host + "\"\ninsecure = true\n");
  std::cerr << "wrote " << file.string() << ": skopeo and podman may reach " << host
            << " without TLS\n";
}

std::filesystem::path write_registry_login(const Globals& globals, const Session& session) {
  const Json login{
      {"auths",
       {{session.host,
         {{"auth", base::base64(session.key.access_key + ":" + session.key.secret)}}}}}};
  const std::filesystem::path file = globals.data / "registry-auth.json";
  store::write_atomically(store::system_disk(), file, base::dump_json(login));
  return file;
}

int run_env(const Globals& globals, bool json) {
  const Session session = find_session(globals);
  std::vector<std::pair<std::string, std::string>> variables{
      {"AWS_ENDPOINT_URL", session.endpoint},
      {"AWS_ACCESS_KEY_ID", session.key.access_key},
      {"AWS_SECRET_ACCESS_KEY", session.key.secret},
      {"AWS_REGION", session.region},
      {"AWS_DEFAULT_REGION", session.region},
      // boto3 would otherwise put "env." before the host of MWAA calls.
      {"AWS_DISABLE_HOST_PREFIX_INJECTION", "true"},
  };
  if (!session.key.session_token.empty())
    variables.emplace_back("AWS_SESSION_TOKEN", session.key.session_token);
  if (std::filesystem::is_directory(globals.data))
    variables.emplace_back("REGISTRY_AUTH_FILE", write_registry_login(globals, session).string());
  const std::filesystem::path token = globals.data / "gitlab-token";
  if (std::filesystem::is_regular_file(token)) {
    variables.emplace_back("GITLAB_URL", session.endpoint);
    variables.emplace_back("GITLAB_TOKEN", std::string(base::trim(store::read_file(token, 4096))));
  }
  const std::filesystem::path bundle = globals.data / "tls/bundle.pem";
  // Under a name of its own: stock tools speak plain HTTP here and keep the system's authorities.
  if (std::filesystem::is_regular_file(bundle))
    variables.emplace_back("SLIPWAY_CA_BUNDLE", std::filesystem::canonical(bundle).string());
  if (session.endpoint.starts_with("http://")) allow_plain_registry(session.host);
  if (json) {
    Json object = Json::object();
    for (const auto& [name, value] : variables) object[name] = value;
    std::cout << base::dump_json_pretty(object) << "\n";
    return 0;
  }
  for (const auto& [name, value] : variables)
    std::cout << "export " << name << "='" << base::replace_all(value, "'", "'\\''") << "'\n";
  return 0;
}

}  // namespace

void add_env(CLI::App& parser, const Globals& globals, Run& run) {
  auto* command = parser.add_subcommand("env", "Print address, keys and region for stock tools");
  command->footer("Use it so:  eval \"$(slipway env)\"");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One JSON object instead of shell assignments");
  command->callback(
      [&globals, &run, json] { run = [&globals, json] { return run_env(globals, *json); }; });
}

}  // namespace slipway::cli
