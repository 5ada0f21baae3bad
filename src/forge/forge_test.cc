#include "forge/forge.h"

#include <chrono>

#include <sys/stat.h>

#include "base/error.h"
#include "forge/git.h"
#include "forge/test_forge.h"

namespace slipway::forge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

template <class Call>
std::string code_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST_F(ForgeTest, MakesRootAndItsToken) {
  struct stat facts {};
  ASSERT_EQ(::stat((data_ / "gitlab-token").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_TRUE(token().starts_with("glpat-"));
  EXPECT_EQ(root_.user.id, 1);
  EXPECT_EQ(root_.user.username, "root");
  EXPECT_TRUE(root_.user.admin);
  EXPECT_TRUE(root_.may("write_repository"));
  const std::string before = token();

  open();

  EXPECT_EQ(token(), before);
  EXPECT_EQ(forge_->users().size(), 1u);
}

TEST_F(ForgeTest, MakesANewTokenWhereTheFileIsGone) {
  const std::string before = token();
  std::filesystem::remove(data_ / "gitlab-token");

  open();

  EXPECT_NE(token(), before);
  EXPECT_FALSE(forge_->authenticate(before));
}

TEST_F(ForgeTest, TellsTokensApart) {
  const auto [made, text] = forge_->create_token(
      {.name = "ci", .user = 1, .scopes = {"read_api"}, .expires = clock_.now() + 3'600'000});
  EXPECT_TRUE(text.starts_with("glpat-"));
  EXPECT_TRUE(forge_->authenticate(text));
  EXPECT_FALSE(forge_->authenticate(text)->may("write_repository"));
  EXPECT_FALSE(forge_->authenticate(text + "x"));
  EXPECT_FALSE(forge_->authenticate(""));
  EXPECT_FALSE(forge_->authenticate("glcbt-x"));
  EXPECT_TRUE(forge_->tokens(1).back().last_used);
  forge_->revoke_token(made.id);
  EXPECT_FALSE(forge_->authenticate(text));
  EXPECT_EQ(code_of([&] { forge_->create_token({.name = "x", .user = 1, .scopes = {"all"}}); }),
            "Invalid");
}

TEST_F(ForgeTest, ForgetsATokenWhenItsTimeIsOver) {
  base::FakeClock clock(clock_.now());
  Forge forge(*database_, clock, *iam_, ForgeOptions{data_});
  const auto made = forge.create_token(
      {.name = "x", .user = 1, .scopes = {"api"}, .expires = clock.now() + 1000});
  EXPECT_TRUE(forge.authenticate(made.second));
  clock.advance(1000);
  EXPECT_FALSE(forge.authenticate(made.second));
}

TEST_F(ForgeTest, TakesAccessKeysButNoSessions) {
  const iam::AccessKey key = iam_->create_access_key("root");
  EXPECT_TRUE(forge_->authenticate(key.id, key.secret));
  EXPECT_FALSE(forge_->authenticate(key.id, "wrong"));
  EXPECT_TRUE(forge_->authenticate("anybody", token()));
}

TEST_F(ForgeTest, KeepsPathsApart) {
  const Namespace health = forge_->create_group({.path = "Health"}, 1);
  const Namespace sub = forge_->create_group({.path = "oncology", .parent = health.id}, 1);
  EXPECT_EQ(sub.full_path, "Health/oncology");
  EXPECT_EQ(forge_->space_at("health/ONCOLOGY")->id, sub.id);
  Project project;
  project.name = "My Model!";
  project.space = sub.id;
  project = forge_->create_project(project, 1);
  EXPECT_EQ(project.full_path, "Health/oncology/my-model");
  EXPECT_EQ(forge_->project_at("health/oncology/my-model")->id, project.id);
  EXPECT_EQ(code_of([&] { forge_->create_group({.path = "health"}, 1); }), "Invalid");
  EXPECT_EQ(code_of([&] { forge_->create_group({.path = "my-model", .parent = sub.id}, 1); }),
            "Invalid");
  EXPECT_EQ(code_of([&] { forge_->create_user({.username = "health"}); }), "Conflict");
  EXPECT_EQ(code_of([&] { forge_->create_group({.path = "api"}, 1); }), "Invalid");
  const auto repository = forge_->repository(project.id).directory();

  forge_->remove_group(health.id);

  EXPECT_FALSE(forge_->project(project.id));
  EXPECT_FALSE(forge_->space(sub.id));
  EXPECT_FALSE(std::filesystem::exists(repository));
}

TEST_F(ForgeTest, GivesTheHighestOfTheRoles) {
  const User ann = forge_->create_user({.username = "ann"});
  const Namespace group = forge_->create_group({.path = "g"}, 1);
  const Namespace sub = forge_->create_group({.path = "s", .parent = group.id}, 1);
  Project project;
  project.path = "p";
  project.space = sub.id;
  project = forge_->create_project(project, 1);
  Identity identity{.user = ann, .scopes = {"api"}};

  EXPECT_EQ(forge_->access(identity, project), Access::kNone);
  EXPECT_FALSE(forge_->can_read(&identity, project));
  forge_->set_member(group.id, false, ann.id, Access::kDeveloper);
  EXPECT_EQ(forge_->access(identity, project), Access::kDeveloper);
  forge_->set_member(project.id, true, ann.id, Access::kMaintainer);
  EXPECT_EQ(forge_->access(identity, project), Access::kMaintainer);
  EXPECT_TRUE(forge_->can_push(identity, project, "refs/heads/main"));
  forge_->set_member(project.id, true, ann.id, Access::kNone);
  EXPECT_FALSE(forge_->can_push(identity, project, "refs/heads/main"));
  EXPECT_TRUE(forge_->can_push(identity, project, "refs/heads/topic"));
  identity.only_project = project.id + 1;
  EXPECT_EQ(forge_->access(identity, project), Access::kNone);
}

TEST_F(ForgeTest, LetsJobsReadWhatTheSettingsAllow) {
  const Project own = make_project("own");
  Project other = make_project("other");
  const Identity job{.user = root_.user, .kind = TokenKind::kJob, .job = 1, .job_project = own.id};

  EXPECT_EQ(forge_->access(job, own), Access::kOwner);
  EXPECT_EQ(forge_->access(job, other), Access::kNone);
  other.settings["ci_job_token_allowlist"] = {own.id};
  forge_->update_project(other);
  EXPECT_EQ(forge_->access(job, *forge_->project(other.id)), Access::kReporter);
  EXPECT_FALSE(forge_->can_push(job, own, "refs/heads/x"));
}

TEST_F(ForgeTest, KeepsWhatProjectsAreSetTo) {
  Project project = make_project("p");
  project.description = "d";
  project.visibility = Visibility::kInternal;
  project.build_timeout = std::chrono::seconds(7200);
  project.ci_config_path = "ci.yml";
  project.settings = {{"ci_default_git_depth", 5}};
  project.path = "renamed";
  forge_->update_project(project);

  const Project read = forge_->project_at("root/renamed").value();
  EXPECT_EQ(read.description, "d");
  EXPECT_EQ(read.visibility, Visibility::kInternal);
  EXPECT_EQ(read.build_timeout, std::chrono::seconds(7200));
  EXPECT_EQ(read.settings["ci_default_git_depth"], 5);
  EXPECT_FALSE(forge_->project_at("root/p"));
  project.default_branch = "a..b";
  EXPECT_EQ(code_of([&] { forge_->update_project(project); }), "Invalid");
}

TEST_F(ForgeTest, CommitsThroughTheApi) {
  const Project project = make_project("p");
  const Commit first =
      forge_->commit(root_, project.id,
                     {.branch = "main",
                      .message = "First\n\nMore",
                      .author = Signature{"Ann <x>", "ann@localhost", 1'600'000'000'000},
                      .changes = {{.path = "a.txt", .content = "one\n"},
                                  {.path = "bin/run", .content = "#!/bin/sh\n", .executable = true},
                                  {.path = "d/e/f", .content = std::string("\0\xff", 2)}}});
  const Repository repository = forge_->repository(project.id);
  const Commit second = forge_->commit(
      root_, project.id,
      {.branch = "main",
       .message = "Second",
       .changes = {{.action = FileAction::kUpdate, .path = "a.txt", .content = "two\n"},
                   {.action = FileAction::kMove, .path = "d/g", .previous_path = "d/e/f"},
                   {.action = FileAction::kDelete, .path = "bin/run"},
                   {.path = "bin", .content = "now a file"}},
       .expected = first.id});

  EXPECT_EQ(first.author.name, "Ann x");
  EXPECT_EQ(first.author.at, 1'600'000'000'000);
  EXPECT_EQ(first.title(), "First");
  EXPECT_THAT(first.parents, IsEmpty());
  EXPECT_THAT(second.parents, ElementsAre(first.id));
  EXPECT_EQ(repository.read(first.id, "d/e/f"), std::string("\0\xff", 2));
  EXPECT_EQ(repository.read("main", "a.txt"), "two\n");
  EXPECT_THAT(repository.paths("main"), UnorderedElementsAre("a.txt", "bin", "d/g"));
  EXPECT_THAT(repository.changed_paths(first.id, second.id),
              UnorderedElementsAre("a.txt", "bin", "bin/run", "d/e/f", "d/g"));
  ASSERT_EQ(pushes().size(), 2u);
  EXPECT_EQ(pushes()[1].before, first.id);
  EXPECT_EQ(pushes()[1].after, second.id);
  EXPECT_EQ(events().size(), 2u);
  EXPECT_EQ(untold(), 0);
}

TEST_F(ForgeTest, RefusesCommitsThatDoNotFit) {
  const Project project = make_project("p");
  const Commit first = commit_file(project.id, "a", "1");
  const CommitRequest add{.branch = "main", .message = "x", .changes = {{.path = "b"}}};
  const auto commit = [&](const std::function<void(CommitRequest&)>& change) {
    CommitRequest request = add;
    change(request);
    return code_of([&] { forge_->commit(root_, project.id, request); });
  };

  EXPECT_EQ(commit([](auto& r) { r.changes[0].path = "a"; }), "Invalid");
  EXPECT_EQ(commit([](auto& r) { r.changes[0].path = "../a"; }), "Invalid");
  EXPECT_EQ(commit([](auto& r) { r.message = " "; }), "Invalid");
  EXPECT_EQ(commit([](auto& r) { r.branch = "a..b"; }), "Invalid");
  EXPECT_EQ(commit([](auto& r) { r.branch = "new"; }), "Invalid");
  EXPECT_EQ(commit([](auto& r) {
              r.branch = "new";
              r.start = "none";
            }),
            "Invalid");
  EXPECT_EQ(commit([](auto& r) { r.expected = kNoCommit; }), "Conflict");
  EXPECT_EQ(pushes().size(), 1u);
  EXPECT_EQ(commit([](auto& r) {
              r.branch = "new";
              r.start = "main";
            }),
            "");
  EXPECT_THAT(forge_->repository(project.id).commit("new")->parents, ElementsAre(first.id));
  const Identity nobody{.user = forge_->create_user({.username = "ann"}), .scopes = {"api"}};
  EXPECT_EQ(code_of([&] { forge_->commit(nobody, project.id, add); }), "Forbidden");
}

TEST_F(ForgeTest, MovesRefsThroughTheApi) {
  const Project project = make_project("p");
  const Commit first = commit_file(project.id, "a", "1");
  const Commit second = commit_file(project.id, "b", "1");
  const Repository repository = forge_->repository(project.id);

  forge_->set_ref(root_, project.id, "refs/heads/topic", second.id);
  forge_->set_ref(root_, project.id, "refs/heads/topic", "main");  // it is there already
  forge_->set_ref(root_, project.id, "refs/tags/v1", first.id.substr(0, 8));
  EXPECT_EQ(repository.resolve("topic"), second.id);
  EXPECT_EQ(repository.resolve("v1"), first.id);
  EXPECT_EQ(code_of([&] { forge_->set_ref(root_, project.id, "refs/heads/main", first.id); }),
            "Forbidden");  // it would lose a commit
  EXPECT_EQ(code_of([&] { forge_->set_ref(root_, project.id, "refs/heads/main", ""); }),
            "Forbidden");
  EXPECT_EQ(code_of([&] { forge_->set_ref(root_, project.id, "refs/tags/v2", "none"); }),
            "Invalid");
  EXPECT_EQ(code_of([&] { forge_->set_ref(root_, project.id, "refs/tags/v2", ""); }), "NotFound");
  forge_->set_ref(root_, project.id, "refs/heads/topic", "");
  EXPECT_FALSE(repository.resolve("topic"));
  ASSERT_EQ(pushes().size(), 5u);
  EXPECT_EQ(pushes()[4].after, kNoCommit);
}

TEST_F(ForgeTest, ReadsRepositories) {
  const Project project = make_project("p");
  const Repository repository = forge_->repository(project.id);
  EXPECT_FALSE(repository.resolve("main"));
  EXPECT_THAT(repository.refs("refs/heads/"), IsEmpty());
  EXPECT_THAT(repository.history("main", "", 0, 10), IsEmpty());
  const Commit first = commit_file(project.id, "d/a", "1");
  const Commit second = commit_file(project.id, "d/b c", "22");
  const Commit side = forge_->commit(
      root_, project.id,
      {.branch = "side", .start = first.id, .message = "s", .changes = {{.path = "x"}}});
  git_output(repository.directory(),
             {.arguments = {"tag", "-a", "-m", "Two\nlines", "v1", second.id},
              .environment = {{"GIT_COMMITTER_NAME", "a"}, {"GIT_COMMITTER_EMAIL", "a@b"}}});

  EXPECT_EQ(repository.resolve("main"), second.id);
  EXPECT_EQ(repository.resolve("HEAD"), second.id);
  EXPECT_EQ(repository.resolve("v1"), second.id);
  EXPECT_EQ(repository.resolve("refs/tags/v1"), second.id);
  EXPECT_EQ(repository.resolve(second.id), second.id);
  EXPECT_EQ(repository.resolve(second.id.substr(0, 7)), second.id);
  for (const char* name : {"none", "main~1", "--all", "", "config", "main:d/a"}) {
    EXPECT_FALSE(repository.resolve(name)) << name;
  }
  EXPECT_EQ(repository.commit("main")->id, second.id);
  EXPECT_FALSE(repository.commit(std::string(40, '1')));
  const auto history = repository.history("main", "", 0, 10);
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].id, second.id);
  EXPECT_EQ(repository.history("main", "", 1, 10).at(0).id, first.id);
  ASSERT_EQ(repository.history("main", "d/a", 0, 10).size(), 1u);
  const auto tags = repository.refs("refs/tags/");
  ASSERT_EQ(tags.size(), 1u);
  EXPECT_EQ(tags[0].commit, second.id);
  EXPECT_EQ(tags[0].message, "Two\nlines\n");
  EXPECT_EQ(repository.refs("refs/heads/").size(), 2u);
  EXPECT_EQ(repository.refs("refs/heads/").at(0).message, "");
  EXPECT_EQ(repository.read("main", "d/b c"), "22");
  EXPECT_FALSE(repository.read("main", "d"));
  EXPECT_FALSE(repository.read("main", "none"));
  EXPECT_FALSE(repository.read(std::string(40, '1'), "d/a"));
  EXPECT_EQ(code_of([&] { repository.read("main", "d/b c", 1); }), "RequestEntityTooLarge");
  const auto tree = repository.tree("main", "", false);
  ASSERT_EQ(tree.size(), 1u);
  EXPECT_EQ(tree[0].type, "tree");
  EXPECT_EQ(tree[0].path, "d");
  EXPECT_EQ(repository.tree("main", "", true).size(), 3u);
  EXPECT_EQ(repository.tree("main", "d/", false).at(1).path, "d/b c");
  EXPECT_THAT(repository.tree("main", "none", false), IsEmpty());
  EXPECT_THAT(repository.tree("none", "", false), IsEmpty());
  EXPECT_EQ(repository.merge_base("main", "side"), first.id);
  EXPECT_THAT(repository.changed_paths(kNoCommit, side.id), UnorderedElementsAre("d/a", "x"));
  EXPECT_THAT(repository.changed_paths(std::string(40, '1'), side.id), IsEmpty());
}

