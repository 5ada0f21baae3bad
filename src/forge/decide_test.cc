#include "forge/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::forge {
namespace {

using testing::HasSubstr;

const std::string kOne(40, '1');
const std::string kTwo(40, '2');

TEST(ForgeNames, TakesPathsAsGitLabDoes) {
  for (const char* path : {"a", "tumour-2", "A_b.c", "_x", "9"}) {
    EXPECT_FALSE(path_problem(path)) << path;
  }
  for (const char* path : {"", "-a", ".a", "a.git", "a.atom", "a.", "a/b", "a b", "a..b", "ä"}) {
    EXPECT_TRUE(path_problem(path)) << path;
  }
  EXPECT_TRUE(is_reserved("API"));
  EXPECT_FALSE(is_reserved("apis"));
}

TEST(ForgeNames, TakesRefsAsGitDoes) {
  for (const char* ref : {"refs/heads/main", "refs/tags/v1.0", "refs/heads/a/b", "refs/heads/@"}) {
    EXPECT_TRUE(is_ref_name(ref)) << ref;
  }
  for (const char* ref :
       {"main", "refs/heads", "refs/heads/", "refs/heads/a..b", "refs/heads/a.lock",
        "refs/heads/.a", "refs/heads/a b", "refs/heads/a^", "refs/heads/a:b", "refs/heads/a\\b",
        "refs/heads/a//b", "refs/heads/-a", "refs/heads/a@{1}", "refs/heads/a\nb", "refs/heads/a.",
        "refs/heads/a.lock/b", "refs/heads/HEAD"}) {
    EXPECT_FALSE(is_ref_name(ref)) << ref;
  }
}

TEST(ForgeNames, RefusesRevisionSyntaxAsAName) {
  for (const char* name : {"main", "v1", "HEAD", "refs/pipelines/1", "0a1b2c3"}) {
    EXPECT_TRUE(is_plain_name(name)) << name;
  }
  for (const char* name : {"main~1", "main^", "-x", "a:b", "main@{0}", "", "a..b", "--all"}) {
    EXPECT_FALSE(is_plain_name(name)) << name;
  }
}

TEST(ForgeNames, RefusesPathsThatLeadOut) {
  EXPECT_TRUE(is_file_path("a/b c/.gitignore"));
  for (const char* path :
       {"", "/a", "a/", "a//b", "../a", "a/../b", ".git/config", "a/.GIT/b", "."}) {
    EXPECT_FALSE(is_file_path(path)) << path;
  }
}

TEST(ForgeRoles, TakesTheHighest) {
  EXPECT_EQ(role_of({}), Access::kNone);
  EXPECT_EQ(role_of({.memberships = {Access::kGuest, Access::kMaintainer, Access::kNone}}),
            Access::kMaintainer);
  EXPECT_EQ(role_of({.owns_namespace = true}), Access::kOwner);
  EXPECT_EQ(role_of({.admin = true}), Access::kOwner);
}

TEST(ForgeRoles, LetsOtherProjectsJobsInWhereTheSettingsSaySo) {
  Project project;
  EXPECT_FALSE(lets_job_in(project, 7));
  project.settings = {{"ci_job_token_allowlist", {3, 7}}};
  EXPECT_TRUE(lets_job_in(project, 7));
  EXPECT_FALSE(lets_job_in(project, 8));
  project.settings = {{"ci_inbound_job_token_scope_enabled", false}};
  EXPECT_TRUE(lets_job_in(project, 8));
}

TEST(ForgeProtection, MatchesByStars) {
  const std::vector<ProtectedRef> rules = {{.name = "release/*"},
                                           {.name = "v*.0", .tag = true},
                                           {.name = "main", .push = Access::kNone}};
  EXPECT_TRUE(rules_for(rules, "refs/heads/release/1/a").is_protected);
  EXPECT_FALSE(rules_for(rules, "refs/heads/releases").is_protected);
  EXPECT_TRUE(rules_for(rules, "refs/tags/v1.0").is_protected);
  EXPECT_FALSE(rules_for(rules, "refs/tags/v1.1").is_protected);
  EXPECT_FALSE(rules_for(rules, "refs/tags/main").is_protected);
  EXPECT_FALSE(may_push(rules_for(rules, "refs/heads/main"), Access::kOwner));
  EXPECT_TRUE(may_push(rules_for(rules, "refs/heads/x"), Access::kDeveloper));
}

TEST(ForgeProtection, TakesTheMostPermissiveOfSeveral) {
  const std::vector<ProtectedRef> rules = {
      {.name = "main", .push = Access::kNone},
      {.name = "m*", .push = Access::kMaintainer},
      {.name = "*", .push = Access::kDeveloper, .force_push = true}};
  const RefRules found = rules_for(rules, "refs/heads/main");
  EXPECT_EQ(found.push, Access::kDeveloper);
  EXPECT_TRUE(found.force_push);
}

struct RefusalCase {
  const char* name;
  RefUpdate update;
  RefRules rules;
  Access access;
  Way way;
  const char* says;  // empty: allowed
};

TEST(ForgeProtection, RefusesWithGitLabsWords) {
  const RefRules open;
  const RefRules guarded = {true, Access::kMaintainer, Access::kMaintainer, false};
  const RefRules forceful = {true, Access::kMaintainer, Access::kMaintainer, true};
  const std::string none = kNoCommit;
  const RefusalCase cases[] = {
      {"developer pushes", {"refs/heads/a", kOne, kTwo}, open, Access::kDeveloper, Way::kGit, ""},
      {"reporter",
       {"refs/heads/a", kOne, kTwo},
       open,
       Access::kReporter,
       Way::kGit,
       "to this proj"},
      {"forced, open", {"refs/heads/a", kOne, kTwo, true}, open, Access::kDeveloper, Way::kGit, ""},
      {"guarded",
       {"refs/heads/main", kOne, kTwo},
       guarded,
       Access::kDeveloper,
       Way::kGit,
       "protected branches"},
      {"maintainer", {"refs/heads/main", kOne, kTwo}, guarded, Access::kMaintainer, Way::kGit, ""},
      {"forced",
       {"refs/heads/main", kOne, kTwo, true},
       guarded,
       Access::kOwner,
       Way::kGit,
       "force push"},
      {"may force", {"refs/heads/main", kOne, kTwo, true}, forceful, Access::kOwner, Way::kGit, ""},
      {"deletes default",
       {"refs/heads/main", kOne, none},
       open,
       Access::kOwner,
       Way::kApi,
       "default branch"},
      {"deletes guarded by git",
       {"refs/heads/b", kOne, none},
       guarded,
       Access::kOwner,
       Way::kGit,
       "web interface"},
      {"deletes guarded by API",
       {"refs/heads/b", kOne, none},
       guarded,
       Access::kOwner,
       Way::kApi,
       ""},
      {"developer deletes guarded",
       {"refs/heads/b", kOne, none},
       guarded,
       Access::kDeveloper,
       Way::kApi,
       "Only a project maintainer"},
      {"id as branch",
       {"refs/heads/" + kOne, none, kTwo},
       open,
       Access::kOwner,
       Way::kGit,
       "40-character"},
      {"server's", {"refs/pipelines/1", none, kTwo}, open, Access::kOwner, Way::kGit, "server"},
      {"tag", {"refs/tags/v1", none, kTwo}, guarded, Access::kDeveloper, Way::kGit, "protected"},
      {"moves tag",
       {"refs/tags/v1", kOne, kTwo},
       guarded,
       Access::kOwner,
       Way::kGit,
       "cannot be updated"},
      {"no ref", {"refs/heads/a..b", none, kTwo}, open, Access::kOwner, Way::kApi, "not a name"},
  };
  for (const RefusalCase& one : cases) {
    const auto said = refusal(one.update, Project(), one.rules, one.access, one.way);
    EXPECT_EQ(said.has_value(), *one.says != '\0') << one.name << ": " << said.value_or("");
    EXPECT_THAT(said.value_or(""), HasSubstr(one.says)) << one.name;
  }
  Project archived;
  archived.archived = true;
  EXPECT_TRUE(refusal({"refs/heads/a", kOne, kTwo}, archived, open, Access::kOwner, Way::kGit));
}

TEST(ForgeGitPaths, KnowsGits) {
  const auto refs = parse_git_path("/g/sub/p.git/info/refs", "service=git-receive-pack");
  ASSERT_TRUE(refs);
  EXPECT_EQ(refs->project, "g/sub/p");
  EXPECT_EQ(refs->service, GitService::kReceive);
  EXPECT_TRUE(refs->advertisement);
  const auto plain = parse_git_path("/g/p/git-upload-pack", "");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->project, "g/p");
  EXPECT_EQ(plain->service, GitService::kUpload);
  EXPECT_FALSE(plain->advertisement);
  EXPECT_FALSE(parse_git_path("/g/p.git/info/refs", "")->service);
  EXPECT_FALSE(parse_git_path("/g/p.git/info/lfs/objects/batch", "")->service);
  for (const char* path : {"/", "/g/p", "/p.git/info/refs", "/api/v4/info/refs",
                           "/v2/a/b/git-upload-pack", "/g/p.git/HEAD"}) {
    EXPECT_FALSE(parse_git_path(path, "service=git-upload-pack")) << path;
  }
}

