#include "images/decide.h"
#include "images/ecr_parts.h"

namespace slipway::images {
namespace {

constexpr base::Millis kDownloadLifetime = 3'600'000;

RepositoryKey existing_repository(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = context.key_of(call);
  context.state.database.read([&](store::Reader& reader) { get_repository(reader, key); });
  return key;
}

Uploads::Session open_upload(const EcrContext& context, const wire::Call& call,
                             const RepositoryKey& key) {
  const std::string id = call.text("uploadId");
  auto session = context.state.uploads.open(key, id);
  if (!session) {
    throw Error("UploadNotFoundException",
                "The upload with id '" + id + "' does not exist in the repository with name '" +
                    key.name + "' in the registry with id '" + key.account + "'");
  }
  return std::move(*session);
}

wire::Reply check_layers(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = existing_repository(context, call);
  Json result{{"layers", Json::array()}, {"failures", Json::array()}};
  for (const Json& json : base::array_or_empty(call.input, "layerDigests")) {
    const auto digest = json.get<std::string>();
    if (!is_digest(digest)) {
      result["failures"].push_back(
          Json{{"layerDigest", digest},
               {"failureCode", "InvalidLayerDigest"},
               {"failureReason", "Invalid layer digest: it must be a sha256 digest"}});
      continue;
    }
    Json layer{{"layerDigest", digest}, {"layerAvailability", "UNAVAILABLE"}};
    if (const auto blob = context.state.blobs.find(key, digest)) {
      layer["layerAvailability"] = "AVAILABLE";
      layer["layerSize"] = blob->size;
    }
    result["layers"].push_back(std::move(layer));
  }
  return result;
}

wire::Reply get_download_url(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = existing_repository(context, call);
  const std::string digest = call.text("layerDigest");
  if (!is_digest(digest) || !context.state.blobs.find(key, digest)) {
    throw Error("LayersNotFoundException", "The layer with digest '" + digest +
                                               "' does not exist in the repository with name '" +
                                               key.name + "' in the registry with id '" +
                                               key.account + "'");
  }
  const std::string token =
      context.iam.registry_password(call.caller, context.state.clock.now() + kDownloadLifetime);
  return Json{{"downloadUrl", context.registry_url + "/v2/" + key.name + "/blobs/" + digest +
                                  "?token=" + base::percent_encode(token)},
              {"layerDigest", digest}};
}

wire::Reply initiate_upload(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = existing_repository(context, call);
  return Json{{"uploadId", context.state.uploads.start(key)}, {"partSize", kLayerPartSize}};
}

wire::Reply upload_part(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = existing_repository(context, call);
  Uploads::Session session = open_upload(context, call, key);
  const std::int64_t first = base::integer_or(call.input, "partFirstByte", -1);
  const std::int64_t last = base::integer_or(call.input, "partLastByte", -1);
  const auto bytes = base::from_base64(call.text("layerPartBlob"));
  const auto received = static_cast<std::int64_t>(session.received());
  if (!bytes || first != received || last - first + 1 != static_cast<std::int64_t>(bytes->size())) {
    throw Error("InvalidLayerPartException",
                "The layer part must begin at byte " + std::to_string(received) +
                    " and be as long as its range",
                400,
                Json{{"registryId", key.account},
                     {"repositoryName", key.name},
                     {"uploadId", call.text("uploadId")},
                     {"lastValidByteReceived", received - 1}});
  }
  session.append(net::Body(*bytes));
  return Json{{"registryId", key.account},
              {"repositoryName", key.name},
              {"uploadId", call.text("uploadId")},
              {"lastByteReceived", last}};
}

wire::Reply complete_upload(const EcrContext& context, const wire::Call& call) {
  const RepositoryKey key = existing_repository(context, call);
  Uploads::Session session = open_upload(context, call, key);
  if (session.received() == 0) {
    throw Error("EmptyUploadException", "The upload with id '" + call.text("uploadId") +
                                            "' does not contain any layer parts");
  }
  const std::string digest = session.digest();
  const Json& wanted = base::array_or_empty(call.input, "layerDigests");
  if (!wanted.empty() && wanted.front() != digest) {
    throw Error("InvalidLayerException",
                "The layer has the digest '" + digest + "', not the one that was given");
  }
  if (context.state.blobs.find(key, digest)) {
    session.discard();
    throw Error("LayerAlreadyExistsException",
                "Layer with digest '" + digest + "' already exists in the repository with name '" +
                    key.name + "' in registry with id '" + key.account + "'");
  }
  context.state.blobs.adopt_file(key, digest, session.received(), session.path());
  session.discard();
  return Json{{"registryId", key.account},
              {"repositoryName", key.name},
              {"uploadId", call.text("uploadId")},
              {"layerDigest", digest}};
}

}  // namespace

void register_ecr_layers(wire::Api& api, const EcrContext& context) {
  using Handler = wire::Reply (*)(const EcrContext&, const wire::Call&);
  const std::pair<const char*, Handler> operations[] = {
      {"BatchCheckLayerAvailability", check_layers}, {"GetDownloadUrlForLayer", get_download_url},
      {"InitiateLayerUpload", initiate_upload},      {"UploadLayerPart", upload_part},
      {"CompleteLayerUpload", complete_upload},
  };
  for (const auto& [name, run] : operations) {
    const Handler handler = run;
    api.on("ecr", name, [context, handler](wire::Call& call) { return handler(context, call); });
  }
}

}  // namespace slipway::images
