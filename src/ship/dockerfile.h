#pragma once

// A model's Dockerfile, built with buildah into an OCI layout from which the builder goes on
// (images/build.h): labels, digest and push are the same for every image. Why so, and what buildah
// is allowed: docs/decisions/0008-dockerfiles-with-buildah.md.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ship/model_spec.h"

namespace slipway::ship {

// The registry of the server: base images come from there.
struct RegistryAccess {
  std::string host;    // "127.0.0.1:4700"
  bool plain = false;  // without TLS
  std::string user;
  std::string password;
};

// Path of the Dockerfile in the model's folder: slipway.yaml's `dockerfile`, else Dockerfile or
// Containerfile where one is there; nothing where slipway.yaml says `dockerfile: false`. Throws
// Error{InvalidSpecification} for one that is named but not there, and where slipway.yaml tells the
// builder what the Dockerfile says.
std::optional<std::string> dockerfile_of(const ModelSpec& spec,
                                         const std::filesystem::path& source);

// Names of those of `offered` that the Dockerfile declares by ARG.
std::vector<std::string> declared_arguments(std::string_view dockerfile,
                                            const std::vector<std::string>& offered);

// What this process may do, which decides how steps are run.
struct BuildahFacts {
  bool root = false;            // user 0 of this user namespace
  bool may_set_groups = false;  // not in a namespace of one user
  std::string runtime;          // path of runc or crun; empty: none
};
BuildahFacts buildah_facts();

struct DockerfileBuild {
  std::filesystem::path source;   // the model's folder
  std::string dockerfile;         // in it
  std::string name;               // "health/tumour"
  std::filesystem::path storage;  // buildah's images and layers: what a later build finds again
  std::filesystem::path scratch;  // for this process alone, and longer than the layout is needed
};

// The command line up to the subcommand, and the options of `build` that depend on the facts.
// Throws Error{BuildError} where no step could run.
struct BuildahWords {
  std::vector<std::string> program;
  std::vector<std::string> isolation;
};
BuildahWords buildah_words(const BuildahFacts& facts, const DockerfileBuild& build);

// Returns the layout's directory, below scratch. Throws Error{BuildError} with the next step where
// there is no buildah, and with the last lines of its output where it fails.
std::filesystem::path build_dockerfile(const DockerfileBuild& build, const RegistryAccess& registry,
                                       const std::function<void(std::string_view)>& on_line);

}  // namespace slipway::ship
