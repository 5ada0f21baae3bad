#include "models/models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "images/images.h"
#include "objects/objects.h"
#include "store/files.h"
#include "store/outbox.h"
#include "store/resources.h"

namespace slipway::models {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

constexpr const char* kAccount = "123456789012";
const std::string kPrefix = "arn:aws:sagemaker:us-east-1:123456789012:";

class ModelsTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("models-" + base::random_hex(16));
    database_ = store::Database::in_memory_for_test();
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    spool_ = std::make_unique<store::Spool>(directory_ / "spool");
    images_ = std::make_unique<images::Images>(*database_, clock_, store::system_disk(), *spool_,
                                               images::ImagesOptions{.directory = directory_});
    objects_ = std::make_unique<objects::Objects>(
        *database_, clock_, store::system_disk(), *spool_,
        objects::ObjectsOptions{.directory = directory_ / "objects"});
    models_ = std::make_unique<Models>(*database_, clock_, *images_, *objects_, "us-east-1");
  }
  void TearDown() override {
    models_.reset();
    objects_.reset();
    images_.reset();
    spool_.reset();
    fs::remove_all(directory_);
  }

  static wire::Caller caller() {
    return {.account = kAccount,
            .arn = "arn:aws:iam::123456789012:user/ana",
            .user_id = "AIDA1",
            .access_key = "AKIA1"};
  }
  void create_model(const std::string& name, const Json& more = Json::object()) {
    Json input = {{"ModelName", name}, {"PrimaryContainer", {{"Image", "elsewhere/repo:1"}}}};
    input.update(more);
    models_->create_model(caller(), input);
    clock_.advance(1000);
  }
  void create_group(const std::string& name) {
    models_->create_group(caller(), {{"ModelPackageGroupName", name}});
    clock_.advance(1000);
  }
  std::string create_version(const std::string& group, const Json& more = Json::object()) {
    Json input = {
        {"ModelPackageGroupName", group},
        {"InferenceSpecification",
         {{"Containers", {{{"Image", "elsewhere/repo:1"}, {"ModelDataUrl", "s3://b/m.tar.gz"}}}}}}};
    input.update(more);
    const Json answer = models_->create_package(caller(), input);
    clock_.advance(1000);
    return base::text_or(answer, "ModelPackageArn");
  }
  void approve(const std::string& arn, const std::string& status = "Approved") {
    models_->update_package(caller(), {{"ModelPackageArn", arn}, {"ModelApprovalStatus", status}});
  }
  static std::pair<std::string, std::string> refusal(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return {error.code(), error.message()};
    }
    return {};
  }
  static std::vector<std::string> members(const Json& answer, const char* list,
                                          const char* member) {
    std::vector<std::string> found;
    for (const Json& item : answer[list]) found.push_back(item[member]);
    return found;
  }
  std::vector<std::string> events() {
    std::vector<std::string> types;
    const auto found =
        database_->read([](store::Reader& reader) { return store::events_after(reader, 0, 100); });
    for (const store::Event& event : found) types.push_back(event.type + " " + event.subject);
    return types;
  }
  Json tags(const std::string& arn) {
    return models_->list_tags(kAccount, {{"ResourceArn", arn}})["Tags"];
  }

  fs::path directory_;
  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<images::Images> images_;
  std::unique_ptr<objects::Objects> objects_;
  std::unique_ptr<Models> models_;
};

using Refusal = std::pair<std::string, std::string>;

