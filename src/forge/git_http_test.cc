// Git's own client against a real server.

#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <thread>

#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "forge/test_forge.h"
#include "net/client.h"
#include "net/test_client.h"

namespace slipway::forge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Whether a child of this test is git.
bool git_runs() {
  const std::string parent = " " + std::to_string(::getpid()) + " ";
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    if (!base::parse_integer(entry.path().filename().string())) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);  // "<pid> (git) <state> <parent> …"
    const std::size_t end = stat.find(") ");
    if (end != std::string::npos && stat.find("(git") < end &&
        stat.substr(end + 3).starts_with(parent)) {
      return true;
    }
  }
  return false;
}

TEST_F(GitHttpTest, PushesAndClones) {
  const Project project = make_project("tumour");
  make_work(url("root/tumour"));

  const auto pushed = git({"push", "origin", "main"});
  const auto cloned = git({"clone", url("root/tumour"), (directory_ / "copy").string()});

  ASSERT_TRUE(pushed.ok()) << pushed.error;
  ASSERT_TRUE(cloned.ok()) << cloned.error;
  EXPECT_EQ(store::read_file(directory_ / "copy/README"), "hello\n");
  EXPECT_THAT(pushed.error, HasSubstr("remote: told of refs/heads/main"));
  ASSERT_EQ(pushes().size(), 1u);
  const Push push = pushes().front();
  EXPECT_EQ(push.project, project.id);
  EXPECT_EQ(push.user, root_.user.id);
  EXPECT_EQ(push.before, kNoCommit);
  EXPECT_EQ(push.after, forge_->repository(project.id).resolve("main"));
  EXPECT_EQ(push.refs_in_push, 1);
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(events().front().type, "Project.Pushed");
  EXPECT_EQ(events().front().subject, "root/tumour");
  EXPECT_EQ(events().front().detail["id"], push.id);
  EXPECT_EQ(untold(), 0);
  EXPECT_GT(recorder_->version_two, 0);
}

TEST_F(GitHttpTest, TakesPathsWithoutTheSuffixAndInOtherCase) {
  make_project("tumour");
  make_work("http://oauth2:" + token() + "@" + host() + "/Root/Tumour");

  const auto pushed = git({"push", "origin", "main"});

  EXPECT_TRUE(pushed.ok()) << pushed.error;
}

TEST_F(GitHttpTest, TakesALargePushInChunks) {
  const Project project = make_project("large");
  make_work(url("root/large"));
  const std::string content = base::random_bytes(3u << 20);
  commit("model.bin", content);

  const auto pushed = git({"push", "origin", "main"});

  ASSERT_TRUE(pushed.ok()) << pushed.error;
  EXPECT_GT(recorder_->chunked, 0);
  EXPECT_GT(recorder_->spooled, 0);
  EXPECT_GT(recorder_->admitted, 0);
  EXPECT_EQ(forge_->repository(project.id).read("main", "model.bin"), content);
  const auto cloned = git({"clone", url("root/large"), (directory_ / "copy").string()});
  ASSERT_TRUE(cloned.ok()) << cloned.error;
  EXPECT_EQ(store::read_file(directory_ / "copy/model.bin"), content);
}

TEST_F(GitHttpTest, ReadsCompressedRequests) {
  const Project project = make_project("many");
  commit_file(project.id, "a", "a");
  for (int i = 0; i < 40; ++i) {
    const Commit made = commit_file(project.id, "f" + std::to_string(i), std::to_string(i));
    forge_->repository(project.id).keep("refs/tags/t" + std::to_string(i), made.id);
  }

  const auto cloned = git({"clone", url("root/many"), work_.string()}, directory_);

  ASSERT_TRUE(cloned.ok()) << cloned.error;
  EXPECT_GT(recorder_->gzipped, 0);
  EXPECT_THAT(git({"tag"}).output, HasSubstr("t39"));
}

TEST_F(GitHttpTest, SpeaksTheOldProtocolToo) {
  const Project project = make_project("old");
  commit_file(project.id, "a", "a");

  const auto cloned =
      git({"-c", "protocol.version=0", "clone", url("root/old"), work_.string()}, directory_);

  EXPECT_TRUE(cloned.ok()) << cloned.error;
  EXPECT_EQ(recorder_->version_two, 0);
}

