#pragma once

// What building and shipping need: the commit's files in a directory of their own, the
// specification, the server and a container engine for this user's steps.

#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "cli/session.h"
#include "containers/containers.h"
#include "images/build.h"
#include "images/registry_client.h"
#include "net/client.h"
#include "ship/model_spec.h"
#include "ship/repository.h"
#include "ship/stages.h"
#include "wire/client.h"

namespace slipway::cli {

// Members in the order in which they are needed. Not thread-safe.
struct Workspace {
  // Throws Error with file and line for a broken slipway.yaml, and with the next step for
  // whatever else is missing. Removes the files again when it ends.
  Workspace(const Globals& globals, const std::filesystem::path& path);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  base::SystemClock clock;
  net::Client http;
  ship::Repository repository;
  std::filesystem::path cache;
  std::filesystem::path scratch;  // removed at the end
  std::filesystem::path storage;  // of buildah: kept for the next build, not in a CI job
  std::filesystem::path source;   // the commit's files
  ship::ModelSpec spec;
  Session session;
  wire::ServiceClient services;
  ship::RegistryAccess registry_access;
  images::RegistryClient registry;
  std::unique_ptr<containers::Engine> engine;  // null in a CI job, which is a container itself
  std::unique_ptr<images::StepRunner> steps;

  // Refers to this workspace and to the observer.
  ship::ShipContext context(ship::ShipObserver& observer);
};

}  // namespace slipway::cli
