#pragma once

// The layer with a model's Python packages: requirements.txt, installed inside the base.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "images/build.h"
#include "store/files.h"

namespace slipway::images {

inline constexpr const char* kPackages = "/opt/slipway/python";  // PYTHONPATH of such an image
inline constexpr const char* kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Without comments and blank lines: what decides about the layer.
std::string normalize_requirements(std::string_view text);

// The variables of `process` that an installation obeys: PIP_*, proxies, certificates,
// SOURCE_DATE_EPOCH.
std::map<std::string, std::string> installation_variables(
    const std::map<std::string, std::string>& process);
std::map<std::string, std::string> process_environment();

struct DependencyRequest {
  std::string requirements;  // normalised, not empty
  const UnpackedImage& base;
  std::int64_t time = 0;
  std::map<std::string, std::string> environment;  // the invoking process's
};

struct DependencyLayer {
  BuiltLayer layer;
  bool cached = false;
};

// Throws Error{BuildError} that says what is missing or what pip said.
DependencyLayer dependency_layer(store::Disk& disk, const DependencyRequest& request,
                                 const std::filesystem::path& cache, StepRunner& steps,
                                 const std::function<void(std::string_view)>& progress);

}  // namespace slipway::images