TEST_F(GitHttpTest, AsksForCredentials) {
  make_project("private");
  net::Client client;
  const std::string base = "http://" + host() + "/root/";

  for (const char* project : {"private.git", "missing.git"}) {
    const auto answer = client.send({.url = base + project + "/info/refs?service=git-upload-pack"});
    EXPECT_EQ(answer.status, 401) << project;
    EXPECT_EQ(answer.headers.get("www-authenticate"), "Basic realm=\"GitLab\"");
  }
  const auto wrong = git({"clone", url("root/private", "glpat-wrong"), work_.string()}, directory_);
  EXPECT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error, HasSubstr("Authentication failed"));
  EXPECT_THAT(git({"clone", url("root/missing"), work_.string()}, directory_).error,
              HasSubstr("not found"));
}

TEST_F(GitHttpTest, RefusesALargeBodyBeforeItIsSent) {
  make_project("private");
  net::Client client;
  net::ClientRequest request{.method = "POST",
                             .url = "http://" + host() + "/root/private.git/git-receive-pack",
                             .body = std::string(2u << 20, 'x')};
  request.headers.set("Content-Type", "application/x-git-receive-pack-request");
  request.headers.set("Expect", "100-continue");

  EXPECT_EQ(client.send(request).status, 401);
  EXPECT_EQ(recorder_->spooled, 0);
}

TEST_F(GitHttpTest, ServesPublicProjectsToAll) {
  Project project;
  project.path = "open";
  project.visibility = Visibility::kPublic;
  project = forge_->create_project(project, root_.user.id);
  commit_file(project.id, "a", "a");

  const auto cloned =
      git({"clone", "http://" + host() + "/root/open.git", work_.string()}, directory_);

  ASSERT_TRUE(cloned.ok()) << cloned.error;
  EXPECT_FALSE(git({"push", "origin", "main:other"}).ok());
}

TEST_F(GitHttpTest, LogsAccessKeysAndJobsIn) {
  const Project project = make_project("p");
  commit_file(project.id, "a", "a");
  const iam::AccessKey key = iam_->create_access_key("root");
  forge_->job_tokens_by([&](std::string_view token) -> std::optional<Identity> {
    if (token != "glcbt-job") return std::nullopt;
    return Identity{
        .user = root_.user, .kind = TokenKind::kJob, .job = 1, .job_project = project.id};
  });
  std::string secret;
  for (const char c : key.secret) {
    secret += c == '/' ? "%2F" : c == '+' ? "%2B" : std::string(1, c);
  }

  const auto by_key = git(
      {"ls-remote", "http://" + key.id + ":" + secret + "@" + host() + "/root/p.git"}, directory_);
  const auto by_job =
      git({"clone", "http://gitlab-ci-token:glcbt-job@" + host() + "/root/p.git", work_.string()},
          directory_);

  EXPECT_TRUE(by_key.ok()) << by_key.error;
  ASSERT_TRUE(by_job.ok()) << by_job.error;
  const auto pushed = git({"push", "origin", "main:x"});
  EXPECT_FALSE(pushed.ok());
  EXPECT_THAT(pushed.error, HasSubstr("not allowed to push"));
}

TEST_F(GitHttpTest, ChecksRolesAndScopes) {
  const Project project = make_project("p");
  commit_file(project.id, "a", "a");
  const User ann = forge_->create_user({.username = "ann"});
  const std::string whole = token_of(ann.id);
  const std::string reads = token_of(ann.id, {"read_repository"});

  EXPECT_THAT(git({"ls-remote", url("root/p", whole)}, directory_).error, HasSubstr("not found"));
  forge_->set_member(project.id, true, ann.id, Access::kReporter);
  ASSERT_TRUE(git({"clone", url("root/p", reads), work_.string()}, directory_).ok());
  EXPECT_THAT(git({"push", url("root/p", whole), "main:x"}).error, HasSubstr("403"));
  forge_->set_member(project.id, true, ann.id, Access::kDeveloper);
  EXPECT_THAT(git({"push", url("root/p", reads), "main:x"}).error, HasSubstr("write_repository"));
  EXPECT_TRUE(git({"push", url("root/p", whole), "main:x"}).ok());
}

