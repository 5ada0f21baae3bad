#include <map>

#include "base/digest.h"
#include "images/decide.h"
#include "images/ecr_parts.h"

namespace slipway::images {
namespace {

constexpr std::size_t kAllTags = 1'000'000;

// imageId of the API: digest, tag or both.
struct ImageId {
  std::string digest;
  std::string tag;

  Json json() const {
    Json result = Json::object();
    if (!digest.empty()) result["imageDigest"] = digest;
    if (!tag.empty()) result["imageTag"] = tag;
    return result;
  }
};

ImageId read_id(const Json& json) {
  return {base::text_or(json, "imageDigest"), base::text_or(json, "imageTag")};
}

std::string text_of(const ImageId& id) {
  const auto quoted = [](const std::string& text) {
    return "'" + (text.empty() ? std::string("null") : text) + "'";
  };
  return "{imageDigest:" + quoted(id.digest) + ", imageTag:" + quoted(id.tag) + "}";
}

// A failureCode and its reason, or the manifest.
struct Lookup {
  std::optional<Manifest> manifest;
  std::string failure;
  std::string reason;
};

Lookup look_up(store::Reader& reader, const RepositoryKey& key, const ImageId& id) {
  if (id.digest.empty() && id.tag.empty()) {
    return {std::nullopt, "MissingDigestAndTag", "Neither an image digest nor a tag was given"};
  }
  if (!id.digest.empty() && !is_digest(id.digest)) {
    return {std::nullopt, "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"};
  }
  if (!id.tag.empty() && !is_tag(id.tag)) {
    return {std::nullopt, "InvalidImageTag", "Invalid request parameters: invalid image tag"};
  }
  auto manifest = find_manifest(reader, key, id.tag.empty() ? id.digest : id.tag);
  if (!manifest) return {std::nullopt, "ImageNotFound", "Requested image not found"};
  if (!id.digest.empty() && manifest->digest != id.digest) {
    return {std::nullopt, "ImageTagDoesNotMatchDigest",
            "The image tag does not belong to the image digest"};
  }
  return {std::move(manifest), "", ""};
}

[[noreturn]] void throw_image_missing(const RepositoryKey& key, const ImageId& id) {
  throw Error("ImageNotFoundException", "The image with imageId " + text_of(id) +
                                            " does not exist within the repository with name '" +
                                            key.name + "' in the registry with id '" + key.account +
                                            "'");
}

Json failure_of(const ImageId& id, const Lookup& lookup) {
  return Json{
      {"imageId", id.json()}, {"failureCode", lookup.failure}, {"failureReason", lookup.reason}};
}

std::multimap<std::string, std::string> tags_by_digest(store::Reader& reader,
                                                       const RepositoryKey& key) {
  std::multimap<std::string, std::string> result;
  for (const Tag& tag : list_tags(reader, key, "", kAllTags)) result.emplace(tag.digest, tag.name);
  return result;
}

bool passes_filter(const wire::Call& call, bool tagged) {
  const std::string wanted =
      base::text_or(base::object_or_empty(call.input, "filter"), "tagStatus", "ANY");
  return wanted == "ANY" || (wanted == "TAGGED") == tagged;
}

Json detail_of(const RepositoryKey& key, const Manifest& manifest,
               const std::vector<std::string>& tags) {
  Json detail{{"registryId", key.account},
              {"repositoryName", key.name},
              {"imageDigest", manifest.digest},
              {"imageSizeInBytes", manifest.image_size},
              {"imagePushedAt", base::epoch_seconds(manifest.pushed)},
              {"imageManifestMediaType", manifest.media_type},
              {"imageStatus", "ACTIVE"}};
  if (!tags.empty()) detail["imageTags"] = tags;
  if (!manifest.artifact_type.empty()) detail["artifactMediaType"] = manifest.artifact_type;
  if (!manifest.subject.empty()) detail["subjectManifestDigest"] = manifest.subject;
  return detail;
}

wire::Reply describe_images(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  const Json& ids = base::array_or_empty(call.input, "imageIds");
  std::vector<std::pair<std::string, Json>> items;
  context.state.database.read([&](store::Reader& reader) {
    get_repository(reader, key);
    const auto tags = tags_by_digest(reader, key);
    const auto add = [&](const Manifest& manifest) {
      std::vector<std::string> names;
      const auto [from, to] = tags.equal_range(manifest.digest);
      for (auto at = from; at != to; ++at) names.push_back(at->second);
      if (!ids.empty() || passes_filter(call, !names.empty())) {
        items.emplace_back(manifest.digest, detail_of(key, manifest, names));
      }
    };
    for (const Json& json : ids) {
      const ImageId id = read_id(json);
      const Lookup lookup = look_up(reader, key, id);
      if (!lookup.manifest) throw_image_missing(key, id);
      add(*lookup.manifest);
    }
    if (!ids.empty()) return;
    for (const Manifest& manifest : list_manifests(reader, key)) add(manifest);
  });
  Json result{{"imageDetails", Json::array()}};
  if (!ids.empty()) {
    for (auto& [digest, item] : items) result["imageDetails"].push_back(std::move(item));
    return result;
  }
  std::string next;
  for (Json& item : page_by_key(std::move(items), call, next)) {
    result["imageDetails"].push_back(std::move(item));
  }
  if (!next.empty()) result["nextToken"] = next;
  return result;
}

wire::Reply list_images(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  std::vector<std::pair<std::string, Json>> items;
  context.state.database.read([&](store::Reader& reader) {
    get_repository(reader, key);
    const auto tags = tags_by_digest(reader, key);
    for (const auto& [digest, tag] : tags) {
      if (!passes_filter(call, true)) break;
      items.emplace_back(digest + " " + tag, ImageId{digest, tag}.json());
    }
    if (!passes_filter(call, false)) return;
    for (const Manifest& manifest : list_manifests(reader, key)) {
      if (tags.contains(manifest.digest)) continue;
      items.emplace_back(manifest.digest, ImageId{manifest.digest, ""}.json());
    }
  });
  Json result{{"imageIds", Json::array()}};
  std::string next;
  for (Json& item : page_by_key(std::move(items), call, next)) {
    result["imageIds"].push_back(std::move(item));
  }
  if (!next.empty()) result["nextToken"] = next;
  return result;
}

Json image_json(const RepositoryKey& key, const Manifest& manifest, const std::string& tag) {
  return Json{{"registryId", key.account},
              {"repositoryName", key.name},
              {"imageId", ImageId{manifest.digest, tag}.json()},
              {"imageManifest", manifest.content},
              {"imageManifestMediaType", manifest.media_type}};
}

wire::Reply batch_get_image(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  Json result{{"images", Json::array()}, {"failures", Json::array()}};
  context.state.database.read([&](store::Reader& reader) {
    get_repository(reader, key);
    for (const Json& json : base::array_or_empty(call.input, "imageIds")) {
      const ImageId id = read_id(json);
      const Lookup lookup = look_up(reader, key, id);
      if (lookup.manifest) {
        result["images"].push_back(image_json(key, *lookup.manifest, id.tag));
      } else {
        result["failures"].push_back(failure_of(id, lookup));
      }
    }
  });
  return result;
}

// Deletes one image or tag; adds what is gone to `deleted`. Returns the failure, if any.
std::optional<Lookup> delete_image(store::Transaction& transaction, const RepositoryKey& key,
                                   const ImageId& id, Json& deleted) {
  Lookup lookup = look_up(transaction, key, id);
  if (!lookup.manifest) return lookup;
  const std::string digest = lookup.manifest->digest;
  std::vector<std::string> tags;
  for (const auto& [tagged, tag] : tags_by_digest(transaction, key)) {
    if (tagged == digest) tags.push_back(tag);
  }
  // A tag that is not the image's last one goes alone; with the last one goes the image.
  if (!id.tag.empty() && tags.size() > 1) {
    delete_tag(transaction, key, id.tag);
    deleted.push_back(ImageId{digest, id.tag}.json());
    return std::nullopt;
  }
  if (is_referenced(transaction, key, digest)) {
    return Lookup{std::nullopt, "ImageReferencedByManifestList",
                  "Requested image referenced by manifest list: " + digest};
  }
  delete_manifest(transaction, key, digest);
  if (tags.empty()) deleted.push_back(ImageId{digest, ""}.json());
  for (const std::string& tag : tags) deleted.push_back(ImageId{digest, tag}.json());
  return std::nullopt;
}

wire::Reply batch_delete_image(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  return context.state.database.write([&](store::Transaction& transaction) {
    get_repository(transaction, key);
    Json result{{"imageIds", Json::array()}, {"failures", Json::array()}};
    for (const Json& json : base::array_or_empty(call.input, "imageIds")) {
      const ImageId id = read_id(json);
      if (const auto failure = delete_image(transaction, key, id, result["imageIds"])) {
        result["failures"].push_back(failure_of(id, *failure));
      }
    }
    return result;
  });
}

[[noreturn]] void refuse(const RepositoryKey& key, const PutOutcome& outcome,
                         const std::string& tag) {
  if (std::holds_alternative<RepositoryMissing>(outcome)) throw_repository_missing(key);
  if (const auto* blob = std::get_if<BlobMissing>(&outcome)) {
    throw Error("LayersNotFoundException", "Layers with digests '[" + blob->digest +
                                               "]' required for pushing image into repository "
                                               "with name '" +
                                               key.name + "' in the registry with id '" +
                                               key.account + "' do not exist");
  }
  if (const auto* child = std::get_if<ManifestMissing>(&outcome)) {
    throw Error("ReferencedImagesNotFoundException",
                "Images with digests '[" + child->digest +
                    "]' required for pushing image into repository with name '" + key.name +
                    "' in the registry with id '" + key.account + "' do not exist");
  }
  throw Error("ImageTagAlreadyExistsException",
              "The image tag '" + tag + "' already exists in the '" + key.name +
                  "' repository and cannot be overwritten because the tag is immutable.");
}

Manifest read_manifest(const EcrContext& context, const wire::Call& call, ParsedManifest& parsed) {
  Manifest manifest;
  manifest.content = call.text("imageManifest");
  manifest.digest = "sha256:" + base::sha256_hex(manifest.content);
  const std::string wanted = call.text("imageDigest");
  if (!wanted.empty() && wanted != manifest.digest) {
    throw Error("ImageDigestDoesNotMatchException", "The image digest '" + wanted +
                                                        "' does not match the digest '" +
                                                        manifest.digest + "' of the manifest");
  }
  try {
    parsed = parse_manifest(manifest.content, call.text("imageManifestMediaType"));
  } catch (const Error& error) {
    // The same mistake has another code in this protocol.
    throw Error("InvalidParameterException",
                "Invalid parameter at 'ImageManifest' failed to satisfy constraint: '" +
                    error.message() + "'");
  }
  manifest.media_type = parsed.media_type;
  manifest.artifact_type = parsed.artifact_type;
  manifest.subject = parsed.subject;
  manifest.annotations = parsed.annotations;
  manifest.image_size = parsed.image_size;
  manifest.pushed = context.state.clock.now();
  return manifest;
}

wire::Reply put_image(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  const std::string tag = call.text("imageTag");
  if (!tag.empty() && !is_tag(tag)) {
    throw Error("InvalidParameterException",
                "Invalid parameter at 'imageTag' failed to satisfy constraint: 'invalid tag'");
  }
  ParsedManifest parsed;
  const Manifest manifest = read_manifest(context, call, parsed);
  const PutOutcome outcome =
      context.state.put_manifest(key, manifest, parsed, tag, WhenMissing::kRefuse);
  const auto* stored = std::get_if<Stored>(&outcome);
  if (stored == nullptr) refuse(key, outcome, tag);
  if (stored->image_was_there && (tag.empty() || stored->tag_was_there)) {
    throw Error("ImageAlreadyExistsException",
                "Image with digest '" + manifest.digest + "' and tag '" + tag +
                    "' already exists in the repository with name '" + key.name +
                    "' in registry with id '" + key.account + "'");
  }
  return Json{{"image", image_json(key, manifest, tag)}};
}

}  // namespace

void register_ecr_images(wire::Api& api, const EcrContext& context) {
  using Handler = wire::Reply (*)(const EcrContext&, const wire::Call&);
  const std::pair<const char*, Handler> operations[] = {
      {"DescribeImages", describe_images},
      {"ListImages", list_images},
      {"BatchGetImage", batch_get_image},
      {"BatchDeleteImage", batch_delete_image},
      {"PutImage", put_image},
  };
  for (const auto& [name, run] : operations) {
    const Handler handler = run;
    api.on("ecr", name, [context, handler](wire::Call& call) { return handler(context, call); });
  }
}

}  // namespace slipway::images