TEST_F(ModelsTest, AModelIsCreatedOnceAndGoesForGood) {
  create_model("a", {{"Tags", {{{"Key", "team"}, {"Value", "health"}}}}});
  const std::string arn = kPrefix + "model/a";

  EXPECT_EQ(models_->describe_model(kAccount, {{"ModelName", "a"}})["ModelArn"], arn);
  EXPECT_EQ(tags(arn), (Json{{{"Key", "team"}, {"Value", "health"}}}));
  EXPECT_EQ(
      refusal([&] { create_model("a"); }),
      Refusal("ValidationException", "Cannot create already existing model \"" + arn + "\"."));

  models_->delete_model(kAccount, {{"ModelName", "a"}});

  const Refusal gone("ValidationException", "Could not find model \"" + arn + "\".");
  EXPECT_EQ(refusal([&] { models_->describe_model(kAccount, {{"ModelName", "a"}}); }), gone);
  EXPECT_EQ(refusal([&] { models_->delete_model(kAccount, {{"ModelName", "a"}}); }), gone);
  EXPECT_EQ(refusal([&] { models_->containers_of(kAccount, "a"); }), gone);
}

TEST_F(ModelsTest, ModelsAreListedNewestFirstInPages) {
  for (const char* name : {"a", "b", "c"}) create_model(name);

  const Json first = models_->list_models(kAccount, {{"MaxResults", 2}});
  const Json second =
      models_->list_models(kAccount, {{"MaxResults", 2}, {"NextToken", first["NextToken"]}});

  EXPECT_THAT(members(first, "Models", "ModelName"), ElementsAre("c", "b"));
  EXPECT_THAT(members(second, "Models", "ModelName"), ElementsAre("a"));
  EXPECT_FALSE(second.contains("NextToken"));
}

TEST_F(ModelsTest, ContainersHaveNetworkOnlyWhereAskedFor) {
  const Json vpc = {{"SecurityGroupIds", {"sg-1"}}, {"Subnets", {"subnet-1"}}};
  create_model("plain");
  create_model("open", {{"VpcConfig", vpc}});
  create_model("isolated", {{"VpcConfig", vpc}, {"EnableNetworkIsolation", true}});

  EXPECT_FALSE(models_->containers_of(kAccount, "plain")[0].network);
  EXPECT_TRUE(models_->containers_of(kAccount, "open")[0].network);
  EXPECT_FALSE(models_->containers_of(kAccount, "isolated")[0].network);
}

TEST_F(ModelsTest, AGroupIsCreatedOnceAndDeletedEmpty) {
  create_group("tumour");
  const std::string arn = kPrefix + "model-package-group/tumour";
  const Json name = {{"ModelPackageGroupName", "tumour"}};

  EXPECT_EQ(models_->describe_group(kAccount,
                                    {{"ModelPackageGroupName", arn}})["ModelPackageGroupStatus"],
            "Completed");
  EXPECT_EQ(refusal([&] { create_group("tumour"); }),
            Refusal("ValidationException", "Model Package Group already exists: " + arn));
  const std::string version = create_version("tumour");
  EXPECT_EQ(refusal([&] { models_->delete_group(kAccount, name); }).first, "ConflictException");

  models_->delete_package(kAccount, {{"ModelPackageName", version}});
  models_->delete_group(kAccount, name);

  const Refusal gone("ValidationException", "Model Package Group " + arn + " does not exist.");
  EXPECT_EQ(refusal([&] { models_->describe_group(kAccount, name); }), gone);
  EXPECT_EQ(refusal([&] { create_version("tumour"); }), gone);
}

TEST_F(ModelsTest, VersionsCountUpAndNoNumberComesTwice) {
  create_group("tumour");
  const std::string prefix = kPrefix + "model-package/tumour/";

  EXPECT_EQ(create_version("tumour"), prefix + "1");
  EXPECT_EQ(create_version("tumour"), prefix + "2");
  models_->delete_package(kAccount, {{"ModelPackageName", prefix + "2"}});
  EXPECT_EQ(create_version("tumour"), prefix + "3");

  for (const char* version : {"1", "3"}) {
    models_->delete_package(kAccount, {{"ModelPackageName", prefix + version}});
  }
  models_->delete_group(kAccount, {{"ModelPackageGroupName", "tumour"}});
  create_group("tumour");
  EXPECT_EQ(create_version("tumour"), prefix + "4");
}

