// What the API tells and changes of pipelines, over real jobs.

#include "base/error.h"
#include "gitlab/test_gitlab.h"

namespace slipway::gitlab {
namespace {

using testing::HasSubstr;

std::string at(forge::Id project, const std::string& rest = "") {
  return "/projects/" + std::to_string(project) + rest;
}

class PipelinesTest : public GitlabTest {
 protected:
  std::string newest(forge::Id project) {
    return at(project, "/pipelines/" + call("GET", at(project, "/pipelines")).body[0]["id"].dump());
  }
  std::optional<ci::Assignment> take() {
    if (runner_ == 0) runner_ = ci_->queue().add_runner({.description = "test"}).first.id;
    return ci_->queue().take(runner_, {}, {});
  }
  void add(ci::Id job, const std::string& type, const std::string& content) {
    ci::Artifact artifact;
    artifact.type = type;
    artifact.format = "raw";
    const auto path = directory_ / "spool" / ("given-" + std::to_string(job));
    store::write_atomically(store::system_disk(), path, content);
    ci_->queue().add_artifact(job, artifact, path);
  }
  void finish(ci::Id job) { ci_->queue().update(job, {.state = "success"}); }

  ci::Id runner_ = 0;
};

// Clients in Go, glab among them, decode a pipeline's as integers and refuse others.
TEST_F(PipelinesTest, TellTheirTimesInWholeSeconds) {
  const forge::Id id = make_project("times", {{".gitlab-ci.yml", "a: {script: [x]}\n"}});
  finish(take()->job.id);
  const Json pipeline = call("GET", newest(id)).body;
  for (const char* name : {"duration", "queued_duration"})
    EXPECT_TRUE(pipeline[name].is_number_integer()) << pipeline[name];
}

TEST_F(PipelinesTest, AreRenamed) {
  const forge::Id id = make_project("names", {{".gitlab-ci.yml", "a: {script: [x]}\n"}});
  const std::string pipeline = newest(id);
  const Answer renamed = call("PUT", pipeline + "/metadata", {{"name", "Nightly"}});
  EXPECT_EQ(renamed.status, 200) << renamed.text;
  EXPECT_EQ(renamed.body["name"], "Nightly");
  EXPECT_TRUE(renamed.body.contains("detailed_status"));
  EXPECT_EQ(call("GET", at(id, "/pipelines?name=Nightly")).body.size(), 1u);

  EXPECT_EQ(call("PUT", pipeline + "/metadata").body["error"], "name is missing");
  EXPECT_EQ(call("PUT", pipeline + "/metadata", {{"name", ""}}).body["message"],
            "400 Bad request - Failed to update pipeline - Name is too short (minimum is 1 "
            "character)");
  EXPECT_EQ(call("PUT", pipeline + "/metadata", {{"name", std::string(256, 'x')}}).status, 400);
  std::string umlauts;
  for (int i = 0; i < 255; ++i) umlauts += "ü";
  EXPECT_EQ(call("PUT", pipeline + "/metadata", {{"name", umlauts}}).status, 200);

  const auto [user, token] = make_user("mia");
  call("POST", at(id, "/members"), {{"user_id", user}, {"access_level", 20}});
  EXPECT_EQ(call_with(token, "PUT", pipeline + "/metadata", {{"name", "x"}}).status, 403);
  EXPECT_EQ(call("PUT", at(id, "/pipelines/999/metadata"), {{"name", "x"}}).status, 404);
}

TEST_F(PipelinesTest, TellTheLatestOfTheNewestCommitOnly) {
  const forge::Id id = make_project("latest", {{".gitlab-ci.yml", "a: {script: [x]}\n"}});
  EXPECT_EQ(call("GET", at(id, "/pipelines/latest")).status, 200);
  call("POST", at(id, "/repository/commits"),
       {{"branch", "main"},
        {"commit_message", "No pipeline"},
        {"actions", Json::array({{{"action", "delete"}, {"file_path", ".gitlab-ci.yml"}},
                                 {{"action", "create"}, {"file_path", "x"}, {"content", "x"}}})}});
  EXPECT_EQ(call("GET", at(id, "/pipelines/latest")).status, 404);
  EXPECT_EQ(call("GET", at(id, "/pipelines/latest?ref=nowhere")).status, 404);
}

TEST_F(PipelinesTest, HaveTestReports) {
  const forge::Id id = make_project("tests", {{".gitlab-ci.yml",
                                               "unit: {script: [x], parallel: 2}\n"
                                               "broken: {script: [x]}\n"
                                               "plain: {script: [x]}\n"}});
  const std::string pipeline = newest(id);
  std::vector<ci::Id> units;
  while (const auto taken = take()) {
    if (taken->job.spec.base_name == "unit") {
      units.push_back(taken->job.id);
      add(taken->job.id, "junit",
          "<testsuite><testcase name='t" + taken->job.name() + "' time='0.5'/></testsuite>");
    } else if (taken->job.name() == "broken") {
      add(taken->job.id, "junit", "<testsuite>");
    }
    finish(taken->job.id);
  }
  const Answer report = call("GET", pipeline + "/test_report");
  EXPECT_EQ(report.status, 200) << report.text;
  EXPECT_EQ(report.body["total_count"], 2);
  ASSERT_EQ(report.body["test_suites"].size(), 2u) << report.text;
  EXPECT_EQ(report.body["test_suites"][0]["name"], "unit");
  EXPECT_EQ(report.body["test_suites"][0]["total_time"], 1.0);
  EXPECT_THAT(report.body["test_suites"][1]["suite_error"].dump(),
              HasSubstr("JUnit XML parsing failed"));
  const Answer summary = call("GET", pipeline + "/test_report_summary");
  EXPECT_EQ(summary.body["total"]["success"], 2);
  EXPECT_EQ(summary.body["test_suites"][0]["build_ids"], Json(units));
  EXPECT_EQ(call_with("", "GET", pipeline + "/test_report").status, 404);
}

TEST_F(PipelinesTest, ShowADebugTraceToDevelopersOnly) {
  const forge::Id id = make_project(
      "debug", {{".gitlab-ci.yml", "a:\n  script: [x]\n  variables: {CI_DEBUG_TRACE: 'true'}\n"}});
  call("PUT", at(id), {{"visibility", "public"}});
  const auto taken = take();
  ASSERT_TRUE(taken);
  ci_->queue().append_trace(taken->job.id, 0, "all of it\n");
  const std::string job = std::to_string(taken->job.id);
  const auto [user, token] = make_user("mia");
  call("POST", at(id, "/members"), {{"user_id", user}, {"access_level", 20}});

  EXPECT_EQ(call("GET", at(id, "/jobs/" + job + "/trace")).text, "all of it\n");
  EXPECT_EQ(call_with(token, "GET", at(id, "/jobs/" + job + "/trace")).status, 403);
  EXPECT_EQ(call_with("", "GET", at(id, "/jobs/" + job + "/trace")).status, 401);
  EXPECT_EQ(call_with(token, "GET", at(id, "/jobs/" + job)).status, 200);
  for (const std::string rest : {"", "/raw"}) {
    const std::string page = "/root/debug/-/jobs/" + job + rest + "?private_token=";
    EXPECT_EQ(send(request_of("GET", page + token)).status, 403) << rest;
    EXPECT_EQ(send(request_of("GET", page + token_)).status, 200) << rest;
  }
}

TEST_F(PipelinesTest, DeployToEnvironments) {
  const forge::Id id = make_project("live", {{".gitlab-ci.yml",
                                              "ship: {script: [x], environment: production}\n"
                                              "test: {script: [x], environment: staging}\n"
                                              "plain: {script: [x]}\n"}});
  ci::Id ship = 0;
  while (const auto taken = take()) {
    const bool ships = taken->job.name() == "ship";
    if (ships) ship = taken->job.id;
    ci_->queue().update(taken->job.id, {.state = ships ? "success" : "failed"});
  }
  const Answer all = call("GET", at(id, "/deployments"));
  ASSERT_EQ(all.body.size(), 2u) << all.text;
  EXPECT_LT(all.body[0]["id"], all.body[1]["id"]);
  EXPECT_EQ(call("GET", at(id, "/deployments?sort=desc")).body[0]["id"], all.body[1]["id"]);
  EXPECT_EQ(call("GET", at(id, "/deployments?status=failed")).body.size(), 1u);
  const Answer live = call("GET", at(id, "/deployments?environment=production"));
  ASSERT_EQ(live.body.size(), 1u) << live.text;
  EXPECT_EQ(live.body[0]["id"], ship);
  EXPECT_EQ(live.body[0]["status"], "success");
  EXPECT_EQ(live.body[0]["environment"]["name"], "production");
  EXPECT_EQ(live.body[0]["deployable"]["name"], "ship");
  EXPECT_EQ(call("GET", at(id, "/deployments/" + std::to_string(ship))).body, live.body[0]);
  EXPECT_EQ(call("GET", at(id, "/deployments/999")).status, 404);
  EXPECT_EQ(call("GET", at(id, "/deployments?status=odd")).status, 400);
  const Answer environments = call("GET", at(id, "/environments?name=production"));
  ASSERT_EQ(environments.body.size(), 1u) << environments.text;
  EXPECT_EQ(environments.body[0]["last_deployment"]["id"], ship);
}

TEST_F(PipelinesTest, TakeTurnsByTheirResourceGroups) {
  const forge::Id id = make_project("groups", {{".gitlab-ci.yml",
                                                "a: {script: [x], resource_group: live/eu}\n"
                                                "b: {script: [x], resource_group: live/eu}\n"}});
  const Answer all = call("GET", at(id, "/resource_groups"));
  ASSERT_EQ(all.body.size(), 1u) << all.text;
  EXPECT_EQ(all.body[0]["key"], "live/eu");
  EXPECT_EQ(all.body[0]["process_mode"], "unordered");
  const std::string group = at(id, "/resource_groups/live%2Feu");
  EXPECT_EQ(call("GET", group).body, all.body[0]);
  EXPECT_EQ(call("PUT", group, {{"process_mode", "oldest_first"}}).body["process_mode"],
            "oldest_first");
  EXPECT_EQ(call("PUT", group, {{"process_mode", "odd"}}).status, 400);
  EXPECT_EQ(call("GET", group + "/current_job").body["name"], "a");
  const Answer upcoming = call("GET", group + "/upcoming_jobs");
  ASSERT_EQ(upcoming.body.size(), 1u) << upcoming.text;
  EXPECT_EQ(upcoming.body[0]["name"], "b");
  EXPECT_EQ(call("GET", at(id, "/resource_groups/none")).status, 404);
  const auto [user, token] = make_user("mia");
  call("POST", at(id, "/members"), {{"user_id", user}, {"access_level", 20}});
  EXPECT_EQ(call_with(token, "PUT", group, {{"process_mode", "unordered"}}).status, 403);
}

TEST_F(PipelinesTest, AreLintedBeforehand) {
  const forge::Id id = make_project("lint", {{".gitlab-ci.yml", "a: {script: [x]}\n"}});
  const Json content = "a: {script: [x]}\nb: {script: [x], rules: [{if: $CI_COMMIT_TAG}]}\n";
  const Answer all =
      call("POST", at(id, "/ci/lint"), {{"content", content}, {"include_jobs", true}});
  EXPECT_EQ(all.body["jobs"].size(), 2u) << all.text;
  const Answer run = call("POST", at(id, "/ci/lint"),
                          {{"content", content}, {"include_jobs", true}, {"dry_run", true}});
  EXPECT_EQ(run.body["valid"], true);
  EXPECT_EQ(run.body["jobs"].size(), 1u) << run.text;
  const Answer nowhere = call("POST", at(id, "/ci/lint"),
                              {{"content", content}, {"dry_run", true}, {"ref", "nowhere"}});
  EXPECT_EQ(nowhere.body["errors"], Json::array({"Reference not found"}));
  EXPECT_FALSE(nowhere.body.contains("jobs"));
  EXPECT_EQ(call("GET", at(id, "/ci/lint?dry_run=true&include_jobs=true")).body["jobs"].size(), 1u);
  EXPECT_EQ(call("GET", at(id, "/pipelines")).body.size(), 1u);
}

}  // namespace
}  // namespace slipway::gitlab