TEST_F(GitHttpTest, GuardsProtectedBranches) {
  const Project project = make_project("p");
  commit_file(project.id, "a", "a");
  const User ann = forge_->create_user({.username = "ann"});
  forge_->set_member(project.id, true, ann.id, Access::kDeveloper);
  ASSERT_TRUE(git({"clone", url("root/p", token_of(ann.id)), work_.string()}, directory_).ok());
  commit("b", "b");
  const std::string before = forge_->repository(project.id).resolve("main").value();

  const auto refused = git({"push", "origin", "main"});

  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.error, HasSubstr("remote: GitLab: You are not allowed to push code to "
                                       "protected branches on this project."));
  EXPECT_EQ(forge_->repository(project.id).resolve("main"), before);
  EXPECT_EQ(untold(), 0);
  EXPECT_TRUE(git({"push", "origin", "main:topic"}).ok());
  EXPECT_FALSE(git({"push", "origin", "main:refs/pipelines/9"}).ok());
}

TEST_F(GitHttpTest, RefusesForceOnlyWhereProtected) {
  make_project("p");
  make_work(url("root/p"));
  ASSERT_TRUE(git({"push", "origin", "main", "main:topic"}).ok());
  must(git({"commit", "--amend", "-q", "-m", "Other"}));

  const auto guarded = git({"push", "--force", "origin", "main"});
  const auto open = git({"push", "--force", "origin", "main:topic"});
  const auto deleted = git({"push", "origin", ":topic"});
  const auto last = git({"push", "origin", ":main"});

  EXPECT_THAT(guarded.error, HasSubstr("not allowed to force push"));
  EXPECT_TRUE(open.ok()) << open.error;
  EXPECT_TRUE(deleted.ok()) << deleted.error;
  EXPECT_THAT(last.error, HasSubstr("default branch of a project cannot be deleted"));
  ASSERT_EQ(pushes().size(), 4u);
  EXPECT_EQ(pushes()[0].refs_in_push, 2);
  EXPECT_EQ(pushes()[3].after, kNoCommit);
  EXPECT_EQ(pushes()[3].before, pushes()[2].after);
}

TEST_F(GitHttpTest, PassesPushOptionsOn) {
  make_project("p");
  make_work(url("root/p"));

  const auto pushed =
      git({"push", "-o", "ci.skip", "-o", "ci.variable=KEY=a value", "origin", "main"});

  ASSERT_TRUE(pushed.ok()) << pushed.error;
  EXPECT_THAT(pushes().at(0).options, ElementsAre("ci.skip", "ci.variable=KEY=a value"));
}

TEST_F(GitHttpTest, MakesTheProjectThatIsPushedTo) {
  forge_->create_group({.path = "health"}, root_.user.id);
  make_work(url("health/tumour"));

  const auto pushed = git({"push", "origin", "main"});

  ASSERT_TRUE(pushed.ok()) << pushed.error;
  const auto project = forge_->project_at("health/tumour");
  ASSERT_TRUE(project);
  EXPECT_EQ(project->visibility, Visibility::kPrivate);
  EXPECT_TRUE(forge_->repository(project->id).resolve("main"));
  const auto nowhere = git({"push", url("nowhere/tumour"), "main"});
  EXPECT_THAT(nowhere.error, HasSubstr("not found"));
}

TEST_F(GitHttpTest, TakesTheFirstBranchAsDefault) {
  const Project project = make_project("p");
  make_work(url("root/p"));

  const auto pushed = git({"push", "origin", "main:trunk"});

  ASSERT_TRUE(pushed.ok()) << pushed.error;
  EXPECT_EQ(forge_->project(project.id)->default_branch, "trunk");
  EXPECT_TRUE(forge_->is_protected(project, "refs/heads/trunk"));
  EXPECT_THAT(git({"ls-remote", "--symref", "origin", "HEAD"}).output,
              HasSubstr("ref: refs/heads/trunk"));
}

TEST_F(GitHttpTest, FetchesPipelinesRefsAndCommitsById) {
  const Project project = make_project("p");
  const Commit first = commit_file(project.id, "a", "a");
  const Repository repository = forge_->repository(project.id);
  repository.keep("refs/pipelines/7", first.id);
  must(git({"init", "-q", work_.string()}, directory_));

  const auto by_name =
      git({"fetch", "--depth", "1", url("root/p"), "+refs/pipelines/7:refs/pipelines/7"});
  const auto by_id = git({"fetch", url("root/p"), "+" + first.id + ":refs/x"});
  repository.drop("refs/pipelines/7");

  EXPECT_TRUE(by_name.ok()) << by_name.error;
  EXPECT_TRUE(by_id.ok()) << by_id.error;
  EXPECT_FALSE(git({"fetch", url("root/p"), "refs/pipelines/7"}).ok());
}

