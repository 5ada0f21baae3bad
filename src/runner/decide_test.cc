#include "runner/decide.h"

#include <gtest/gtest.h>

namespace slipway::runner {
namespace {

TEST(ExpandOnce, ReplacesNamesAsGoDoes) {
  const ci::Variables variables{{"A", "one"}, {"B", "$A"}, {"EMPTY", ""}, {"A", "two"}};
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},          {"plain", "plain"},   {"$A", "two"},    {"${A}x", "twox"},
      {"$B", "$A"},      {"$A$A", "twotwo"},   {"a$", "a$"},     {"$$A", "$A"},
      {"$NONE.", "."},   {"${NONE}", ""},      {"$EMPTY-", "-"}, {"$1$@", ""},
      {"$A/b", "two/b"}, {"100% $", "100% $"}, {"$ A", "$ A"},   {"${A", "A"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(expand_once(text, variables), expected) << text;
  }
}

TEST(ArtifactRequests, AreTheArchiveAndThenTheReports) {
  const Json options = Json::parse(R"({"artifacts": {
    "paths": ["build/", "x"], "exclude": ["build/tmp"], "name": "out", "when": "on_failure",
    "expire_in": "1 week",
    "reports": {"dotenv": "build.env", "junit": ["a.xml", "b.xml"], "sast": "s.json",
                "coverage_report": {"coverage_format": "cobertura", "path": "c.xml"}}}})");
  const auto requests = artifact_requests(options);
  ASSERT_EQ(requests.size(), 5u);
  EXPECT_EQ(requests[0].type, "archive");
  EXPECT_EQ(requests[0].format, "zip");
  EXPECT_EQ(requests[0].name, "out");
  EXPECT_EQ(requests[0].when, "on_failure");
  EXPECT_EQ(requests[0].expire_in, "1 week");
  EXPECT_EQ(requests[0].exclude, std::vector<std::string>{"build/tmp"});
  EXPECT_EQ(requests[1].type, "cobertura");
  EXPECT_EQ(requests[1].paths, std::vector<std::string>{"c.xml"});
  EXPECT_EQ(requests[2].type, "dotenv");
  EXPECT_EQ(requests[2].name, ".env");
  EXPECT_EQ(requests[2].format, "gzip");
  EXPECT_EQ(requests[2].when, "always");
  EXPECT_EQ(requests[3].type, "junit");
  EXPECT_EQ(requests[3].paths.size(), 2u);
  EXPECT_EQ(requests[4].format, "raw");
}

TEST(ArtifactRequests, AreNoneWithoutPaths) {
  EXPECT_TRUE(artifact_requests(Json::object()).empty());
  EXPECT_TRUE(artifact_requests(Json::parse(R"({"artifacts": {"expire_in": "1 day"}})")).empty());
  const auto untracked = artifact_requests(Json::parse(R"({"artifacts": {"untracked": true}})"));
  ASSERT_EQ(untracked.size(), 1u);
  EXPECT_TRUE(untracked[0].untracked);
}

TEST(IsDue, FollowsTheEnding) {
  EXPECT_TRUE(is_due("on_success", true));
  EXPECT_FALSE(is_due("on_success", false));
  EXPECT_FALSE(is_due("on_failure", true));
  EXPECT_TRUE(is_due("on_failure", false));
  EXPECT_TRUE(is_due("always", true));
  EXPECT_TRUE(is_due("always", false));
}

TEST(CacheRequests, HaveKeysWithProtection) {
  const auto changed = [](const std::string& path) {
    return path == "gone" ? std::string() : "commit-of-" + path;
  };
  const Json options = Json::parse(R"({"cache": [
    {"paths": ["p"]},
    {"key": "$CI_COMMIT_REF_SLUG", "paths": ["p"], "fallback_keys": ["main"], "policy": "pull"},
    {"key": {"files": ["a", "gone"], "prefix": "pip"}, "paths": ["p"], "unprotect": true},
    {"key": {"files": ["gone"]}, "paths": ["p"]},
    {"key": "nothing"}]})");
  const auto requests = cache_requests(options, true, changed);
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[0].key, "default-protected");
  EXPECT_EQ(requests[1].key, "$CI_COMMIT_REF_SLUG-protected");
  EXPECT_EQ(requests[1].fallback_keys, std::vector<std::string>{"main-protected"});
  EXPECT_EQ(requests[1].policy, "pull");
  EXPECT_TRUE(requests[2].key.starts_with("pip-"));
  EXPECT_TRUE(requests[2].key.ends_with("-non_protected"));
  EXPECT_EQ(requests[2].key.size(), 4 + 40 + std::string("-non_protected").size());
  EXPECT_EQ(requests[3].key, "default-protected");
  const Json one = Json::parse(R"({"cache": {"key": "k-protected", "paths": ["p"]}})");
  EXPECT_EQ(cache_requests(one, false, changed).at(0).key, "k-protected");
}

TEST(ServiceRequests, TakeStringsAndObjects) {
  const auto services = service_requests(Json::parse(R"({"services": ["postgres:16",
    {"name": "redis", "alias": "cache, store", "command": ["redis-server"],
     "variables": {"A": "b"}}]})"));
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(services[0].image, "postgres:16");
  EXPECT_EQ(services[1].aliases, (std::vector<std::string>{"cache", "store"}));
  EXPECT_EQ(services[1].command->at(0), "redis-server");
  EXPECT_EQ(services[1].variables.at(0).value, "b");
}