TEST_F(ForgeTest, WritesArchives) {
  const Project project = make_project("p");
  commit_file(project.id, "a", "1");
  const Repository repository = forge_->repository(project.id);
  for (const char* format : {"tar", "tar.gz", "zip"}) {
    const auto file = directory_ / format;
    repository.archive("main", format, "p-main/", file);
    const auto listed =
        base::run({.arguments = std::string(format) == "zip"
                                    ? std::vector<std::string>{"python3", "-m", "zipfile", "-l",
                                                               file.string()}
                                    : std::vector<std::string>{"tar", "-tf", file.string()}});
    EXPECT_THAT(listed.output, HasSubstr("p-main/a")) << format << listed.error;
  }
  EXPECT_EQ(code_of([&] { repository.archive("main", "rar", "", directory_ / "x"); }), "Invalid");
}

TEST_F(ForgeTest, PutsHeadRightAndClearsUpAtStart) {
  const Project project = make_project("p");
  const auto repository = forge_->repository(project.id).directory();
  point_head(repository, "elsewhere");
  std::filesystem::create_directories(data_ / "repositories/9.git.removed/x");

  forge_->start();
  forge_->stop();  // waits for what start() began

  EXPECT_EQ(store::read_file(repository / "HEAD"), "ref: refs/heads/main\n");
  EXPECT_FALSE(std::filesystem::exists(data_ / "repositories/9.git.removed"));
}

}  // namespace
}  // namespace slipway::forge