TEST_F(ModelsTest, ARequestThatIsSentTwiceCreatesOneVersion) {
  create_group("tumour");
  const Json token = {{"ClientToken", "0b5a"}};

  const std::string first = create_version("tumour", token);

  EXPECT_EQ(create_version("tumour", token), first);
  EXPECT_EQ(refusal([&] {
              create_version("tumour", {{"ClientToken", "0b5a"}, {"Domain", "VISION"}});
            }).first,
            "ConflictException");
  models_->delete_package(kAccount, {{"ModelPackageName", first}});
  EXPECT_NE(create_version("tumour", token), first);
}

TEST_F(ModelsTest, ChangesOfApprovalAreEvents) {
  create_group("tumour");
  const std::string arn = create_version("tumour");
  approve(arn, "Rejected");
  approve(arn, "Rejected");
  approve(arn);
  const std::string ready = create_version("tumour", {{"ModelApprovalStatus", "Approved"}});

  EXPECT_THAT(events(), ElementsAre("ModelPackage.Created " + arn, "ModelPackage.Rejected " + arn,
                                    "ModelPackage.Approved " + arn, "ModelPackage.Created " + ready,
                                    "ModelPackage.Approved " + ready));
}

TEST_F(ModelsTest, ARefusedChangeLeavesNoTrace) {
  create_group("tumour");
  const std::string arn = create_version("tumour", {{"ModelApprovalStatus", "Approved"}});
  const auto before = events();

  const auto refused = refusal([&] {
    models_->update_package(caller(),
                            {{"ModelPackageArn", arn},
                             {"ModelApprovalStatus", "Rejected"},
                             {"InferenceSpecification", {{"Containers", Json::array()}}}});
  });

  EXPECT_EQ(refused.first, "ValidationException");
  EXPECT_EQ(events(), before);
  EXPECT_EQ(models_->describe_package(kAccount, {{"ModelPackageName", arn}})["ModelApprovalStatus"],
            "Approved");
}

TEST_F(ModelsTest, AModelFromAPackageNeedsApprovalAndGetsImageAndData) {
  create_group("tumour");
  const std::string arn = create_version("tumour");
  const Json from_package = {{"PrimaryContainer", {{"ModelPackageName", arn}}}};

  EXPECT_EQ(refusal([&] { create_model("a", from_package); }),
            Refusal("ValidationException",
                    "Cannot create a model from " + arn +
                        ": its approval status is PendingManualApproval and must be Approved."));

  approve(arn);
  create_model("a", from_package);
  const auto containers = models_->containers_of(kAccount, "a");
  ASSERT_EQ(containers.size(), 1u);
  EXPECT_EQ(containers[0].image, "elsewhere/repo:1");
  EXPECT_EQ(containers[0].model_data_url, "s3://b/m.tar.gz");

  models_->delete_package(kAccount, {{"ModelPackageName", arn}});
  EXPECT_EQ(refusal([&] { models_->containers_of(kAccount, "a"); }).first, "ValidationException");
}

TEST_F(ModelsTest, PackagesAreListedByGroupTypeAndApproval) {
  create_group("tumour");
  create_group("spam");
  const std::string first = create_version("tumour");
  const std::string second = create_version("tumour");
  const std::string other = create_version("spam");
  models_->create_package(caller(), {{"ModelPackageName", "plain"}});
  approve(first);
  approve(second);
  const auto list = [&](const Json& input) {
    return members(models_->list_packages(kAccount, input), "ModelPackageSummaryList",
                   "ModelPackageArn");
  };

  EXPECT_THAT(list({{"ModelPackageGroupName", "tumour"}}), ElementsAre(first, second));
  EXPECT_THAT(list({{"ModelPackageGroupName", "tumour"},
                    {"ModelApprovalStatus", "Approved"},
                    {"SortBy", "CreationTime"},
                    {"SortOrder", "Descending"},
                    {"MaxResults", 1}}),
              ElementsAre(second));
  EXPECT_THAT(list(Json::object()), ElementsAre(kPrefix + "model-package/plain"));
  EXPECT_THAT(list({{"ModelPackageType", "Versioned"}}), ElementsAre(first, second, other));
  EXPECT_THAT(list({{"ModelPackageType", "Versioned"}, {"NameContains", "PAM"}}),
              ElementsAre(other));
  EXPECT_EQ(list({{"ModelPackageType", "Both"}}).size(), 4u);
}

