#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "iam/iam.h"
#include "images/decide.h"
#include "images/images.h"
#include "images/state.h"
#include "images/test_room.h"

namespace slipway::images {
namespace {

const std::string kUnknown = "sha256:" + std::string(64, '0');

class Distribution : public testing::Test {
 protected:
  Distribution()
      : iam_(*room_.database, room_.clock,
             iam::IamOptions{.credentials_file = room_.directory.path() / "credentials"}),
        key_(iam_.create_access_key("root")),
        registry_(*room_.images, iam_) {}

  net::Request request(const std::string& method, const std::string& target,
                       const std::string& body = "") {
    net::Request request;
    request.method = method;
    request.target = target;
    request.headers.set("Authorization", "Basic " + base::base64(key_.id + ":" + key_.secret));
    request.body = net::Body(body);
    return request;
  }
  net::Response send(const std::string& method, const std::string& target,
                     const std::string& body = "") {
    return registry_.handle(request(method, target, body));
  }
  net::Response put_manifest(const std::string& target, const Json& manifest) {
    auto put = request("PUT", target, base::dump_json(manifest));
    put.headers.set("Content-Type", base::text_or(manifest, "mediaType"));
    return registry_.handle(put);
  }

  std::string put_blob(const std::string& bytes, const std::string& repository = "health/tumour") {
    const std::string digest = digest_of(bytes);
    EXPECT_EQ(send("POST", "/v2/" + repository + "/blobs/uploads/?digest=" + digest, bytes).status,
              201);
    return digest;
  }
  // A manifest of a configuration and one layer, both pushed.
  Json image(const std::string& layer, const std::string& repository = "health/tumour") {
    const std::string config = R"({"config":{"Entrypoint":["serve"]}})";
    return Json{{"schemaVersion", 2},
                {"mediaType", kOciManifest},
                {"config",
                 {{"mediaType", kOciConfig},
                  {"digest", put_blob(config, repository)},
                  {"size", config.size()}}},
                {"layers", Json::array({{{"mediaType", kOciLayerGzip},
                                         {"digest", put_blob(layer, repository)},
                                         {"size", layer.size()}}})}};
  }

  static std::string header(const net::Response& response, std::string_view name) {
    return std::string(response.headers.get(name));
  }
  static std::string text(const net::Response& response) {
    return std::get<std::string>(response.body);
  }
  static Json json(const net::Response& response) {
    return base::parse_json(text(response), "answer");
  }
  static std::string code(const net::Response& response) {
    return json(response)["errors"][0]["code"];
  }

