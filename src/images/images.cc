#include "images/images.h"

#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "images/config.h"
#include "images/decide.h"
#include "images/state.h"

namespace slipway::images {
namespace {

constexpr const char* kHost = "host";

[[noreturn]] void no_such_image(const std::string& reference) {
  throw Error("ValidationException", "Could not find the image " + reference +
                                         ". Push it to this registry, or check its name.");
}

}  // namespace

Images::State::State(store::Database& database_in, const base::Clock& clock_in, store::Disk& disk,
                     store::Spool& spool_in, ImagesOptions options_in)
    : database(database_in),
      clock(clock_in),
      spool(spool_in),
      options(std::move(options_in)),
      blobs(database, clock, disk, spool, options.directory / "blobs"),
      uploads(clock, options.directory / "uploads",
              static_cast<base::Millis>(options.upload_expiry_seconds) * 1000),
      layers(disk, options.directory / "images", LayerLimits{}, Sharing::kOneProcess) {}

void Images::State::ensure_repository(const RepositoryKey& key) {
  const bool there =
      database.read([&](store::Reader& reader) { return find_repository(reader, key); })
          .has_value();
  if (there) return;
  Repository repository;
  repository.account = key.account;
  repository.name = key.name;
  repository.created = clock.now();
  database.write(
      [&](store::Transaction& transaction) { insert_repository(transaction, repository); });
}

PutOutcome Images::State::put_manifest(const RepositoryKey& key, const Manifest& manifest,
                                       const ParsedManifest& parsed, const std::string& tag,
                                       WhenMissing when_missing) {
  return database.write([&](store::Transaction& transaction) -> PutOutcome {
    auto repository = find_repository(transaction, key);
    if (!repository && when_missing == WhenMissing::kRefuse) return RepositoryMissing{};
    for (const Descriptor& blob : parsed.blobs) {
      if (!find_blob(transaction, key, blob.digest)) return BlobMissing{blob.digest};
    }
    for (const Descriptor& child : parsed.manifests) {
      if (!find_manifest(transaction, key, child.digest)) return ManifestMissing{child.digest};
    }
    if (!repository) {
      repository.emplace();
      repository->account = key.account;
      repository->name = key.name;
      repository->created = clock.now();
      insert_repository(transaction, *repository);
    }
    Stored stored;
    if (!tag.empty()) {
      const auto tagged = find_tag(transaction, key, tag);
      stored.tag_was_there = tagged == manifest.digest;
      // The very same image again is a repeated push, not a change.
      if (tagged && *tagged != manifest.digest && !may_move_tag(*repository, tag)) {
        return TagIsImmutable{};
      }
    }
    stored.image_was_there = find_manifest(transaction, key, manifest.digest).has_value();
    images::put_manifest(transaction, key, manifest, parsed);
    if (!tag.empty()) put_tag(transaction, key, tag, manifest.digest, manifest.pushed);
    return stored;
  });
}

Manifest Images::State::image_manifest(const std::string& account, const std::string& digest) {
  const auto find = [&](const std::string& wanted) {
    auto found = database.read(
        [&](store::Reader& reader) { return find_manifest_in_account(reader, account, wanted); });
    if (!found) no_such_image(wanted);
    return *found;
  };
  Manifest manifest = find(digest);
  // Indexes may be nested; nobody nests them deeply.
  for (int depth = 0; depth < 4; ++depth) {
    if (!parse_manifest(manifest.content, manifest.media_type).is_index) return manifest;
    const auto chosen =
        choose_platform(base::parse_json(manifest.content, "image index"), native_architecture());
    if (!chosen) {
      throw Error("ValidationException", "The image " + digest + " has no variant for linux/" +
                                             std::string(native_architecture()) + ".");
    }
    manifest = find(*chosen);
  }
  throw Error("ValidationException", "The image " + digest + " is nested too deeply.");
}

Images::Images(store::Database& database, const base::Clock& clock, store::Disk& disk,
               store::Spool& spool, ImagesOptions options) {
  migrate_images(database);
  state_ = std::make_unique<State>(database, clock, disk, spool, std::move(options));
}

Images::~Images() = default;

ResolvedImage Images::resolve(const std::string& account, const std::string& reference) const {
  if (reference == kHost) return {"", "", kHost, kHost};
  const auto parsed = parse_reference(reference);
  if (!parsed) {
    throw Error("ValidationException", "'" + reference + "' is not an image reference.");
  }
  const RepositoryKey key{account, parsed->repository};
  const std::string& wanted = parsed->digest.empty() ? parsed->tag : parsed->digest;
  const auto manifest = state_->database.read(
      [&](store::Reader& reader) { return find_manifest(reader, key, wanted); });
  if (!manifest) no_such_image(reference);
  ResolvedImage result{parsed->repository, parsed->tag, manifest->digest, ""};
  if (!parsed->host.empty()) result.uri = parsed->host + "/";
  result.uri += parsed->repository + "@" + manifest->digest;
  return result;
}

UnpackedImage Images::unpack(const std::string& account, const std::string& digest) {
  UnpackedImage result;
  result.digest = digest;
  if (digest == kHost) {
    result.host_base = true;
    return result;
  }
  const Manifest manifest = state_->image_manifest(account, digest);
  const ParsedManifest parsed = parse_manifest(manifest.content, manifest.media_type);
  const std::string& config = parsed.blobs.front().digest;
  result.config = parse_config(store::read_file(state_->blobs.path_of(config), kConfigLimit));
  result.host_base = is_host_based(result.config);
  auto keep = std::make_shared<std::vector<std::shared_ptr<void>>>();
  std::set<std::string> seen;
  for (std::size_t i = 1; i < parsed.blobs.size(); ++i) {
    const std::string& layer = parsed.blobs[i].digest;
    LayerCache::Layer unpacked = state_->layers.get(layer, state_->blobs.path_of(layer));
    keep->push_back(std::move(unpacked.keep));
    // overlayfs refuses the same directory twice. Of a layer that comes again (mostly the empty
    // one) the first is left out: the later one holds all that it holds.
    if (!seen.insert(layer).second) std::erase(result.layers, unpacked.directory);
    result.layers.push_back(std::move(unpacked.directory));
  }
  result.keep = std::move(keep);
  return result;
}

void Images::maintain() {
  state_->uploads.expire();
  state_->blobs.collect(static_cast<base::Millis>(state_->options.garbage_grace_seconds) * 1000);
  state_->layers.sync();
  state_->layers.evict(state_->options.unpacked_limit_bytes);
}

}  // namespace slipway::images