TEST_F(ModelsTest, GroupsAndPackagesAreFoundBySearch) {
  for (const char* group : {"tumour", "spam"}) create_group(group);
  for (int i = 0; i < 3; ++i) create_version("tumour");
  const auto by_group = [](const char* resource) {
    return Json{{"Resource", resource},
                {"SearchExpression",
                 {{"Filters", {{{"Name", "ModelPackageGroupName"}, {"Value", "tumour"}}}}}}};
  };

  const Json groups = models_->search(kAccount, by_group("ModelPackageGroup"))["Results"];
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]["ModelPackageGroup"]["ModelPackageGroupName"], "tumour");

  Json query = by_group("ModelPackage");
  query["MaxResults"] = 2;
  const Json first = models_->search(kAccount, query);
  query["NextToken"] = first["NextToken"];
  const Json second = models_->search(kAccount, query);
  EXPECT_EQ(first["Results"][0]["ModelPackage"]["ModelPackageVersion"], 3);
  EXPECT_EQ(second["Results"].size(), 1u);
  EXPECT_EQ(second["Results"][0]["ModelPackage"]["ModelPackageVersion"], 1);
  EXPECT_FALSE(second.contains("NextToken"));
  query["SortOrder"] = "Ascending";
  EXPECT_EQ(refusal([&] { models_->search(kAccount, query); }).first, "ValidationException");
  EXPECT_EQ(refusal([&] {
              models_->search(kAccount, {{"Resource", "Experiment"}});
            }).first,
            "ValidationException");
}

TEST_F(ModelsTest, TagsBelongToAnyArnOfTheAccount) {
  const std::string job = kPrefix + "training-job/a";
  const Json tag = {{{"Key", "a"}, {"Value", "1"}}};

  EXPECT_EQ(models_->add_tags(kAccount, {{"ResourceArn", job}, {"Tags", tag}})["Tags"], tag);
  EXPECT_EQ(tags(job), tag);
  models_->delete_tags(kAccount, {{"ResourceArn", job}, {"TagKeys", {"a"}}});
  EXPECT_TRUE(tags(job).empty());

  for (const char* arn : {"arn:aws:sagemaker:us-east-1:210987654321:training-job/a",
                          "arn:aws:sagemaker:us-east-1:123456789012:model/unknown"}) {
    EXPECT_EQ(refusal([&] {
                models_->add_tags(kAccount, {{"ResourceArn", arn}, {"Tags", tag}});
              }).first,
              "ValidationException");
  }
}

TEST_F(ModelsTest, AResourceHasAtMostFiftyTags) {
  const std::string job = kPrefix + "training-job/a";
  Json many = Json::array();
  for (int i = 0; i < 50; ++i) many.push_back({{"Key", std::to_string(i)}, {"Value", ""}});
  models_->add_tags(kAccount, {{"ResourceArn", job}, {"Tags", many}});

  EXPECT_EQ(refusal([&] {
              models_->add_tags(
                  kAccount, {{"ResourceArn", job}, {"Tags", {{{"Key", "more"}, {"Value", ""}}}}});
            }).first,
            "ResourceLimitExceeded");
  EXPECT_EQ(tags(job).size(), 50u);
}

TEST_F(ModelsTest, TagsOfAVersionGoWithIt) {
  create_group("tumour");
  const std::string arn = create_version("tumour", {{"Tags", {{{"Key", "a"}, {"Value", "1"}}}}});
  EXPECT_EQ(tags(arn).size(), 1u);

  models_->delete_package(kAccount, {{"ModelPackageName", arn}});

  EXPECT_TRUE(
      database_->read([&](store::Reader& reader) { return store::tags_of(reader, arn); }).empty());
}

