// What a pipeline is made of: its number, tags, name, and what lint tells of it beforehand.

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CreationTest : public CiTest {
 protected:
  std::vector<std::string> names(const Pipeline& pipeline) const {
    std::vector<std::string> all;
    for (const Job& each : ci_->jobs_of(pipeline.id)) all.push_back(each.name());
    return all;
  }
  std::vector<std::string> names(const ci_config::Result& result) const {
    std::vector<std::string> all;
    if (!result.plan) return all;
    for (const ci_config::JobSpec& each : result.plan->jobs) all.push_back(each.name);
    return all;
  }
};

TEST_F(CreationTest, KnowsThePipelinesNumberInRules) {
  const std::string yaml = R"(
workflow: {name: "run $CI_PIPELINE_IID"}
always: {script: x, resource_group: "r$CI_PIPELINE_IID"}
first: {script: x, rules: [{if: '$CI_PIPELINE_IID == "1"'}]}
later: {script: x, rules: [{if: '$CI_PIPELINE_IID =~ /^[2-9]$/'}]}
)";
  const Pipeline one = push_config(yaml);
  const Pipeline two = push_config(yaml);

  EXPECT_THAT(names(one), ElementsAre("always", "first"));
  EXPECT_THAT(names(two), ElementsAre("always", "later"));
  EXPECT_EQ(one.iid, 1);
  EXPECT_EQ(two.iid, 2);
  EXPECT_EQ(two.name, "run 2");
}

TEST_F(CreationTest, SpendsNoNumberOnWhatNeverRuns) {
  push_config("workflow: {rules: [{when: always}]}\na: {script: x}\n");
  push(project_, {{".gitlab-ci.yml",
                   "workflow: {rules: [{when: never}]}\na: {script: echo $CI_PIPELINE_IID}\n"}});
  EXPECT_EQ(push_config("a: {script: x}\n").iid, 2);
}

TEST_F(CreationTest, ExpandsTheVariablesOfTags) {
  const Pipeline pipeline = push_config(
      "a:\n  script: x\n  variables: {KIND: gpu}\n"
      "  tags: [\"$KIND\", \"on-${CI_COMMIT_BRANCH}\", plain, \"$UNKNOWN\"]\n");
  EXPECT_THAT(job(pipeline, "a").spec.tags, ElementsAre("gpu", "on-main", "plain", "$UNKNOWN"));
}

TEST_F(CreationTest, RenamesAPipeline) {
  const Pipeline pipeline = push_config("a: {script: x}\n");
  EXPECT_EQ(ci_->rename_pipeline(pipeline.id, "Release 1").name, "Release 1");
  EXPECT_EQ(value(run("a"), "CI_PIPELINE_NAME"), "Release 1");
  EXPECT_EQ(again(pipeline).name, "Release 1");
  EXPECT_THROW(ci_->rename_pipeline(999, "x"), Error);
}

TEST_F(CreationTest, LintsEveryJobUnlessItIsADryRun) {
  push_config("a: {script: x}\n");
  const std::string yaml =
      "always: {script: x}\n"
      "tagged: {script: x, rules: [{if: $CI_COMMIT_TAG}]}\n"
      "counted: {script: x, rules: [{if: '$CI_PIPELINE_IID == \"2\"'}]}\n";
  EXPECT_THAT(names(ci_->lint(root_, project_.id, yaml, "", false)),
              ElementsAre("always", "tagged", "counted"));
  EXPECT_THAT(names(ci_->lint(root_, project_.id, yaml, "", true)),
              ElementsAre("always", "counted"));
  EXPECT_EQ(ci_->jobs_of(latest().id).size(), 1u) << "lint made a pipeline";

  const std::string never = "a: {script: x, rules: [{when: never}]}\n";
  EXPECT_THAT(ci_->lint(root_, project_.id, never, "", false).errors, IsEmpty());
  EXPECT_THAT(ci_->lint(root_, project_.id, never, "", true).errors,
              ElementsAre(HasSubstr("would have been empty")));
  EXPECT_THAT(ci_->lint(root_, project_.id, yaml, "nowhere", true).errors,
              ElementsAre("Reference not found"));
  EXPECT_THAT(ci_->lint(root_, project_.id, yaml, "nowhere", false).errors, IsEmpty());

  forge::User stranger;
  stranger.username = stranger.name = "mia";
  stranger.email = "mia@example.com";
  stranger = forge_->create_user(stranger);
  EXPECT_THAT(ci_->lint(stranger, project_.id, yaml, "", true).errors,
              ElementsAre("Insufficient permissions to create a new pipeline"));
}

TEST_F(CreationTest, LintTellsNobodyOfProtectedVariablesWhoMayNotUseThem) {
  push_config("a: {script: x}\n");
  ci_->set_variable(Owner::kProject, project_.id,
                    {.variable = {.key = "KEY", .value = "protected-value", .is_protected = true}},
                    true);
  forge::User mia;
  mia.username = mia.name = "mia";
  mia.email = "mia@example.com";
  mia = forge_->create_user(mia);
  forge_->set_member(project_.id, true, mia.id, forge::Access::kDeveloper);
  const std::string yaml = "include: {local: 'x-$KEY.yml'}\na: {script: x}\n";

  EXPECT_THAT(ci_->lint(root_, project_.id, yaml, "main", false).errors,
              ElementsAre(HasSubstr("x-protected-value.yml")));
  EXPECT_THAT(ci_->lint(mia, project_.id, yaml, "main", false).errors,
              ElementsAre(HasSubstr("`x-.yml`")));
}

}  // namespace
}  // namespace slipway::ci