TEST_F(GitHttpTest, TellsAgainWhatTheHandlerDidNotTake) {
  make_project("p");
  make_work(url("root/p"));
  {
    const std::lock_guard lock(mutex_);
    fails_ = true;
  }

  const auto pushed = git({"push", "-o", "ci.skip", "origin", "main"});

  EXPECT_TRUE(pushed.ok()) << pushed.error;
  EXPECT_THAT(pushed.error, HasSubstr("what follows it failed"));
  EXPECT_EQ(untold(), 1);
  server_.reset();
  {
    const std::lock_guard lock(mutex_);
    fails_ = false;
  }
  open();
  forge_->start();
  ASSERT_EQ(pushes().size(), 2u);
  EXPECT_EQ(pushes()[0].id, pushes()[1].id);
  EXPECT_THAT(pushes()[1].options, ElementsAre("ci.skip"));
  EXPECT_EQ(untold(), 0);
  EXPECT_EQ(events().size(), 1u);
}

TEST_F(GitHttpTest, TellsOfAPushWhoseHookNeverCame) {
  make_project("p");
  make_work(url("root/p"));
  // Hooks whose second half is lost.
  const std::filesystem::path hook = data_ / "git-hooks/post-receive";
  std::ofstream(hook, std::ios::trunc) << "#!/bin/sh\nexit 1\n";

  const auto pushed = git({"push", "origin", "main"});

  ASSERT_TRUE(pushed.ok()) << pushed.error;
  ASSERT_TRUE(eventually([&] { return untold() == 0; }));
  ASSERT_EQ(pushes().size(), 1u);
  EXPECT_EQ(pushes()[0].ref, "refs/heads/main");
}

TEST_F(GitHttpTest, TakesPushesSideBySide) {
  const Project project = make_project("p");
  make_work(url("root/p"));
  constexpr int kPushes = 8;
  std::vector<std::future<base::CommandResult>> running;

  for (int i = 0; i < kPushes; ++i) {
    running.push_back(std::async(std::launch::async, [&, i] {
      return git({"push", "origin", "main:topic-" + std::to_string(i)});
    }));
  }

  for (auto& one : running) {
    const auto pushed = one.get();
    EXPECT_TRUE(pushed.ok()) << pushed.error;
  }
  EXPECT_EQ(pushes().size(), static_cast<std::size_t>(kPushes));
  EXPECT_EQ(events().size(), static_cast<std::size_t>(kPushes));
  EXPECT_EQ(forge_->repository(project.id).refs("refs/heads/").size(),
            static_cast<std::size_t>(kPushes));
}

// A client that goes away while it is answered takes its git process with it.
TEST_F(GitHttpTest, EndsGitWhenTheClientGoesAway) {
  const Project project = make_project("p");
  make_work(url("root/p"));
  commit("large.bin", base::random_bytes(24u << 20));
  must(git({"push", "origin", "main"}));
  const std::string tip = forge_->repository(project.id).resolve("main").value();
  const std::string line = "want " + tip + " no-progress\n";
  char length[5];
  std::snprintf(length, sizeof length, "%04zx", line.size() + 4);
  const std::string body = length + line + "00000009done\n";
  auto client = std::make_unique<net::TestClient>(server_->port(), 4096);
  client->send(net::post("/root/p.git/git-upload-pack", body,
                         "Authorization: Basic " + base::base64("a:" + token()) +
                             "\r\nContent-Type: application/x-git-upload-pack-request\r\n"));
  ASSERT_TRUE(eventually(git_runs));

  client.reset();

  EXPECT_TRUE(eventually([] { return !git_runs(); }));
}

TEST_F(GitHttpTest, RefusesAPushWhileNobodyListens) {
  make_project("p");
  make_work(url("root/p"));
  forge_->stop();

  EXPECT_FALSE(git({"push", "origin", "main"}).ok());
  forge_->start();
  EXPECT_TRUE(git({"push", "origin", "main"}).ok());
}

}  // namespace
}  // namespace slipway::forge