Json of_data(const std::string& url) {
  return {{"InferenceSpecification",
           {{"Containers", {{{"Image", "elsewhere/repo:1"}, {"ModelDataUrl", url}}}}}}};
}

TEST_F(ModelsTest, EvidenceIsGatheredAtRegistration) {
  objects_->ensure_bucket(kAccount, "data");
  objects_->put(kAccount, "data", "m.tar.gz", "weights");
  objects_->put(kAccount, "data", "report.json",
                R"({"classification": {"f1": {"value": 0.9}, "auc": {"value": 0.8}}})");
  create_group("tumour");
  const std::string first =
      create_version("tumour", {{"ModelApprovalStatus", "Approved"},
                                {"CustomerMetadataProperties", {{"metric.f1", "0.75"}}}});
  create_version("tumour");  // waits: not live
  Json more = of_data("s3://data/m.tar.gz");
  more["CustomerMetadataProperties"] = {
      {"commit", "4f2a"}, {"dataDigest", "sha256:d"}, {"metric.f1", "0.1"}};
  more["ModelMetrics"] = {
      {"ModelQuality",
       {{"Statistics",
         {{"ContentType", "application/json"}, {"S3Uri", "s3://data/report.json"}}}}}};
  const std::string arn = create_version("tumour", more);

  const Json evidence = models_->evidence(kAccount, arn);

  EXPECT_EQ(evidence["Commit"], "4f2a");
  EXPECT_EQ(evidence["DataDigest"], "sha256:d");
  EXPECT_EQ(evidence["ModelData"], Json::parse(R"([{"Url": "s3://data/m.tar.gz",
                             "Digest": "md5:63f4f1e9b725370f459720575cd5f953"}])"));
  EXPECT_EQ(evidence["Images"], Json::array());  // it lies elsewhere
  EXPECT_EQ(evidence["Metrics"], Json::parse(R"({"f1": 0.9, "auc": 0.8})"));
  EXPECT_EQ(evidence["Live"], (Json{{"ModelPackageArn", first},
                                    {"ModelPackageVersion", 1},
                                    {"Metrics", {{"f1", 0.75}}},
                                    {"Basis", "NewestApproved"}}));
  EXPECT_EQ(evidence["Difference"].size(), 1u);
  EXPECT_NEAR(evidence["Difference"]["f1"].get<double>(), 0.15, 1e-9);
  // Stock clients see what they wrote and nothing else.
  const Json described = models_->describe_package(kAccount, {{"ModelPackageName", arn}});
  EXPECT_FALSE(described.contains("Evidence"));
  EXPECT_EQ(described["CustomerMetadataProperties"], more["CustomerMetadataProperties"]);
  const auto all =
      database_->read([](store::Reader& reader) { return store::events_after(reader, 0, 100); });
  EXPECT_EQ(all.back().detail["Evidence"]["Commit"], "4f2a");
  EXPECT_EQ(refusal([&] { models_->evidence(kAccount, arn + "9"); }).first, "ValidationException");
}

