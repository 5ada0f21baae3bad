#pragma once

// What every job's execution works with.

#include <atomic>
#include <filesystem>

#include "runner/runner.h"
#include "runner/store.h"

namespace slipway::runner {

struct Workshop {
  ci::Ci& ci;
  ci::Queue& queue;
  forge::Forge& forge;
  images::Images& images;
  containers::Engine& engine;
  JobStore& store;
  const base::Clock& clock;
  const ExecutorOptions& options;
  const std::atomic<bool>& stopping;
};

// Names in the executor's directory and in the engine.
struct JobPlaces {
  JobPlaces(const std::filesystem::path& directory, Id job, Id project, int slot)
      : container("ci-" + std::to_string(job)),
        build(directory / "builds" / std::to_string(project) / std::to_string(slot)),
        temporary(directory / "tmp" / std::to_string(job)),
        outgoing(directory / "tmp" / (std::to_string(job) + ".out")),
        caches(directory / "cache" / std::to_string(project)) {}
  std::string service(std::size_t index) const {
    return container + "-service-" + std::to_string(index);
  }

  std::string container;
  std::filesystem::path build;      // the working tree
  std::filesystem::path temporary;  // scripts and file variables
  std::filesystem::path outgoing;   // archives that are being made
  std::filesystem::path caches;
};

}  // namespace slipway::runner
