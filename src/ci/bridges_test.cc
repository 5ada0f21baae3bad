#include <archive.h>
#include <archive_entry.h>

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

using testing::HasSubstr;

constexpr const char* kDown = "deploy:\n  script: x\n";

class BridgeTest : public CiTest {
 protected:
  void SetUp() override {
    CiTest::SetUp();
    down_ = make_project("ops");
    push(down_, {{".gitlab-ci.yml", kDown}}, "start [ci skip]");
    ci_->start();
  }
  Pipeline downstream(const Pipeline& pipeline, const std::string& name) {
    EXPECT_TRUE(eventually([&] { return job(pipeline, name).downstream.has_value(); }));
    return ci_->pipeline(job(pipeline, name).downstream.value_or(0)).value_or(Pipeline{});
  }
  std::string reason(const Pipeline& pipeline, const std::string& name) {
    EXPECT_TRUE(eventually([&] { return is_complete(job(pipeline, name).status); }));
    return job(pipeline, name).failure_reason;
  }
  forge::Project down_;
};

TEST_F(BridgeTest, SucceedsAsSoonAsTheDownstreamIsThere) {
  const Pipeline up = push_config("go:\n  trigger: root/ops\n");

  const Pipeline down = downstream(up, "go");

  EXPECT_EQ(down.project, down_.id);
  EXPECT_EQ(down.source, "pipeline");
  EXPECT_EQ(down.upstream_job, job(up, "go").id);
  EXPECT_TRUE(eventually([&] { return status(up) == "success"; }));
}

TEST_F(BridgeTest, DependsOnTheDownstream) {
  const Pipeline up = push_config(R"(
stages: [go, after]
go: {stage: go, trigger: {project: root/ops, strategy: depend}}
after: {stage: after, script: x}
)");
  const Pipeline down = downstream(up, "go");
  EXPECT_EQ(status(up, "go"), "running");

  ASSERT_TRUE(eventually([&] { return status(down, "deploy") == "pending"; }));
  run("deploy", "failed");
  EXPECT_EQ(status(up, "go"), "failed");
  EXPECT_EQ(status(up, "after"), "skipped");
  EXPECT_EQ(status(up), "failed");

  // What runs again below is waited for again above.
  ci_->retry(job(down, "deploy").id, root_);
  EXPECT_EQ(status(up, "go"), "pending");
  EXPECT_EQ(status(up, "after"), "created");
  run("deploy");
  EXPECT_EQ(status(up, "go"), "success");
  run("after");
  EXPECT_EQ(status(up), "success");
}

TEST_F(BridgeTest, PassesVariablesOn) {
  const Pipeline up = push_config(R"(
stages: [build, go]
build: {stage: build, script: x}
go:
  stage: go
  variables:
    FROM: $CI_PROJECT_PATH
    CI_PROJECT_ID: $CI_PROJECT_ID
    JOB: $CI_JOB_ID
    TOKEN: $CI_JOB_TOKEN
    BUILT: $UP_JOB_ID
    UP: $CI_PIPELINE_ID
  trigger: root/ops
)");
  const Assignment build = *take();
  add_dotenv(build.job.id, "UP_JOB_ID=" + std::to_string(build.job.id));
  finish(build.job.id);

  const Pipeline down = downstream(up, "go");
  ASSERT_TRUE(eventually([&] { return status(down, "deploy") == "pending"; }));
  const Assignment deploy = *take();

  EXPECT_EQ(value(deploy, "FROM"), "root/tumour");
  EXPECT_EQ(value(deploy, "CI_PROJECT_ID"), std::to_string(project_.id));
  EXPECT_EQ(value(deploy, "JOB"), "");
  EXPECT_EQ(value(deploy, "TOKEN"), "");
  EXPECT_EQ(value(deploy, "BUILT"), std::to_string(build.job.id));
  EXPECT_EQ(value(deploy, "UP"), std::to_string(up.id));
}

TEST_F(BridgeTest, SaysWhyThereIsNoDownstream) {
  EXPECT_EQ(reason(push_config("go:\n  trigger: root/nothing\n"), "go"),
            "downstream_bridge_project_not_found");
  EXPECT_EQ(reason(push_config("go:\n  trigger: root/tumour\n"), "go"), "invalid_bridge_trigger");
  const Pipeline no_branch = push_config("go:\n  trigger: {project: root/ops, branch: absent}\n");
  EXPECT_EQ(reason(no_branch, "go"), "downstream_pipeline_creation_failed");
  EXPECT_EQ(job(no_branch, "go").failure_message, "Reference not found");
}

TEST_F(BridgeTest, ShowsTheErrorsOfTheDownstream) {
  push(down_, {{".gitlab-ci.yml", "deploy:\n  scripts: x\n"}}, "break it [ci skip]");

  const Pipeline up = push_config("go:\n  trigger: root/ops\n");

  EXPECT_EQ(reason(up, "go"), "downstream_pipeline_creation_failed");
  EXPECT_THAT(job(up, "go").failure_message, HasSubstr("deploy"));
  EXPECT_EQ(status(up), "failed");
}