TEST_F(ModelsTest, ComparesWithTheVersionThatAnEndpointServes) {
  const auto figures = [](const char* f1) {
    return Json{{"CustomerMetadataProperties", {{"metric.f1", f1}}}};
  };
  std::vector<ServedModel> served;
  models_->compare_with([&](const std::string&) { return served; });
  create_group("tumour");
  create_group("other");
  const std::string first = create_version("tumour", figures("0.5"));
  const std::string second = create_version("tumour", figures("0.6"));
  const std::string foreign = create_version("other", figures("0.1"));
  for (const std::string& arn : {first, second, foreign}) {
    approve(arn);
    models_->create_model(caller(), {{"ModelName", "m" + base::sha256_hex(arn).substr(0, 8)},
                                     {"ExecutionRoleArn", "arn:aws:iam::123456789012:role/r"},
                                     {"PrimaryContainer", {{"ModelPackageName", arn}}}});
  }
  const auto serve = [&](const std::string& endpoint, const std::string& arn) {
    served.push_back({endpoint, "m" + base::sha256_hex(arn).substr(0, 8)});
  };
  const auto live = [&] {
    return models_->evidence(kAccount, create_version("tumour", figures("0.9")))["Live"];
  };

  EXPECT_EQ(live()["ModelPackageVersion"], 2);
  EXPECT_EQ(live()["Basis"], "NewestApproved");
  serve("elsewhere", foreign);
  served.push_back({"broken", "no-such-model"});
  EXPECT_EQ(live()["Basis"], "NewestApproved") << "no endpoint serves this model";
  serve("tumour-live", first);
  EXPECT_EQ(live(), (Json{{"ModelPackageArn", first},
                          {"ModelPackageVersion", 1},
                          {"Metrics", {{"f1", 0.5}}},
                          {"Basis", "Endpoint"},
                          {"EndpointName", "tumour-live"}}));
  serve("tumour-next", second);
  EXPECT_EQ(live()["EndpointName"], "tumour-next");
  approve(second, "Rejected");
  EXPECT_EQ(live()["ModelPackageVersion"], 2)
      << "what is served is live, whatever is thought of it";
}

TEST_F(ModelsTest, WhatChangedSinceIsNotApproved) {
  objects_->ensure_bucket(kAccount, "data");
  objects_->put(kAccount, "data", "m.tar.gz", "weights");
  create_group("tumour");
  const std::string arn = create_version("tumour", of_data("s3://data/m.tar.gz"));
  const std::string folder = create_version("tumour", of_data("s3://data/folder/"));

  objects_->put(kAccount, "data", "m.tar.gz", "others");
  const Refusal refused = refusal([&] { approve(arn); });
  EXPECT_EQ(refused.first, "ConflictException");
  EXPECT_EQ(refused.second,
            "The model package " + arn +
                " cannot be approved, because it is not what was registered: the model data "
                "s3://data/m.tar.gz had the digest md5:63f4f1e9b725370f459720575cd5f953 and has "
                "md5:5e2bab0ecb94c4ea40777733195abe1b now. Register a new version.");
  EXPECT_EQ(models_->evidence(kAccount, arn)["ModelApprovalStatus"], "PendingManualApproval");
  // It may be rejected, and approved when it is again what it was.
  EXPECT_NO_THROW(approve(arn, "Rejected"));
  objects_->put(kAccount, "data", "m.tar.gz", "weights");
  EXPECT_NO_THROW(approve(arn));
  const Json history = models_->evidence(kAccount, arn)["ApprovalHistory"];
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[2]["By"], caller().arn);
  // Where nothing was known at registration there is nothing to compare with.
  objects_->put(kAccount, "data", "folder/x", "1");
  EXPECT_NO_THROW(approve(folder));
  const std::string later = create_version("tumour", of_data("s3://data/folder/"));
  objects_->put(kAccount, "data", "folder/y", "1");
  EXPECT_EQ(refusal([&] { approve(later); }).first, "ConflictException");
}

TEST_F(ModelsTest, WhatChangedAfterItsApprovalIsNotServed) {
  objects_->ensure_bucket(kAccount, "data");
  create_group("tumour");
  const std::string arn = create_version("tumour", of_data("s3://data/m.tar.gz"));
  objects_->put(kAccount, "data", "m.tar.gz", "weights");  // signed by the approval
  approve(arn);
  create_model("a", {{"PrimaryContainer", {{"ModelPackageName", arn}}}});
  EXPECT_NO_THROW(models_->containers_of(kAccount, "a"));
  objects_->put(kAccount, "data", "m.tar.gz", "others");
  EXPECT_EQ(refusal([&] { models_->containers_of(kAccount, "a"); }).first, "ValidationException");
  const Json from_package{{"PrimaryContainer", {{"ModelPackageName", arn}}}};
  EXPECT_THAT(refusal([&] { create_model("b", from_package); }).second,
              testing::HasSubstr("cannot be served, because it is not what was registered"));
}

}  // namespace
}  // namespace slipway::models
