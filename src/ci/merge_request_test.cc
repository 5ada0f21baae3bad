#include "ci/merge_request.h"

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

using testing::ElementsAre;

constexpr const char* kJobs = R"(
both:
  script: [echo both]
  rules: [{when: always}]
reviewed:
  script: [echo reviewed]
  rules: [{if: $CI_MERGE_REQUEST_IID}]
by_source:
  script: [echo source]
  rules: [{if: '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
by_only:
  script: [echo only]
  only: [merge_requests]
of_branches:
  script: [echo branches]
of_main:
  script: [echo main]
  only: [main, /^refs/]
changed:
  script: [echo changed]
  rules: [{if: $CI_MERGE_REQUEST_IID, changes: [docs/*]}]
)";

class MergeRequestPipeline : public CiTest {
 protected:
  void SetUp() override {
    CiTest::SetUp();
    base_ = push(project_, {{".gitlab-ci.yml", kJobs}}).id;
  }

  Pipeline run(const std::string& sha, Id iid = 7) {
    NewPipeline request;
    request.project = project_.id;
    request.ref = merge_request_ref(iid);
    request.source = "merge_request_event";
    request.sha = sha;
    request.merge_request = json_of({.id = 70,
                                     .iid = iid,
                                     .title = "Costs $5",
                                     .source_branch = "Work",
                                     .target_branch = "main",
                                     .source_sha = sha,
                                     .base_sha = base_,
                                     .labels = {"a", "b"},
                                     .project_url = "http://ci.test:4700/root/tumour"});
    return ci_->create_pipeline(root_, request);
  }
  std::vector<std::string> names(const Pipeline& pipeline) const {
    std::vector<std::string> all;
    for (const Job& each : ci_->jobs_of(pipeline.id)) all.push_back(each.spec.name);
    return all;
  }
  std::string value_in(const Pipeline& pipeline, const std::string& key) const {
    return ci_config::value_of(ci_->variables_of(ci_->jobs_of(pipeline.id).front()), key, "(none)");
  }

  std::string base_;
};

TEST_F(MergeRequestPipeline, HasTheJobsThatAskForIt) {
  const std::string sha = push(project_, {{"src/a", "a"}}, "change", "Work").id;
  EXPECT_THAT(names(run(sha)), ElementsAre("both", "reviewed", "by_source", "by_only"));
  EXPECT_THAT(names(ci_->latest_pipeline(project_.id, "Work").value()),
              ElementsAre("both", "of_branches"));
  EXPECT_THAT(names(latest()), ElementsAre("both", "of_branches", "of_main"));
}

TEST_F(MergeRequestPipeline, ComparesWithItsTarget) {
  push(project_, {{"docs/a", "a"}}, "first", "Work");
  const std::string sha = push(project_, {{"src/b", "b"}}, "second", "Work").id;
  // What the first push changed counts as well.
  EXPECT_EQ(names(run(sha)).back(), "changed");
}

TEST_F(MergeRequestPipeline, TellsItsJobsWhatItIsFor) {
  const std::string sha = push(project_, {{"src/a", "a"}}, "change", "Work").id;
  const Pipeline made = run(sha);
  EXPECT_EQ(made.ref, "refs/merge-requests/7/head");
  EXPECT_EQ(made.sha, sha);
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"CI_PIPELINE_SOURCE", "merge_request_event"},
           {"CI_COMMIT_BRANCH", "(none)"},
           {"CI_COMMIT_TAG", "(none)"},
           {"CI_COMMIT_REF_NAME", "Work"},
           {"CI_COMMIT_REF_SLUG", "work"},
           {"CI_COMMIT_BEFORE_SHA", forge::kNoCommit},
           {"CI_COMMIT_REF_PROTECTED", "false"},
           {"CI_MERGE_REQUEST_ID", "70"},
           {"CI_MERGE_REQUEST_IID", "7"},
           {"CI_MERGE_REQUEST_TITLE", "Costs $5"},
           {"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "Work"},
           {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", sha},
           {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"},
           {"CI_MERGE_REQUEST_DIFF_BASE_SHA", base_},
           {"CI_MERGE_REQUEST_EVENT_TYPE", "detached"},
           {"CI_MERGE_REQUEST_PROJECT_ID", std::to_string(project_.id)},
           {"CI_MERGE_REQUEST_PROJECT_PATH", "root/tumour"},
           {"CI_MERGE_REQUEST_REF_PATH", "refs/merge-requests/7/head"},
           {"CI_MERGE_REQUEST_LABELS", "a,b"}}) {
    EXPECT_EQ(value_in(made, key), value) << key;
  }
  EXPECT_EQ(value_in(latest(), "CI_MERGE_REQUEST_IID"), "(none)");
}

TEST_F(MergeRequestPipeline, IsNotProtectedWhateverTheBranchesAre) {
  forge_->protect(project_.id, {.name = "*"});
  const std::string sha = push(project_, {{"src/a", "a"}}, "change", "Work").id;
  EXPECT_EQ(value_in(ci_->latest_pipeline(project_.id, "Work").value(), "CI_COMMIT_REF_PROTECTED"),
            "true");
  EXPECT_EQ(value_in(run(sha), "CI_COMMIT_REF_PROTECTED"), "false");
}

TEST_F(MergeRequestPipeline, IsNoneWithoutAJob) {
  const std::string sha =
      push(project_, {{".gitlab-ci.yml", "build:\n  script: [echo]\n"}}, "change", "Work").id;
  EXPECT_THROW(run(sha), Error);
  EXPECT_EQ(ci_->latest_pipeline(project_.id, merge_request_ref(7)), std::nullopt);
}

TEST_F(MergeRequestPipeline, TakesTheBranchsPlaceWhereTheWorkflowSaysSo) {
  std::string open;
  ci_->open_merge_requests_by([&](Id project, const std::string& branch) {
    return project == project_.id && branch == "Work" ? open : "";
  });
  const std::string text = R"(
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS
      when: never
    - if: $CI_COMMIT_BRANCH
build: {script: [echo]}
)";
  const Pipeline before = [&] {
    push(project_, {{".gitlab-ci.yml", text}}, "first", "Work");
    return ci_->latest_pipeline(project_.id, "Work").value();
  }();
  EXPECT_EQ(value_in(before, "CI_OPEN_MERGE_REQUESTS"), "(none)");
  open = "root/tumour!7";
  const std::string sha = push(project_, {{"src/a", "a"}}, "second", "Work").id;
  EXPECT_EQ(ci_->latest_pipeline(project_.id, "Work")->id, before.id);
  const Pipeline made = run(sha);
  EXPECT_THAT(names(made), ElementsAre("build"));
  EXPECT_EQ(value_in(made, "CI_OPEN_MERGE_REQUESTS"), "root/tumour!7");
}

TEST_F(MergeRequestPipeline, HandsItsFactsToItsChildren) {
  const std::string text = R"(
child:
  trigger: {include: [{local: child.yml}]}
  rules: [{if: $CI_MERGE_REQUEST_IID}]
)";
  const std::string child = R"(
inner: {script: [echo], rules: [{if: '$CI_MERGE_REQUEST_IID == "7"'}]}
outer: {script: [echo]}
)";
  const std::string sha =
      push(project_, {{".gitlab-ci.yml", text}, {"child.yml", child}}, "change", "Work").id;
  ci_->start();
  const Pipeline made = run(sha);
  ASSERT_TRUE(eventually([&] { return job(made, "child").downstream.has_value(); }));
  const Pipeline inner = ci_->pipeline(*job(made, "child").downstream).value();
  EXPECT_THAT(names(inner), ElementsAre("inner"));
  EXPECT_EQ(inner.ref, made.ref);
}

}  // namespace
}  // namespace slipway::ci
