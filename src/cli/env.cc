// slipway env: what stock tools need to reach the server, as shell assignments.

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/strings.h"
#include "cli/session.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

// containers/image asks for TLS unless a registry is listed as insecure, and reads logins from
// a file of its own: both are written beside the credentials and named by variables.
void write_registry_files(const Globals& globals, const Session& session) {
  store::Disk& disk = store::system_disk();
  store::write_atomically(disk, globals.data / "registries.conf",
                          "[[registry]]\nlocation = \"" + session.host + "\"\ninsecure = true\n");
  const Json login{{"auths",
                    {{session.host,
                      {{"auth", base::base64(session.key.access_key + ":" + session.key.secret)}}}}}};
  store::write_atomically(disk, globals.data / "registry-auth.json", base::dump_json(login));
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
  if (session.endpoint.starts_with("http://") && std::filesystem::is_directory(globals.data)) {
    write_registry_files(globals, session);
    variables.emplace_back("CONTAINERS_REGISTRIES_CONF",
                           (globals.data / "registries.conf").string());
    variables.emplace_back("REGISTRY_AUTH_FILE", (globals.data / "registry-auth.json").string());
  }
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
  command->callback([&globals, &run, json] {
    run = [&globals, json] { return run_env(globals, *json); };
  });
}

}  // namespace slipway::cli
