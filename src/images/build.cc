#include "images/build.h"

#include <algorithm>
#include <chrono>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "images/config.h"
#include "images/decide.h"
#include "images/dependencies.h"
#include "images/layer_cache.h"
#include "images/layer_writer.h"

namespace slipway::images {
namespace {

constexpr std::uint64_t kLocalLayers = 20ull << 30;  // bytes of unpacked layers kept in the cache
constexpr std::chrono::hours kBlobAge{30 * 24};
constexpr std::chrono::hours kLeftoverAge{24};
constexpr const char* kCreated = "org.opencontainers.image.created";
constexpr const char* kLongAgo = "1970-01-01T00:00:00Z";

[[noreturn]] void fail(const std::string& message) { throw Error("BuildError", message); }

// Removes blobs that no build used for a month, and what builds that were killed left.
void forget_old_blobs(const std::filesystem::path& blobs) {
  const auto now = std::filesystem::file_time_type::clock::now();
  std::error_code gone;  // another build may be cleaning too
  for (const auto& entry : std::filesystem::directory_iterator(blobs, gone)) {
    const bool is_blob = is_digest("sha256:" + entry.path().filename().string());
    const auto age = now - entry.last_write_time(gone);
    if (!gone && age > (is_blob ? kBlobAge : kLeftoverAge)) {
      std::filesystem::remove(entry.path(), gone);
    }
  }
}

// The image that is built upon.
struct Base {
  std::string digest = "host";
  std::string repository;  // empty for "host"
  Json config = Json::object();
  std::vector<BuiltLayer> layers;
};

std::string oci_layer_type(const std::string& type) {
  if (type == "application/vnd.docker.image.rootfs.diff.tar.gzip") return kOciLayerGzip;
  if (type == "application/vnd.docker.image.rootfs.diff.tar") {
    return "application/vnd.oci.image.layer.v1.tar";
  }
  return type;
}

void mark_used(const std::filesystem::path& blob) {
  std::filesystem::last_write_time(blob, std::filesystem::file_time_type::clock::now());
}

std::filesystem::path pull(RegistryClient& registry, const std::string& repository,
                           const Descriptor& blob, const std::filesystem::path& blobs) {
  const std::filesystem::path path = blobs / hex_of(blob.digest);
  std::error_code absent;
  if (std::filesystem::file_size(path, absent) == blob.size && !absent) {
    mark_used(path);
    return path;
  }
  std::filesystem::create_directories(blobs);
  const std::filesystem::path temporary = blobs / ("pulling-" + base::random_hex(16));
  registry.pull_blob(repository, blob.digest, temporary);
  store::adopt(store::system_disk(), temporary, path);
  return path;
}

std::vector<BuiltLayer> layers_of(
    const ParsedManifest& parsed, const Json& config, const std::string& image,
    const std::function<std::filesystem::path(const Descriptor&)>& get) {
  const Json& diff_ids = base::array_or_empty(base::object_or_empty(config, "rootfs"), "diff_ids");
  if (diff_ids.size() + 1 != parsed.blobs.size()) {
    fail("The base image " + image + " has layers that are not at hand.");
  }
  std::vector<BuiltLayer> layers;
  for (std::size_t i = 1; i < parsed.blobs.size(); ++i) {
    const Descriptor& blob = parsed.blobs[i];
    layers.push_back({blob.digest, diff_ids[i - 1].get<std::string>(), blob.size,
                      oci_layer_type(blob.media_type), get(blob)});
  }
  return layers;
}

Base read_layout(const std::filesystem::path& layout) {
  const auto blob = [&](const std::string& digest) {
    return layout / "blobs" / "sha256" / hex_of(digest);
  };
  const Json index =
      base::parse_json(store::read_file(layout / "index.json", kManifestLimit), "the layout");
  const Json& manifests = base::array_or_empty(index, "manifests");
  if (manifests.size() != 1) fail("The layout " + layout.string() + " does not hold one image.");
  Base base;
  base.digest = base::text_or(manifests[0], "digest");
  if (!is_digest(base.digest)) fail("The layout " + layout.string() + " names no digest.");
  const ParsedManifest parsed =
      parse_manifest(store::read_file(blob(base.digest), kManifestLimit), "");
  if (parsed.is_index) fail("The layout " + layout.string() + " holds an index, not an image.");
  base.config = base::parse_json(store::read_file(blob(parsed.blobs.front().digest), kConfigLimit),
                                 "the configuration");
  base.layers = layers_of(parsed, base.config, layout.string(),
                          [&](const Descriptor& each) { return blob(each.digest); });
  return base;
}

Base fetch_base(const BuildPlan& plan, const std::filesystem::path& blobs, RegistryClient* registry,
                const std::function<void(std::string_view)>& progress) {
  if (plan.base_layout) return read_layout(*plan.base_layout);
  Base base;
  if (plan.base == "host") return base;
  const auto reference = parse_reference(plan.base);
  if (!reference) fail("'" + plan.base + "' is not an image reference.");
  if (registry == nullptr) fail("A registry is needed for the base image " + plan.base + ".");
  const FetchedManifest manifest = registry->image_manifest(
      reference->repository, reference->digest.empty() ? reference->tag : reference->digest);
  const ParsedManifest parsed = parse_manifest(manifest.content, manifest.media_type);
  base.digest = manifest.digest;
  base.repository = reference->repository;
  const auto config = pull(*registry, base.repository, parsed.blobs.front(), blobs);
  base.config =
      base::parse_json(store::read_file(config, kConfigLimit), "the base's configuration");
  base.layers = layers_of(parsed, base.config, plan.base, [&](const Descriptor& blob) {
    progress("base: layer " + blob.digest);
    return pull(*registry, base.repository, blob, blobs);
  });
  return base;
}

UnpackedImage unpack_layers(const std::vector<BuiltLayer>& layers, const std::string& digest,
                            const RunConfig& config, const std::filesystem::path& cache) {
  UnpackedImage result;
  result.digest = digest;
  result.config = config;
  result.host_base = digest == "host" || is_host_based(config);
  if (layers.empty()) return result;
  LayerCache unpacked(store::system_disk(), cache / "images", LayerLimits{},
                      Sharing::kManyProcesses);
  auto keep = std::make_shared<std::vector<std::shared_ptr<void>>>();
  for (const BuiltLayer& layer : layers) {
    LayerCache::Layer found = unpacked.get(layer.digest, layer.path);
    keep->push_back(std::move(found.keep));
    std::erase(result.layers, found.directory);
    result.layers.push_back(std::move(found.directory));
  }
  result.keep = std::move(keep);
  unpacked.evict(kLocalLayers);
  return result;
}

// "NAME=value" items by name, in their order.
class Environment {
 public:
  explicit Environment(const Json& list) {
    for (const Json& item : list) {
      const auto text = item.get<std::string>();
      const std::size_t equals = text.find('=');
      set(text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1));
    }
  }
  void set(const std::string& name, const std::string& value) {
    for (auto& [known, old] : values_) {
      if (known == name) {
        old = value;
        return;
      }
    }
    values_.emplace_back(name, value);
  }
  std::string get(const std::string& name) const {
    for (const auto& [known, value] : values_) {
      if (known == name) return value;
    }
    return "";
  }
  Json json() const {
    Json result = Json::array();
    for (const auto& [name, value] : values_) result.push_back(name + "=" + value);
    return result;
  }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

Json run_section(const BuildPlan& plan, const Base& base, bool has_packages) {
  Json config = base::object_or_empty(base.config, "config");
  Environment environment(base::array_or_empty(config, "Env"));
  for (const auto& [name, value] : plan.environment) environment.set(name, value);
  if (has_packages) {
    const std::string path = environment.get("PATH");
    environment.set("PATH",
                    std::string(kPackages) + "/bin:" + (path.empty() ? kDefaultPath : path));
    const std::string modules = environment.get("PYTHONPATH");
    environment.set("PYTHONPATH", (modules.empty() ? "" : modules + ":") + kPackages);
  }
  const Json variables = environment.json();
  if (!variables.empty()) config["Env"] = variables;
  if (!plan.entrypoint.empty()) {
    config["Entrypoint"] = plan.entrypoint;
    config.erase("Cmd");  // it was meant for the base's entrypoint
  }
  if (!plan.working_directory.empty()) config["WorkingDir"] = plan.working_directory;
  Json labels = base::object_or_empty(config, "Labels");
  for (const auto& [name, value] : plan.labels) labels[name] = value;
  if (base.digest == "host") labels[kHostBaseLabel] = "host";
  if (!labels.empty()) config["Labels"] = labels;
  return config;
}

std::string config_text(const BuildPlan& plan, const Base& base,
                        const std::vector<BuiltLayer>& layers,
                        const std::vector<std::string>& steps, bool has_packages) {
  const auto label = plan.labels.find(kCreated);
  const std::string created = label == plan.labels.end() ? kLongAgo : label->second;
  Json diff_ids = Json::array();
  for (const BuiltLayer& layer : layers) diff_ids.push_back(layer.diff_id);
  Json history = base::array_or_empty(base.config, "history");
  for (const std::string& step : steps) {
    history.push_back(Json{{"created", created}, {"created_by", step}});
  }
  // Members in the order of their names: nlohmann's objects are sorted.
  return base::dump_json(
      Json{{"architecture", base::text_or(base.config, "architecture", native_architecture())},
           {"os", "linux"},
           {"created", created},
           {"config", run_section(plan, base, has_packages)},
           {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}},
           {"history", history}});
}

std::string manifest_text(const std::string& config, const std::vector<BuiltLayer>& layers) {
  Json list = Json::array();
  for (const BuiltLayer& layer : layers) {
    list.push_back(
        Json{{"mediaType", layer.media_type}, {"digest", layer.digest}, {"size", layer.size}});
  }
  return base::dump_json(Json{{"schemaVersion", 2},
                              {"mediaType", kOciManifest},
                              {"config",
                               {{"mediaType", kOciConfig},
                                {"digest", "sha256:" + base::sha256_hex(config)},
                                {"size", config.size()}}},
                              {"layers", list}});
}

}  // namespace