TEST(Refspecs, NameThePipelineFirst) {
  ci::Pipeline pipeline;
  pipeline.id = 7;
  pipeline.ref = "main";
  EXPECT_EQ(refspecs(pipeline, 20),
            (std::vector<std::string>{"+refs/pipelines/7:refs/pipelines/7",
                                      "+refs/heads/main:refs/remotes/origin/main"}));
  EXPECT_EQ(refspecs(pipeline, 0).size(), 3u);
  pipeline.tag = true;
  EXPECT_EQ(refspecs(pipeline, 5).at(1), "+refs/tags/main:refs/tags/main");
}

TEST(Refspecs, NameNoBranchForAMergeRequest) {
  ci::Pipeline pipeline;
  pipeline.id = 7;
  pipeline.ref = "refs/merge-requests/3/head";
  EXPECT_EQ(refspecs(pipeline, 20), std::vector<std::string>{"+refs/pipelines/7:refs/pipelines/7"});
}

TEST(DepthOf, PrefersTheVariable) {
  forge::Project project;
  EXPECT_EQ(depth_of(project, {}), 20);
  project.settings["ci_default_git_depth"] = 50;
  EXPECT_EQ(depth_of(project, {}), 50);
  EXPECT_EQ(depth_of(project, {{"GIT_DEPTH", "0"}}), 0);
  EXPECT_EQ(depth_of(project, {{"GIT_DEPTH", "many"}}), 50);
}

TEST(IsCommonBase, KnowsTheUsualNames) {
  for (const char* image :
       {"python:3.11", "python", "python:3.12-slim", "docker.io/library/python:3",
        "alpine@sha256:0123", "public.ecr.aws/docker/library/debian:12", "amazon/aws-cli:latest"}) {
    EXPECT_TRUE(is_common_base(image)) << image;
  }
  for (const char* image : {"health/tumour:1", "127.0.0.1:4700/health/tumour", "pythonic", "",
                            "registry.example.com/python:3"}) {
    EXPECT_FALSE(is_common_base(image)) << image;
  }
}

TEST(UpdateOf, SpeaksTheCoordinatorsWords) {
  EXPECT_EQ(update_of({Ending::kSuccess, 0, ""}).state, "success");
  EXPECT_EQ(update_of({Ending::kSuccess, 0, ""}).failure_reason, "");
  const std::pair<Ending, const char*> reasons[] = {
      {Ending::kScriptFailure, "script_failure"},
      {Ending::kTimeout, "job_execution_timeout"},
      {Ending::kImageFailure, "image_pull_failure"},
      {Ending::kSystemFailure, "runner_system_failure"},
  };
  for (const auto& [ending, reason] : reasons) {
    const ci::JobUpdate update = update_of({ending, 3, ""});
    EXPECT_EQ(update.state, "failed");
    EXPECT_EQ(update.failure_reason, reason);
    EXPECT_EQ(update.exit_code.has_value(), ending == Ending::kScriptFailure);
  }
}

TEST(DurationText, IsGos) {
  EXPECT_EQ(duration_text(std::chrono::seconds(5)), "5s");
  EXPECT_EQ(duration_text(std::chrono::seconds(65)), "1m5s");
  EXPECT_EQ(duration_text(std::chrono::hours(1)), "1h0m0s");
}

TEST(FileNameOf, KeepsKeysApart) {
  EXPECT_NE(file_name_of("a/b"), file_name_of("a_b"));
  EXPECT_NE(file_name_of(".."), "..");
  EXPECT_EQ(file_name_of("a/../../b").find('/'), std::string::npos);
  EXPECT_LT(file_name_of(std::string(5000, 'x')).size(), 200u);
}

TEST(LackingFeatures, AreThoseThatTheJobNeeds) {
  const auto of = [](const char* options, const char* features) {
    ci_config::JobSpec spec;
    spec.options = Json::parse(options);
    return lacking_features(spec, {{"features", Json::parse(features)}});
  };
  using Names = std::vector<std::string>;
  const char* plain = R"({"artifacts": {"paths": ["a"]}, "cache": [{"paths": ["c"]}]})";
  const char* report = R"({"artifacts": {"reports": {"junit": ["r.xml"]}}})";
  const char* rich = R"({"artifacts": {"paths": ["a"], "exclude": ["b"]},
                         "cache": [{"paths": ["c"]}, {"paths": ["c"], "fallback_keys": ["k"]}]})";
  EXPECT_EQ(of(plain, R"({"variables": true})"), Names{});
  EXPECT_EQ(of(report, R"({"variables": true})"), Names{"upload_multiple_artifacts"});
  EXPECT_EQ(of(report, R"({"upload_multiple_artifacts": true})"), Names{});
  EXPECT_EQ(of(report, R"({"upload_multiple_artifacts": false})"),
            Names{"upload_multiple_artifacts"});
  EXPECT_EQ(of(rich, R"({"variables": true})"),
            (Names{"artifacts_exclude", "fallback_cache_keys"}));
  EXPECT_EQ(of(rich, R"({"artifacts_exclude": true, "fallback_cache_keys": true})"), Names{});
  EXPECT_EQ(of(rich, "{}"), Names{}) << "it says nothing of features";

  ci_config::JobSpec spec;
  spec.allow_failure_exit_codes = {3};
  const Json info{{"features", {{"variables", true}}}};
  EXPECT_EQ(lacking_features(spec, info), Names{"return_exit_code"});
  spec.allow_failure_exit_codes.clear();
  spec.retry.exit_codes = {3};
  EXPECT_EQ(lacking_features(spec, info), Names{"return_exit_code"});
}

}  // namespace
}  // namespace slipway::runner