class ForgeGitAnswers : public testing::Test {
 protected:
  GitVerdict ask(GitService service, bool reads, Access access = Access::kNone) {
    return answer_to({.service = service,
                      .credentials = credentials_,
                      .identity = credentials_ && known_ ? &identity_ : nullptr,
                      .project = exists_ ? &project_ : nullptr,
                      .access = access,
                      .reads_code = reads,
                      .may_create = may_create_})
        .verdict;
  }
  ForgeGitAnswers() { identity_.scopes = {"api"}; }

  Identity identity_;
  Project project_;
  bool credentials_ = true;
  bool known_ = true;
  bool exists_ = true;
  bool may_create_ = false;
};

TEST_F(ForgeGitAnswers, AsksStrangersWhateverIsThere) {
  credentials_ = false;
  EXPECT_EQ(ask(GitService::kUpload, false), GitVerdict::kAsk);
  EXPECT_EQ(ask(GitService::kReceive, true), GitVerdict::kAsk);
  EXPECT_EQ(ask(GitService::kUpload, true), GitVerdict::kAllow);
  exists_ = false;
  EXPECT_EQ(ask(GitService::kUpload, false), GitVerdict::kAsk);
}

TEST_F(ForgeGitAnswers, AsksAgainAfterWrongCredentialsEvenOfAPublicProject) {
  known_ = false;
  EXPECT_EQ(ask(GitService::kUpload, true), GitVerdict::kAsk);
}