TEST_F(BridgeTest, StopsALoop) {
  push(down_, {{".gitlab-ci.yml", "back:\n  trigger: root/tumour\n"}}, "loop [ci skip]");

  push_config("go:\n  trigger: root/ops\n");

  ASSERT_TRUE(eventually([&] {
    for (const Id project : {project_.id, down_.id}) {
      for (const Job& each : ci_->jobs_of_project(project, 0, 100, nullptr)) {
        if (each.failure_reason == "pipeline_loop_detected") return true;
      }
    }
    return false;
  }));
  EXPECT_LT(ci_->jobs_of_project(project_.id, 0, 100, nullptr).size(), 5u);
}

TEST_F(BridgeTest, RunsAndCancelsAChild) {
  push(project_, {{"child.yml", "inner:\n  script: x\n"}}, "child [ci skip]");
  const Pipeline up = push_config("go:\n  trigger: {include: child.yml, strategy: depend}\n");

  const Pipeline child = downstream(up, "go");
  EXPECT_EQ(child.source, "parent_pipeline");
  EXPECT_EQ(child.parent, up.id);
  EXPECT_EQ(child.sha, up.sha);
  ASSERT_TRUE(eventually([&] { return status(child, "inner") == "pending"; }));
  ci_->cancel_pipeline(up.id);

  EXPECT_EQ(status(child), "canceled");
  EXPECT_EQ(status(up), "canceled");
}

TEST_F(BridgeTest, MakesAChildOutOfAnArtifact) {
  const Pipeline up = push_config(R"(
stages: [generate, go]
generate: {stage: generate, script: x, artifacts: {paths: [made.yml]}}
go: {stage: go, trigger: {include: [{artifact: made.yml, job: generate}]}}
)");
  const Assignment generate = *take();
  const auto zip = data_ / "spool" / "made.zip";
  archive* writer = archive_write_new();
  archive_write_set_format_zip(writer);
  archive_write_open_filename(writer, zip.c_str());
  const std::string yaml = "inner:\n  script: x\n";
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "made.yml");
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_size(entry, static_cast<la_int64_t>(yaml.size()));
  archive_write_header(writer, entry);
  archive_write_data(writer, yaml.data(), yaml.size());
  archive_entry_free(entry);
  archive_write_free(writer);
  Artifact artifact;
  artifact.type = "archive";
  artifact.format = "zip";
  queue().add_artifact(generate.job.id, artifact, zip);
  finish(generate.job.id);

  const Pipeline child = downstream(up, "go");

  ASSERT_TRUE(eventually([&] { return !ci_->jobs_of(child.id).empty(); }));
  EXPECT_EQ(ci_->jobs_of(child.id)[0].spec.name, "inner");
}

TEST_F(BridgeTest, StopsAtTheDepthOfChildren) {
  push(project_,
       {{"one.yml", "down:\n  trigger: {include: two.yml, strategy: depend}\n"},
        {"two.yml", "down:\n  trigger: {include: three.yml, strategy: depend}\n"},
        {"three.yml", "inner:\n  script: x\n"}},
       "children [ci skip]");

  const Pipeline up = push_config("go:\n  trigger: {include: one.yml, strategy: depend}\n");

  const Pipeline one = downstream(up, "go");
  const Pipeline two = downstream(one, "down");
  EXPECT_EQ(reason(two, "down"), "reached_max_descendant_pipelines_depth");
  EXPECT_TRUE(eventually([&] { return status(up) == "failed"; }));
}

TEST_F(BridgeTest, TriggersByToken) {
  Trigger trigger;
  trigger.project = down_.id;
  trigger.owner = 1;
  trigger = ci_->save_trigger(trigger);
  EXPECT_TRUE(trigger.token.starts_with("glptt-"));

  const Pipeline made = ci_->trigger_pipeline(down_.id, trigger.token, "main",
                                              {{.key = "A", .value = "1"}}, "{\"x\":1}");
  EXPECT_EQ(made.source, "trigger");
  const Assignment deploy = *take();
  EXPECT_EQ(value(deploy, "A"), "1");
  EXPECT_EQ(value(deploy, "CI_PIPELINE_TRIGGERED"), "true");
  EXPECT_EQ(value(deploy, "TRIGGER_PAYLOAD"), "{\"x\":1}");
  EXPECT_TRUE(ci_->triggers(down_.id)[0].last_used);
  const Pipeline by_job = ci_->trigger_pipeline(down_.id, deploy.token, "main", {}, "");
  EXPECT_EQ(by_job.source, "pipeline");
  const auto refused = [&](Id project, const std::string& token) {
    try {
      ci_->trigger_pipeline(project, token, "main", {}, "");
      return 0;
    } catch (const Error& error) {
      return error.status();
    }
  };
  EXPECT_EQ(refused(down_.id, "glptt-wrong"), 404);
  // The job's user may run it, and everybody read it; the job itself is let in by nobody.
  forge::Project open = project_;
  open.visibility = forge::Visibility::kPublic;
  forge_->update_project(open);
  EXPECT_EQ(refused(open.id, deploy.token), 404);
  open.settings["ci_job_token_allowlist"] = Json::array({down_.id});
  forge_->update_project(open);
  EXPECT_EQ(refused(open.id, deploy.token), 400);  // it has no configuration
}

}  // namespace
}  // namespace slipway::ci
