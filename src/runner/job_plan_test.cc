// What a job consists of, for the executor and for a stock runner.

#include "runner/job_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/payload.h"

namespace slipway::runner {
namespace {

using testing::ElementsAre;

ci::Assignment an_assignment() {
  ci::Assignment assignment;
  assignment.project.id = 3;
  assignment.project.name = "Tumour";
  assignment.project.full_path = "health/tumour";
  assignment.project.space = 8;
  assignment.pipeline.id = 7;
  assignment.pipeline.ref = "main";
  assignment.pipeline.sha = std::string(40, 'a');
  assignment.job.id = 12;
  assignment.job.user = 1;
  assignment.job.queued = 1'000;
  assignment.job.spec.name = "build";
  assignment.job.spec.stage = "build";
  assignment.job.spec.script = {"make"};
  assignment.token = "glcbt-t";
  assignment.timeout = std::chrono::seconds(600);
  assignment.variables = {{"A", "$B!"}, {"B", "b"}, {"CI_REGISTRY", "127.0.0.1:4700"}};
  return assignment;
}

PlanFacts facts() {
  PlanFacts facts;
  facts.place = 1;
  facts.slot = 2;
  facts.last_change = [](const std::string&) { return std::string(40, 'c'); };
  return facts;
}

TEST(HostsWith, AddsTheNamesToTheMachines) {
  EXPECT_EQ(hosts_with("127.0.0.1 localhost\n", {"db", "g-db"}),
            "127.0.0.1 localhost\n127.0.0.1 db\n127.0.0.1 g-db\n");
  EXPECT_EQ(hosts_with("::1 localhost", {"db", "a b", "c\n1.2.3.4 d"}),
            "::1 localhost\n127.0.0.1 db\n");
}

TEST(Trust, NamesTheBundleToEachToolButWhereTheImageKnowsBetter) {
  const auto trust =
      trust_in("/b.pem", {"PATH=/bin", "CURL_CA_BUNDLE=/own.pem", "SSL_CERT_FILES=x"});
  EXPECT_THAT(trust, testing::UnorderedElementsAre(testing::Pair("AWS_CA_BUNDLE", "/b.pem"),
                                                   testing::Pair("CI_SERVER_TLS_CA_FILE", "/b.pem"),
                                                   testing::Pair("GIT_SSL_CAINFO", "/b.pem"),
                                                   testing::Pair("NODE_EXTRA_CA_CERTS", "/b.pem"),
                                                   testing::Pair("REQUESTS_CA_BUNDLE", "/b.pem"),
                                                   testing::Pair("SSL_CERT_FILE", "/b.pem")));
}

TEST(RunnerVariables, AreExpandedOnceWithTheRunnersOwn) {
  ci::Assignment assignment = an_assignment();
  ci::Variable raw{"RAW", "$B"};
  raw.raw = true;
  ci::Variable file{"KEY", "secret"};
  file.file = true;
  assignment.variables.push_back(raw);
  assignment.variables.push_back(file);
  assignment.variables.push_back({"PATH_OF_KEY", "$KEY"});
  assignment.variables.push_back({"UNKNOWN", "[$NOWHERE]"});
  assignment.variables.push_back({"B", "later"});
  const ci::Variables variables = runner_variables(assignment, facts(), "host");
  const auto value = [&](const char* name) { return ci_config::value_of(variables, name); };
  EXPECT_EQ(value("A"), "later!");
  EXPECT_EQ(value("RAW"), "$B");
  EXPECT_EQ(value("PATH_OF_KEY"), "/builds/health/tumour.tmp/KEY");
  EXPECT_EQ(value("UNKNOWN"), "[]");
  EXPECT_EQ(value("CI_PROJECT_DIR"), "/builds/health/tumour");
  EXPECT_EQ(value("CI_BUILDS_DIR"), "/builds");
  EXPECT_EQ(value("CI_CONCURRENT_ID"), "1");
  EXPECT_EQ(value("CI_CONCURRENT_PROJECT_ID"), "2");
  EXPECT_EQ(value("CI_SERVER"), "yes");
  EXPECT_EQ(value("CI_RUNNER_VERSION"), "1.0");
  EXPECT_TRUE(value("CI_RUNNER_EXECUTABLE_ARCH").starts_with("linux/"));
  EXPECT_EQ(std::count_if(variables.begin(), variables.end(),
                          [](const ci::Variable& each) { return each.key == "B"; }),
            1);
}

TEST(PlanOf, ExpandsPathsNamesAndKeys) {
  ci::Assignment assignment = an_assignment();
  assignment.job.spec.options = Json::parse(R"({
    "image": {"name": "$CI_REGISTRY/g/p:1", "entrypoint": [""]},
    "artifacts": {"paths": ["out/$B"], "name": "$B"},
    "cache": [{"key": "$B", "paths": ["$B"]}],
    "services": [{"name": "g/db:$B", "alias": "db"}]})");
  const JobPlan plan = plan_of(assignment, facts());
  EXPECT_EQ(plan.image, "127.0.0.1:4700/g/p:1");
  ASSERT_TRUE(plan.entrypoint);
  EXPECT_TRUE(plan.entrypoint->empty());
  EXPECT_THAT(plan.artifacts.at(0).paths, ElementsAre("out/b"));
  EXPECT_EQ(plan.artifacts.at(0).name, "b");
  EXPECT_EQ(plan.caches.at(0).key, "b-non_protected");
  EXPECT_EQ(plan.services.at(0).image, "g/db:b");
  EXPECT_THAT(plan.host_names, ElementsAre("db", "g-db"));
  EXPECT_EQ(plan.sources.depth, 20);
  EXPECT_TRUE(plan.sources.checkout);
  EXPECT_EQ(plan.script.temporary, "/builds/health/tumour.tmp");
}

TEST(PlanOf, ReadsGitVariables) {
  ci::Assignment assignment = an_assignment();
  assignment.variables.insert(assignment.variables.end(), {{"GIT_STRATEGY", "clone"},
                                                           {"GIT_CLEAN_FLAGS", "-ffdx -e keep/"},
                                                           {"GIT_SUBMODULE_STRATEGY", "recursive"},
                                                           {"GIT_CHECKOUT", "false"},
                                                           {"GIT_DEPTH", "3"}});
  const JobPlan plan = plan_of(assignment, facts());
  EXPECT_EQ(plan.sources.strategy, GitStrategy::kClone);
  EXPECT_THAT(plan.sources.clean_flags, ElementsAre("-ffdx", "-e", "keep/"));
  EXPECT_EQ(plan.sources.submodules, Sources::Submodules::kRecursive);
  EXPECT_FALSE(plan.sources.checkout);
  EXPECT_EQ(plan.sources.depth, 3);
}

TEST(JobPayload, HasTheRunnersNamesAndTypes) {
  ci::Assignment assignment = an_assignment();
  assignment.job.spec.after_script = {"echo done"};
  assignment.job.spec.options = Json::parse(R"({
    "image": {"name": "g/p:1", "entrypoint": ["sh"], "docker": {"user": "me"}},
    "services": [{"name": "db", "alias": "d", "variables": {"N": 1}}],
    "artifacts": {"paths": ["out"], "reports": {"dotenv": "a.env"}},
    "cache": [{"key": "k", "paths": ["c"]}]})");
  ci::Job earlier;
  earlier.id = 11;
  earlier.spec.name = "prepare";
  ci::Artifact archive;
  archive.type = "archive";
  archive.filename = "artifacts.zip";
  archive.size = 99;
  earlier.artifacts = {archive};
  ci::Job without;
  without.id = 10;
  assignment.dependencies = {without, earlier};
  PayloadFacts payload_facts;
  payload_facts.url = "http://127.0.0.1:4700";
  payload_facts.is_protected = true;
  payload_facts.now = 3'500;
  payload_facts.last_change = facts().last_change;