TEST_F(ForgeGitAnswers, HidesWhatTheUserMayNotSee) {
  EXPECT_EQ(ask(GitService::kUpload, false), GitVerdict::kHidden);
  EXPECT_EQ(ask(GitService::kUpload, false, Access::kGuest), GitVerdict::kForbidden);
  exists_ = false;
  EXPECT_EQ(ask(GitService::kUpload, false), GitVerdict::kHidden);
}

TEST_F(ForgeGitAnswers, NeedsRoleAndScopeToPush) {
  EXPECT_EQ(ask(GitService::kReceive, true, Access::kReporter), GitVerdict::kForbidden);
  EXPECT_EQ(ask(GitService::kReceive, true, Access::kDeveloper), GitVerdict::kAllow);
  identity_.scopes = {"read_repository"};
  EXPECT_EQ(ask(GitService::kReceive, true, Access::kOwner), GitVerdict::kForbidden);
  EXPECT_EQ(ask(GitService::kUpload, true, Access::kOwner), GitVerdict::kAllow);
  identity_.scopes = {"read_api"};
  EXPECT_EQ(ask(GitService::kUpload, true, Access::kOwner), GitVerdict::kForbidden);
}

TEST_F(ForgeGitAnswers, LetsJobsReadOnly) {
  identity_ = {.kind = TokenKind::kJob};
  EXPECT_EQ(ask(GitService::kUpload, true, Access::kDeveloper), GitVerdict::kAllow);
  EXPECT_EQ(ask(GitService::kReceive, true, Access::kOwner), GitVerdict::kForbidden);
}

TEST_F(ForgeGitAnswers, MakesAProjectOnlyForAPush) {
  exists_ = false;
  may_create_ = true;
  EXPECT_EQ(ask(GitService::kReceive, false), GitVerdict::kCreate);
  EXPECT_EQ(ask(GitService::kUpload, false), GitVerdict::kHidden);
}

}  // namespace
}  // namespace slipway::forge
