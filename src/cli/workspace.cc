#include "cli/workspace.h"

#include <cstdlib>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "ship/step_container.h"
#include "ship/steps_here.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

ship::ModelSpec read_spec(const std::filesystem::path& source, const std::filesystem::path& path) {
  const std::filesystem::path file = source / "slipway.yaml";
  if (!std::filesystem::is_regular_file(file))
    throw Error("InvalidSpecification", "the commit has no slipway.yaml in " + path.string() +
                                            "; its form is in docs/formats/slipway-yaml.md");
  return ship::parse_model_spec(store::read_file(file, 1u << 20), "slipway.yaml");
}

std::filesystem::path exported(const ship::Repository& repository,
                               const std::filesystem::path& scratch) {
  repository.export_to(scratch / "source");
  return scratch / "source";
}

// In a job of a pipeline there is no other container to start: the job is one.
bool in_ci_job() { return std::getenv("CI_JOB_ID") != nullptr; }

// An engine belongs to one process at a time; each run has its own directory.
std::unique_ptr<containers::Engine> open_engine(const Globals& globals,
                                                const std::filesystem::path& scratch) {
  if (in_ci_job()) return nullptr;
  containers::EngineOptions options;
  options.directory = scratch / "containers";
  options.self = globals.self;
  return containers::Engine::open(options);
}

// A permanent key logs in as it is. A session's keys need their token, which Basic has no place
// for: ECR's authorization token stands for them.
ship::RegistryAccess access_of(wire::ServiceClient& services, const Session& session) {
  ship::RegistryAccess access{session.host, session.endpoint.starts_with("http://"),
                              session.key.access_key, session.key.secret};
  if (session.key.session_token.empty()) return access;
  const Json answer = services.call("ecr", "GetAuthorizationToken", Json::object());
  const std::string token =
      base::from_base64(base::text_or(answer["authorizationData"][0], "authorizationToken"))
          .value_or("");
  const auto colon = token.find(':');
  if (colon == std::string::npos)
    throw Error("NoRegistryLogin", "the server gave no authorization for its registry");
  access.user = token.substr(0, colon);
  access.password = token.substr(colon + 1);
  return access;
}

std::unique_ptr<images::StepRunner> steps_by(containers::Engine* engine) {
  if (engine == nullptr) return std::make_unique<ship::StepsHere>();
  return std::make_unique<ship::ContainerSteps>(*engine);
}

}  // namespace

Workspace::Workspace(const Globals& globals, const std::filesystem::path& path)
    : repository(ship::Repository::open(path)),
      cache(cache_directory()),
      scratch(cache / "runs" / base::random_hex(12)),
      storage((in_ci_job() ? scratch : cache) / "buildah"),
      source(exported(repository, scratch)),
      spec(read_spec(source, path)),
      session(find_session(globals)),
      services(http, clock, {session.endpoint, session.region, session.key}),
      registry_access(access_of(services, session)),
      registry(http, session.endpoint, registry_access.user, registry_access.password),
      engine(open_engine(globals, scratch)),
      steps(steps_by(engine.get())) {}

ship::ShipContext Workspace::context(ship::ShipObserver& observer) {
  return {spec,     repository,      source,       cache,  scratch, storage, services,
          registry, registry_access, engine.get(), *steps, clock,   observer};
}

Workspace::~Workspace() {
  engine.reset();
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
}

}  // namespace slipway::cli