  const Json job = job_payload(assignment, payload_facts);

  EXPECT_TRUE(job["id"].is_number_integer());
  EXPECT_EQ(job["token"], "glcbt-t");
  EXPECT_EQ(job["allow_git_fetch"], true);
  EXPECT_EQ(job["job_info"]["project_full_path"], "health/tumour");
  EXPECT_EQ(job["job_info"]["time_in_queue_seconds"], 2.5);
  EXPECT_TRUE(job["job_info"]["project_jobs_running_on_instance_runners_count"].is_string());
  EXPECT_EQ(job["git_info"]["repo_url"],
            "http://gitlab-ci-token:glcbt-t@127.0.0.1:4700/health/tumour.git");
  EXPECT_EQ(job["git_info"]["ref_type"], "branch");
  EXPECT_EQ(job["git_info"]["before_sha"], forge::kNoCommit);
  EXPECT_EQ(job["git_info"]["refspecs"][0], "+refs/pipelines/7:refs/pipelines/7");
  EXPECT_EQ(job["git_info"]["protected"], true);
  EXPECT_EQ(job["runner_info"]["timeout"], 600);
  EXPECT_EQ(job["variables"][1],
            Json::parse(R"({"key": "B", "value": "b", "public": true, "file": false,
                            "masked": false, "raw": false})"));
  ASSERT_EQ(job["steps"].size(), 2u);
  EXPECT_EQ(job["steps"][0]["script"], Json::array({"make"}));
  EXPECT_EQ(job["steps"][1]["when"], "always");
  EXPECT_EQ(job["steps"][1]["allow_failure"], true);
  EXPECT_EQ(job["image"]["entrypoint"], Json::array({"sh"}));
  EXPECT_EQ(job["image"]["executor_opts"]["docker"]["user"], "me");
  EXPECT_EQ(job["services"][0]["variables"][0]["value"], "1");
  ASSERT_EQ(job["artifacts"].size(), 2u);
  EXPECT_EQ(job["artifacts"][0]["artifact_type"], "archive");
  EXPECT_EQ(job["artifacts"][1]["artifact_format"], "gzip");
  EXPECT_EQ(job["artifacts"][1]["name"], ".env");
  EXPECT_EQ(job["cache"][0]["key"], "k-protected");
  ASSERT_TRUE(job["credentials"].is_array());
  EXPECT_EQ(job["credentials"][0]["url"], "127.0.0.1:4700");
  ASSERT_EQ(job["dependencies"].size(), 1u);
  EXPECT_EQ(job["dependencies"][0]["token"], "glcbt-t");
  EXPECT_EQ(job["dependencies"][0]["artifacts_file"]["size"], 99);
  EXPECT_EQ(job["features"]["token_mask_prefixes"].size(), 4u);
  EXPECT_TRUE(job["features"]["failure_reasons"].is_array());
  EXPECT_TRUE(job["hooks"].is_array());
  EXPECT_FALSE(job.contains("run"));
}

TEST(JobPayload, HasNullsWhereThereIsNothing) {
  PayloadFacts payload_facts;
  payload_facts.url = "http://h";
  const Json job = job_payload(an_assignment(), payload_facts);
  EXPECT_TRUE(job["image"].is_null());
  EXPECT_TRUE(job["artifacts"].is_null());
  EXPECT_TRUE(job["services"].is_array());
  EXPECT_EQ(job["steps"].size(), 1u);
}

}  // namespace
}  // namespace slipway::runner
