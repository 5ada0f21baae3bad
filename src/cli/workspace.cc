#include "cli/workspace.h"

#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
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

// An engine belongs to one process at a time; each run has its own directory.
std::unique_ptr<containers::Engine> open_engine(const Globals& globals,
                                                const std::filesystem::path& scratch) {
  containers::EngineOptions options;
  options.directory = scratch / "containers";
  options.self = globals.self;
  return containers::Engine::open(options);
}

}  // namespace

Workspace::Workspace(const Globals& globals, const std::filesystem::path& path)
    : repository(ship::Repository::open(path)),
      cache(cache_directory()),
      scratch(cache / "runs" / base::random_hex(12)),
      source(exported(repository, scratch)),
      spec(read_spec(source, path)),
      session(find_session(globals)),
      services(http, clock, {session.endpoint, session.region, session.key}),
      registry(http, session.endpoint, session.key.access_key, session.key.secret),
      engine(open_engine(globals, scratch)) {}

Workspace::~Workspace() {
  engine.reset();
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
}

}  // namespace slipway::cli