BuiltImage build(const BuildPlan& plan, const std::filesystem::path& cache_directory,
                 RegistryClient* registry, StepRunner& steps,
                 const std::function<void(std::string_view)>& progress) {
  const std::filesystem::path blobs = cache_directory / "blobs";
  const Base base = fetch_base(plan, blobs, registry, progress);
  BuiltImage image;
  image.base_repository = base.repository;
  image.layers = base.layers;
  std::vector<std::string> history;
  const std::string requirements = normalize_requirements(plan.requirements);
  if (!requirements.empty()) {
    const UnpackedImage unpacked = unpack_layers(
        base.layers, base.digest, parse_config(base::dump_json(base.config)), cache_directory);
    const DependencyRequest request{
        requirements, unpacked, plan.source_date_epoch,
        plan.build_environment ? *plan.build_environment : process_environment()};
    DependencyLayer packages =
        dependency_layer(store::system_disk(), request, cache_directory, steps, progress);
    image.dependencies_cached = packages.cached;
    mark_used(packages.layer.path);
    image.layers.push_back(std::move(packages.layer));
    history.emplace_back("slipway: python packages");
  }
  if (!plan.source.empty() || !plan.extra_files.empty()) {
    image.layers.push_back(write_layer(
        store::system_disk(), {plan.source, plan.destination, ignore_patterns(plan.ignore)},
        plan.extra_files, plan.source_date_epoch, blobs));
    history.emplace_back("slipway: code");
  }
  image.config = config_text(plan, base, image.layers, history, !requirements.empty());
  image.manifest = manifest_text(image.config, image.layers);
  image.digest = "sha256:" + base::sha256_hex(image.manifest);
  forget_old_blobs(blobs);
  progress("image " + image.digest);
  return image;
}

void push(const BuiltImage& image, RegistryClient& registry, const std::string& repository,
          const std::string& tag) {
  for (const BuiltLayer& layer : image.layers) {
    registry.push_blob(repository, layer.digest, layer.path, image.base_repository);
  }
  registry.push_bytes(repository, "sha256:" + base::sha256_hex(image.config), image.config);
  registry.put_manifest(repository, tag, kOciManifest, image.manifest);
}

UnpackedImage unpack_locally(const BuiltImage& image,
                             const std::filesystem::path& cache_directory) {
  return unpack_layers(image.layers, image.digest, parse_config(image.config), cache_directory);
}

}  // namespace slipway::images