  TestRoom room_;
  iam::Iam iam_;
  iam::AccessKey key_;
  Registry registry_;
};

TEST_F(Distribution, AsksStrangersForBasicAuthentication) {
  auto stranger = request("GET", "/v2/");
  stranger.headers.remove("Authorization");

  const net::Response response = registry_.handle(stranger);

  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(header(response, "WWW-Authenticate"), "Basic realm=\"slipway\"");
  EXPECT_EQ(header(response, "Docker-Distribution-API-Version"), "registry/2.0");
  EXPECT_EQ(code(response), "UNAUTHORIZED");
  EXPECT_TRUE(registry_.admit(stranger));
}

TEST_F(Distribution, AdmitsTheTokenOfGetAuthorizationToken) {
  const auto caller = iam_.check_registry_login(key_.id, key_.secret);
  ASSERT_TRUE(caller);
  const std::string password = iam_.registry_password(*caller, room_.clock.now() + 1'000'000);
  auto basic = request("GET", "/v2/");
  basic.headers.set("Authorization", "Basic " + base::base64("AWS:" + password));
  auto bearer = request("GET", "/v2/");
  bearer.headers.set("Authorization", "Bearer " + password);

  EXPECT_EQ(registry_.handle(basic).status, 200);
  EXPECT_EQ(registry_.handle(bearer).status, 200);
  EXPECT_FALSE(registry_.admit(basic));
}

TEST_F(Distribution, RefusesAWrongSecret) {
  auto wrong = request("GET", "/v2/");
  wrong.headers.set("Authorization", "Basic " + base::base64(key_.id + ":wrong"));

  EXPECT_EQ(registry_.handle(wrong).status, 401);
}

TEST_F(Distribution, TakesABlobInPieces) {
  const auto start = send("POST", "/v2/health/tumour/blobs/uploads/");
  ASSERT_EQ(start.status, 202);
  auto first = request("PATCH", header(start, "Location"), "abc");
  first.headers.set("Content-Range", "0-2");
  const auto after = registry_.handle(first);
  ASSERT_EQ(after.status, 202);
  EXPECT_EQ(header(after, "Range"), "0-2");

  auto wrong = request("PATCH", header(after, "Location"), "xyz");
  wrong.headers.set("Content-Range", "7-9");
  EXPECT_EQ(registry_.handle(wrong).status, 416);
  EXPECT_EQ(header(send("GET", header(after, "Location")), "Range"), "0-2");

  const std::string digest = digest_of("abcdef");
  const auto done = send("PUT", header(after, "Location") + "?digest=" + digest, "def");
  EXPECT_EQ(done.status, 201);
  EXPECT_EQ(header(done, "Location"), "/v2/health/tumour/blobs/" + digest);
  EXPECT_EQ(send("GET", header(after, "Location")).status, 404);
}

TEST_F(Distribution, RefusesABlobWithAnotherDigest) {
  const auto start = send("POST", "/v2/health/tumour/blobs/uploads/");
  send("PATCH", header(start, "Location"), "abc");

  const auto response = send("PUT", header(start, "Location") + "?digest=" + kUnknown);

  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(code(response), "DIGEST_INVALID");
  EXPECT_EQ(send("HEAD", "/v2/health/tumour/blobs/" + kUnknown).status, 404);
}

TEST_F(Distribution, CancelsAnUpload) {
  const auto start = send("POST", "/v2/health/tumour/blobs/uploads/");

  EXPECT_EQ(send("DELETE", header(start, "Location")).status, 204);
  EXPECT_EQ(code(send("PATCH", header(start, "Location"), "x")), "BLOB_UPLOAD_UNKNOWN");
}

TEST_F(Distribution, SendsBlobsFromTheirFile) {
  const std::string digest = put_blob("0123456789");

  const auto whole = send("GET", "/v2/health/tumour/blobs/" + digest);
  ASSERT_EQ(whole.status, 200);
  const auto& slice = std::get<net::FileSlice>(whole.body);
  EXPECT_EQ(slice.length, 10u);
  EXPECT_EQ(read_text(slice.path), "0123456789");
  EXPECT_EQ(header(whole, "Docker-Content-Digest"), digest);

  auto part = request("GET", "/v2/health/tumour/blobs/" + digest);
  part.headers.set("Range", "bytes=2-4");
  const auto partial = registry_.handle(part);
  EXPECT_EQ(partial.status, 206);
  EXPECT_EQ(std::get<net::FileSlice>(partial.body).offset, 2u);
  EXPECT_EQ(std::get<net::FileSlice>(partial.body).length, 3u);
  EXPECT_EQ(header(partial, "Content-Range"), "bytes 2-4/10");

  const auto head = send("HEAD", "/v2/health/tumour/blobs/" + digest);
  EXPECT_EQ(head.content_length, 10u);
  EXPECT_EQ(text(head), "");
}

TEST_F(Distribution, MountsABlobOrStartsAnUpload) {
  const std::string digest = put_blob("layer");

  const auto mounted =
      send("POST", "/v2/health/other/blobs/uploads/?mount=" + digest + "&from=health/tumour");
  const auto started =
      send("POST", "/v2/health/other/blobs/uploads/?mount=" + kUnknown + "&from=health/tumour");

  EXPECT_EQ(mounted.status, 201);
  EXPECT_EQ(send("HEAD", "/v2/health/other/blobs/" + digest).status, 200);
  EXPECT_EQ(started.status, 202);
}

TEST_F(Distribution, StoresAndSendsAManifestByTagAndDigest) {
  const Json manifest = image("layer");
  const auto put = put_manifest("/v2/health/tumour/manifests/1.0.0", manifest);
  ASSERT_EQ(put.status, 201);
  const std::string digest = header(put, "Docker-Content-Digest");

  const auto by_tag = send("GET", "/v2/health/tumour/manifests/1.0.0");
  const auto by_digest = send("GET", "/v2/health/tumour/manifests/" + digest);
  const auto head = send("HEAD", "/v2/health/tumour/manifests/1.0.0");

  EXPECT_EQ(text(by_tag), base::dump_json(manifest));
  EXPECT_EQ(header(by_tag, "Content-Type"), kOciManifest);
  EXPECT_EQ(text(by_digest), text(by_tag));
  EXPECT_EQ(header(head, "Docker-Content-Digest"), digest);
  EXPECT_EQ(head.content_length, text(by_tag).size());
  EXPECT_EQ(text(head), "");
}

TEST_F(Distribution, RefusesAManifestWhoseBlobsAreMissing) {
  Json manifest = image("layer");
  manifest["layers"][0]["digest"] = kUnknown;

  const auto response = put_manifest("/v2/health/tumour/manifests/1.0.0", manifest);

  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(code(response), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_EQ(send("GET", "/v2/health/tumour/manifests/1.0.0").status, 404);
}

TEST_F(Distribution, RefusesAManifestUnderAnotherDigest) {
  const auto response = put_manifest("/v2/health/tumour/manifests/" + kUnknown, image("layer"));

  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(code(response), "DIGEST_INVALID");
}

TEST_F(Distribution, RefusesAManifestThatIsTooLarge) {
  auto put = request("PUT", "/v2/health/tumour/manifests/1", std::string(kManifestLimit + 1, ' '));
  put.headers.set("Content-Type", kOciManifest);

  EXPECT_EQ(registry_.handle(put).status, 413);
}

TEST_F(Distribution, NeverMovesATagThatIsImmutable) {
  put_manifest("/v2/health/tumour/manifests/1.0.0", image("one"));
  room_.database->write([&](store::Transaction& transaction) {
    auto repository = *find_repository(transaction, {iam_.account(), "health/tumour"});
    repository.tag_mutability = "IMMUTABLE";
    update_repository(transaction, repository);
  });

  const auto moved = put_manifest("/v2/health/tumour/manifests/1.0.0", image("two"));
  const auto repeated = put_manifest("/v2/health/tumour/manifests/1.0.0", image("one"));

  EXPECT_EQ(moved.status, 400);
  EXPECT_EQ(code(moved), "TAG_INVALID");
  EXPECT_EQ(json(moved)["errors"][0]["message"],
            "The image tag '1.0.0' already exists in the 'health/tumour' repository and cannot be "
            "overwritten because the tag is immutable.");
  EXPECT_EQ(repeated.status, 201);
}

TEST_F(Distribution, ListsTagsInPages) {
  for (const char* tag : {"1.2.0", "1.0.0", "1.1.0"}) {
    put_manifest(std::string("/v2/health/tumour/manifests/") + tag, image("layer"));
  }

  const auto first = send("GET", "/v2/health/tumour/tags/list?n=2");
  const auto second = send("GET", "/v2/health/tumour/tags/list?n=2&last=1.1.0");

  EXPECT_EQ(json(first)["tags"], Json::array({"1.0.0", "1.1.0"}));
  EXPECT_EQ(header(first, "Link"), "</v2/health/tumour/tags/list?n=2&last=1.1.0>; rel=\"next\"");
  EXPECT_EQ(json(second)["tags"], Json::array({"1.2.0"}));
  EXPECT_EQ(header(second, "Link"), "");
  EXPECT_EQ(code(send("GET", "/v2/health/nothing/tags/list")), "NAME_UNKNOWN");
}

TEST_F(Distribution, ListsRepositories) {
  put_blob("layer", "health/tumour");
  put_blob("layer", "fraud/cards");

  EXPECT_EQ(json(send("GET", "/v2/_catalog"))["repositories"],
            Json::array({"fraud/cards", "health/tumour"}));
}

TEST_F(Distribution, DeletesATagWithoutItsImage) {
  const auto put = put_manifest("/v2/health/tumour/manifests/1.0.0", image("layer"));
  const std::string digest = header(put, "Docker-Content-Digest");

  EXPECT_EQ(send("DELETE", "/v2/health/tumour/manifests/1.0.0").status, 202);

  EXPECT_EQ(code(send("GET", "/v2/health/tumour/manifests/1.0.0")), "MANIFEST_UNKNOWN");
  EXPECT_EQ(send("GET", "/v2/health/tumour/manifests/" + digest).status, 200);
}

TEST_F(Distribution, DeletesAnImageWithItsTagsAndThenItsBlobs) {
  const Json manifest = image("layer");
  const auto put = put_manifest("/v2/health/tumour/manifests/1.0.0", manifest);
  const std::string layer = manifest["layers"][0]["digest"];
  EXPECT_EQ(send("DELETE", "/v2/health/tumour/blobs/" + layer).status, 405);

  const std::string digest = header(put, "Docker-Content-Digest");
  EXPECT_EQ(send("DELETE", "/v2/health/tumour/manifests/" + digest).status, 202);

  EXPECT_EQ(send("GET", "/v2/health/tumour/manifests/1.0.0").status, 404);
  EXPECT_EQ(send("DELETE", "/v2/health/tumour/blobs/" + layer).status, 202);
  EXPECT_EQ(send("HEAD", "/v2/health/tumour/blobs/" + layer).status, 404);
}

TEST_F(Distribution, ListsReferrersByArtifactType) {
  const auto put = put_manifest("/v2/health/tumour/manifests/1.0.0", image("layer"));
  const std::string digest = header(put, "Docker-Content-Digest");
  Json evidence = image("evidence");
  evidence["artifactType"] = "application/x-evidence";
  evidence["subject"] = {{"mediaType", kOciManifest}, {"digest", digest}, {"size", 1}};
  const auto referrer = put_manifest("/v2/health/tumour/manifests/evidence", evidence);
  EXPECT_EQ(header(referrer, "OCI-Subject"), digest);

  const auto all = send("GET", "/v2/health/tumour/referrers/" + digest);
  const auto other = send("GET", "/v2/health/tumour/referrers/" + digest + "?artifactType=x");

  EXPECT_EQ(header(all, "Content-Type"), kOciIndex);
  ASSERT_EQ(json(all)["manifests"].size(), 1u);
  EXPECT_EQ(json(all)["manifests"][0]["artifactType"], "application/x-evidence");
  EXPECT_EQ(json(other)["manifests"], Json::array());
  EXPECT_EQ(header(other, "OCI-Filters-Applied"), "artifactType");
  EXPECT_EQ(json(send("GET", "/v2/health/tumour/referrers/" + kUnknown))["manifests"],
            Json::array());
}

TEST_F(Distribution, GivesTheImageForThisMachineToAClientWithoutIndexes) {
  const Json manifest = image("layer");
  const auto put = put_manifest("/v2/health/tumour/manifests/amd64", manifest);
  const std::string digest = header(put, "Docker-Content-Digest");
  const Json index{
      {"schemaVersion", 2},
      {"mediaType", kOciIndex},
      {"manifests",
       Json::array({{{"mediaType", kOciManifest},
                     {"digest", digest},
                     {"size", 1},
                     {"platform", {{"os", "linux"}, {"architecture", native_architecture()}}}}})}};
  ASSERT_EQ(put_manifest("/v2/health/tumour/manifests/1.0.0", index).status, 201);
  auto old = request("GET", "/v2/health/tumour/manifests/1.0.0");
  old.headers.set("Accept", kOciManifest);

  EXPECT_EQ(header(registry_.handle(old), "Docker-Content-Digest"), digest);
  EXPECT_EQ(header(send("GET", "/v2/health/tumour/manifests/1.0.0"), "Content-Type"), kOciIndex);
  EXPECT_EQ(send("DELETE", "/v2/health/tumour/manifests/" + digest).status, 405);
}

TEST_F(Distribution, RefusesNamesAndAddressesThatAreNone) {
  EXPECT_EQ(code(send("GET", "/v2/Health/tags/list")), "NAME_INVALID");
  EXPECT_EQ(code(send("GET", "/v2/health/../tags/list")), "NAME_INVALID");
  EXPECT_EQ(send("GET", "/v2/health").status, 404);
  EXPECT_EQ(send("POST", "/v2/health/tumour/tags/list").status, 405);
  EXPECT_EQ(code(send("GET", "/v2/health/tumour/blobs/sha256:12")), "DIGEST_INVALID");
}

TEST_F(Distribution, ResolvesAndUnpacksWhatWasPushed) {
  const std::string layer = tar_of({tar_file("opt/program/serve", "run")});
  const auto put = put_manifest("/v2/health/tumour/manifests/1.0.0", image(layer));
  const std::string digest = header(put, "Docker-Content-Digest");

  const ResolvedImage resolved =
      room_.images->resolve(iam_.account(), "127.0.0.1:4700/health/tumour:1.0.0");
  const UnpackedImage unpacked = room_.images->unpack(iam_.account(), resolved.digest);

  EXPECT_EQ(resolved.digest, digest);
  EXPECT_EQ(resolved.uri, "127.0.0.1:4700/health/tumour@" + digest);
  EXPECT_FALSE(unpacked.host_base);
  EXPECT_EQ(unpacked.config.entrypoint, std::vector<std::string>{"serve"});
  ASSERT_EQ(unpacked.layers.size(), 1u);
  EXPECT_EQ(read_text(unpacked.layers[0] / "opt/program/serve"), "run");
}

TEST_F(Distribution, ResolvesNothingOfAnotherAccountAndNamesWhatIsMissing) {
  put_manifest("/v2/health/tumour/manifests/1.0.0", image("layer"));

  EXPECT_THROW(room_.images->resolve("210987654321", "health/tumour:1.0.0"), Error);
  try {
    room_.images->resolve(iam_.account(), "health/tumour:2.0.0");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    EXPECT_NE(error.message().find("health/tumour:2.0.0"), std::string::npos);
  }
}

TEST_F(Distribution, HasThePseudoImageOfTheHost) {
  const ResolvedImage resolved = room_.images->resolve(iam_.account(), "host");
  const UnpackedImage unpacked = room_.images->unpack(iam_.account(), resolved.digest);

  EXPECT_EQ(resolved.digest, "host");
  EXPECT_TRUE(unpacked.host_base);
  EXPECT_TRUE(unpacked.layers.empty());
}

}  // namespace
}  // namespace slipway::images
