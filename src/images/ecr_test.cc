#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/strings.h"
#include "iam/iam.h"
#include "images/images.h"
#include "images/test_room.h"
#include "wire/sigv4.h"

namespace slipway::images {
namespace {

constexpr const char* kAccount = "123456789012";

class Ecr : public testing::Test {
 protected:
  Ecr()
      : iam_(*room_.database, room_.clock,
             iam::IamOptions{.credentials_file = room_.directory.path() / "credentials"}),
        key_(iam_.create_access_key("root")),
        registry_(*room_.images, iam_),
        api_(iam_, room_.clock, "us-east-1") {
    register_ecr_api(api_, *room_.images, iam_, "http://127.0.0.1:4700");
  }

  // Calls the operation as a client does; the answer has its status as "status".
  Json call(const std::string& operation, const Json& input) {
    net::Request request;
    request.method = "POST";
    request.target = "/";
    request.headers.set("Host", "127.0.0.1:4700");
    request.headers.set("Content-Type", "application/x-amz-json-1.1");
    request.headers.set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921." + operation);
    const std::string body = base::dump_json(input);
    wire::sign(request, {key_.id, key_.secret, ""}, "us-east-1", "ecr", base::sha256_hex(body),
               room_.clock.now());
    request.body = net::Body(body);
    const net::Response response = api_.handle(request);
    Json answer = base::parse_json(std::get<std::string>(response.body), operation);
    answer["status"] = response.status;
    return answer;
  }
  static std::string error(const Json& answer) { return base::text_or(answer, "__type"); }

  std::string upload(const std::string& bytes) {
    const std::string id =
        call("InitiateLayerUpload", {{"repositoryName", "health/tumour"}})["uploadId"];
    call("UploadLayerPart", {{"repositoryName", "health/tumour"},
                             {"uploadId", id},
                             {"partFirstByte", 0},
                             {"partLastByte", bytes.size() - 1},
                             {"layerPartBlob", base::base64(bytes)}});
    return base::text_or(call("CompleteLayerUpload", {{"repositoryName", "health/tumour"},
                                                      {"uploadId", id},
                                                      {"layerDigests", {digest_of(bytes)}}}),
                         "layerDigest");
  }
  Json put_image(const std::string& layer, const std::string& tag) {
    upload("{}");
    upload(layer);
    const Json manifest{
        {"schemaVersion", 2},
        {"mediaType", kOciManifest},
        {"config", {{"mediaType", kOciConfig}, {"digest", digest_of("{}")}, {"size", 2}}},
        {"layers", Json::array({{{"digest", digest_of(layer)}, {"size", layer.size()}}})}};
    return call("PutImage", {{"repositoryName", "health/tumour"},
                             {"imageManifest", base::dump_json(manifest)},
                             {"imageTag", tag}});
  }
  void create() { call("CreateRepository", {{"repositoryName", "health/tumour"}}); }

  TestRoom room_;
  iam::Iam iam_;
  iam::AccessKey key_;
  Registry registry_;
  wire::Api api_;
};

TEST_F(Ecr, CreatesARepositoryWithItsDefaults) {
  const Json answer = call("CreateRepository", {{"repositoryName", "health/tumour"}});

  const Json& repository = answer["repository"];
  EXPECT_EQ(repository["repositoryArn"],
            "arn:aws:ecr:us-east-1:123456789012:repository/health/tumour");
  EXPECT_EQ(repository["repositoryUri"], "127.0.0.1:4700/health/tumour");
  EXPECT_EQ(repository["registryId"], kAccount);
  EXPECT_EQ(repository["imageTagMutability"], "MUTABLE");
  EXPECT_EQ(repository["imageScanningConfiguration"]["scanOnPush"], false);
  EXPECT_EQ(repository["encryptionConfiguration"]["encryptionType"], "AES256");
  EXPECT_TRUE(repository["createdAt"].is_number());
}

TEST_F(Ecr, RefusesARepositoryThatIsThere) {
  create();

  const Json answer = call("CreateRepository", {{"repositoryName", "health/tumour"}});

  EXPECT_EQ(answer["status"], 400);
  EXPECT_EQ(error(answer), "RepositoryAlreadyExistsException");
  EXPECT_EQ(answer["message"],
            "The repository with name 'health/tumour' already exists in the registry with id "
            "'123456789012'");
}

TEST_F(Ecr, SaysThatARepositoryIsMissing) {
  const Json answer = call("DescribeRepositories", {{"repositoryNames", {"health/tumour"}}});

  EXPECT_EQ(error(answer), "RepositoryNotFoundException");
  EXPECT_EQ(answer["message"],
            "The repository with name 'health/tumour' does not exist in the registry with id "
            "'123456789012'");
}

TEST_F(Ecr, DescribesRepositoriesInPages) {
  for (const char* name : {"c/c", "a/a", "b/b"})
    call("CreateRepository", {{"repositoryName", name}});

  const Json first = call("DescribeRepositories", {{"maxResults", 2}});
  const Json second =
      call("DescribeRepositories", {{"maxResults", 2}, {"nextToken", first["nextToken"]}});

  EXPECT_EQ(first["repositories"].size(), 2u);
  ASSERT_EQ(second["repositories"].size(), 1u);
  EXPECT_EQ(second["repositories"][0]["repositoryName"], "c/c");
  EXPECT_FALSE(second.contains("nextToken"));
}

TEST_F(Ecr, GivesAPasswordThatTheRegistryTakes) {
  const Json answer = call("GetAuthorizationToken", Json::object());

  const Json& data = answer["authorizationData"][0];
  EXPECT_EQ(data["proxyEndpoint"], "http://127.0.0.1:4700");
  net::Request request;
  request.method = "GET";
  request.target = "/v2/";
  request.headers.set("Authorization", "Basic " + data["authorizationToken"].get<std::string>());
  EXPECT_EQ(registry_.handle(request).status, 200);
  room_.clock.advance(13 * 3'600'000);
  EXPECT_EQ(registry_.handle(request).status, 401);
}

TEST_F(Ecr, PutsDescribesAndListsImages) {
  create();
  const Json put = put_image("layer", "1.0.0");
  const std::string digest = put["image"]["imageId"]["imageDigest"];

  const Json described = call("DescribeImages", {{"repositoryName", "health/tumour"}});
  const Json listed = call("ListImages", {{"repositoryName", "health/tumour"}});

  ASSERT_EQ(described["imageDetails"].size(), 1u);
  EXPECT_EQ(described["imageDetails"][0]["imageTags"], Json::array({"1.0.0"}));
  EXPECT_EQ(described["imageDetails"][0]["imageSizeInBytes"], 7);
  EXPECT_EQ(described["imageDetails"][0]["imageDigest"], digest);
  EXPECT_EQ(listed["imageIds"], Json::array({{{"imageDigest", digest}, {"imageTag", "1.0.0"}}}));
}

TEST_F(Ecr, RefusesAnImageThatIsMissingByName) {
  create();

  const Json answer = call("DescribeImages", {{"repositoryName", "health/tumour"},
                                              {"imageIds", Json::array({{{"imageTag", "9"}}})}});

  EXPECT_EQ(error(answer), "ImageNotFoundException");
  EXPECT_EQ(answer["message"],
            "The image with imageId {imageDigest:'null', imageTag:'9'} does not exist within the "
            "repository with name 'health/tumour' in the registry with id '123456789012'");
}

TEST_F(Ecr, GetsImagesAndListsFailures) {
  create();
  put_image("layer", "1.0.0");

  const Json answer = call(
      "BatchGetImage", {{"repositoryName", "health/tumour"},
                        {"imageIds", Json::array({{{"imageTag", "1.0.0"}}, {{"imageTag", "9"}}})}});

  ASSERT_EQ(answer["images"].size(), 1u);
  EXPECT_EQ(digest_of(answer["images"][0]["imageManifest"]),
            answer["images"][0]["imageId"]["imageDigest"]);
  ASSERT_EQ(answer["failures"].size(), 1u);
  EXPECT_EQ(answer["failures"][0]["failureCode"], "ImageNotFound");
}

TEST_F(Ecr, DeletesATagAndWithTheLastOneTheImage) {
  create();
  put_image("layer", "1.0.0");
  put_image("layer", "latest");
  const auto remove = [&](const std::string& tag) {
    return call("BatchDeleteImage", {{"repositoryName", "health/tumour"},
                                     {"imageIds", Json::array({{{"imageTag", tag}}})}});
  };

  EXPECT_EQ(remove("latest")["imageIds"].size(), 1u);
  EXPECT_EQ(call("DescribeImages", {{"repositoryName", "health/tumour"}})["imageDetails"].size(),
            1u);
  remove("1.0.0");
  EXPECT_EQ(call("DescribeImages", {{"repositoryName", "health/tumour"}})["imageDetails"].size(),
            0u);
  EXPECT_EQ(remove("1.0.0")["failures"][0]["failureCode"], "ImageNotFound");
}

TEST_F(Ecr, KeepsATagThatIsImmutable) {
  create();
  put_image("one", "1.0.0");
  call("PutImageTagMutability",
       {{"repositoryName", "health/tumour"}, {"imageTagMutability", "IMMUTABLE"}});

  EXPECT_EQ(error(put_image("two", "1.0.0")), "ImageTagAlreadyExistsException");
  EXPECT_EQ(error(put_image("one", "1.0.0")), "ImageAlreadyExistsException");
}

TEST_F(Ecr, DeletesARepositoryWithImagesOnlyByForce) {
  create();
  put_image("layer", "1.0.0");

  EXPECT_EQ(error(call("DeleteRepository", {{"repositoryName", "health/tumour"}})),
            "RepositoryNotEmptyException");
  EXPECT_EQ(
      call("DeleteRepository", {{"repositoryName", "health/tumour"}, {"force", true}})["status"],
      200);
  EXPECT_EQ(error(call("ListImages", {{"repositoryName", "health/tumour"}})),
            "RepositoryNotFoundException");
}

TEST_F(Ecr, TagsARepository) {
  call("CreateRepository", {{"repositoryName", "health/tumour"},
                            {"tags", Json::array({{{"Key", "team"}, {"Value", "a"}}})}});
  const std::string arn = "arn:aws:ecr:us-east-1:123456789012:repository/health/tumour";
  call("TagResource",
       {{"resourceArn", arn}, {"tags", Json::array({{{"Key", "stage"}, {"Value", "dev"}}})}});
  call("UntagResource", {{"resourceArn", arn}, {"tagKeys", {"team"}}});

  EXPECT_EQ(call("ListTagsForResource", {{"resourceArn", arn}})["tags"],
            Json::array({{{"Key", "stage"}, {"Value", "dev"}}}));
}

TEST_F(Ecr, RefusesALayerPartOutOfOrder) {
  create();
  const std::string id =
      call("InitiateLayerUpload", {{"repositoryName", "health/tumour"}})["uploadId"];

  const Json answer = call("UploadLayerPart", {{"repositoryName", "health/tumour"},
                                               {"uploadId", id},
                                               {"partFirstByte", 5},
                                               {"partLastByte", 7},
                                               {"layerPartBlob", base::base64("abc")}});

  EXPECT_EQ(error(answer), "InvalidLayerPartException");
}

TEST_F(Ecr, GivesAnAddressForALayer) {
  create();
  const std::string digest = upload("layer");
  const std::string url = call("GetDownloadUrlForLayer", {{"repositoryName", "health/tumour"},
                                                          {"layerDigest", digest}})["downloadUrl"];
  net::Request request;
  request.method = "GET";
  request.target = url.substr(std::string("http://127.0.0.1:4700").size());

  const net::Response response = registry_.handle(request);

  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(std::get<net::FileSlice>(response.body).length, 5u);
  request.target = "/v2/_catalog" + request.target.substr(request.target.find('?'));
  EXPECT_EQ(registry_.handle(request).status, 401);
}

TEST_F(Ecr, ChecksLayers) {
  create();
  const std::string digest = upload("layer");

  const Json answer = call("BatchCheckLayerAvailability",
                           {{"repositoryName", "health/tumour"},
                            {"layerDigests", {digest, digest_of("missing"), "sha256:1"}}});

  EXPECT_EQ(answer["layers"][0]["layerAvailability"], "AVAILABLE");
  EXPECT_EQ(answer["layers"][0]["layerSize"], 5);
  EXPECT_EQ(answer["layers"][1]["layerAvailability"], "UNAVAILABLE");
  EXPECT_EQ(answer["failures"][0]["failureCode"], "InvalidLayerDigest");
}

TEST_F(Ecr, KnowsNothingOfAnotherAccount) {
  create();

  const Json answer =
      call("DescribeImages", {{"registryId", "210987654321"}, {"repositoryName", "health/tumour"}});

  EXPECT_EQ(error(answer), "RepositoryNotFoundException");
}

}  // namespace
}  // namespace slipway::images
