#include "gitlab/merge_requests.h"

#include "base/error.h"
#include "gitlab/test_gitlab.h"

namespace slipway::gitlab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kJobs =
    "build: {script: [echo]}\n"
    "review: {script: [echo], rules: [{if: $CI_MERGE_REQUEST_IID}]}\n";

class MergeRequestTest : public GitlabTest {
 protected:
  void SetUp() override {
    GitlabTest::SetUp();
    tell_of_pushes();
    project_ = make_project("tumour", {{".gitlab-ci.yml", kJobs}, {"a.txt", "one\n"}});
    path_ = "/projects/" + std::to_string(project_);
    push("work", "b.txt", "b\n");
  }
  void tell_of_pushes() {
    forge_->on_push([this](const forge::Push& push) { return lines_ = gitlab_->pushed(push); });
  }

  // A commit on a branch, which begins at main where it is not there.
  std::string push(const std::string& branch, const std::string& file, const std::string& content) {
    const forge::Repository repository = forge_->repository(project_);
    const bool there = repository.resolve("refs/heads/" + branch).has_value();
    const bool known = repository.read(there ? branch : "main", file).has_value();
    Json body{{"branch", branch}, {"commit_message", "Change " + file}};
    if (!there) body["start_branch"] = "main";
    body["actions"] = Json::array(
        {{{"action", known ? "update" : "create"}, {"file_path", file}, {"content", content}}});
    const Answer made = call("POST", path_ + "/repository/commits", body);
    EXPECT_EQ(made.status, 201) << made.text;
    return base::text_or(made.body, "id");
  }
  Json open(const std::string& source = "work", Json more = Json::object()) {
    more.update({{"source_branch", source}, {"target_branch", "main"}, {"title", "Add b"}});
    const Answer made = call("POST", path_ + "/merge_requests", more);
    EXPECT_EQ(made.status, 201) << made.text;
    return made.body;
  }
  Answer one(const std::string& rest = "", const std::string& method = "GET",
             const Json& body = nullptr) {
    return call(method, path_ + "/merge_requests/1" + rest, body);
  }
  Answer merge(const Json& body = Json::object()) { return one("/merge", "PUT", body); }
  std::string head(const std::string& branch) const {
    return forge_->repository(project_).resolve("refs/heads/" + branch).value_or("");
  }
  std::vector<std::string> events() {
    std::vector<std::string> types;
    database_->read([&](store::Reader& reader) {
      for (const store::Event& event : store::events_after(reader, 0, 1000)) {
        if (event.type.starts_with("MergeRequest.")) types.push_back(event.type);
      }
    });
    return types;
  }
  // What a push would have told, as the forge tells it again after a crash.
  void tell_again(const std::string& before, const std::string& after) {
    gitlab_->pushed({.id = "again",
                     .project = project_,
                     .user = 1,
                     .ref = "refs/heads/main",
                     .before = before,
                     .after = after});
  }

  forge::Id project_ = 0;
  std::string path_;
  std::vector<std::string> lines_;  // of the last push
};

TEST_F(MergeRequestTest, OpensWithAPipelineOfItsOwn) {
  const Json made = open();
  EXPECT_EQ(made["iid"], 1);
  EXPECT_EQ(made["state"], "opened");
  EXPECT_EQ(made["sha"], head("work"));
  EXPECT_EQ(made["merge_status"], "can_be_merged");
  EXPECT_EQ(made["detailed_merge_status"], "mergeable");
  EXPECT_EQ(made["has_conflicts"], false);
  EXPECT_EQ(made["author"]["username"], "root");
  EXPECT_EQ(made["web_url"], "http://gitlab.test/root/tumour/-/merge_requests/1");
  EXPECT_EQ(made["references"]["full"], "root/tumour!1");
  EXPECT_EQ(made["head_pipeline"]["source"], "merge_request_event");
  EXPECT_EQ(made["head_pipeline"]["ref"], "refs/merge-requests/1/head");
  EXPECT_EQ(made["diff_refs"]["base_sha"], head("main"));
  EXPECT_EQ(forge_->repository(project_).resolve("refs/merge-requests/1/head"), head("work"));
  EXPECT_THAT(one("/pipelines").body, SizeIs(2));  // the branch's was made by the push before
  EXPECT_THAT(one("/commits").body, SizeIs(1));
  EXPECT_EQ(one("/changes").body["changes"][0]["new_path"], "b.txt");
  EXPECT_EQ(one("/diffs").body[0]["new_file"], true);
  EXPECT_EQ(call("GET", "/projects/" + std::to_string(project_)).body["merge_requests_enabled"],
            true);
  EXPECT_THAT(events(), ElementsAre("MergeRequest.Opened"));
}

TEST_F(MergeRequestTest, RefusesWhatCannotBeOne) {
  const auto status = [&](Json body) {
    return call("POST", path_ + "/merge_requests", body).status;
  };
  EXPECT_EQ(status({{"source_branch", "work"}, {"target_branch", "main"}}), 400);
  const auto with = [](const char* source, const char* target) {
    return Json{{"source_branch", source}, {"target_branch", target}, {"title", "t"}};
  };
  EXPECT_EQ(status(with("work", "work")), 422);
  EXPECT_EQ(status(with("gone", "main")), 400);
  EXPECT_EQ(status(with("work", "gone")), 400);
  open();
  const Answer second = call("POST", path_ + "/merge_requests", with("work", "main"));
  EXPECT_EQ(second.status, 409);
  EXPECT_THAT(second.text, HasSubstr("Another open merge request already exists"));
  EXPECT_EQ(call("GET", path_ + "/merge_requests/2").status, 404);
  EXPECT_THAT(events(), SizeIs(1));
}

TEST_F(MergeRequestTest, FollowsItsBranch) {
  open();
  const std::string next = push("work", "c.txt", "c\n");
  const Json now = one().body;
  EXPECT_EQ(now["sha"], next);
  EXPECT_EQ(now["head_pipeline"]["sha"], next);
  EXPECT_EQ(now["head_pipeline"]["source"], "merge_request_event");
  EXPECT_EQ(forge_->repository(project_).resolve("refs/merge-requests/1/head"), next);
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("/root/tumour/-/merge_requests/1")));
  EXPECT_THAT(one("/pipelines").body, SizeIs(4));
  EXPECT_THAT(events(), ElementsAre("MergeRequest.Opened", "MergeRequest.Updated"));
  // Its branch has it among its variables.
  const auto branch = ci_->latest_pipeline(project_, "work").value();
  EXPECT_EQ(ci_config::value_of(ci_->variables_of(ci_->jobs_of(branch.id).front()),
                                "CI_OPEN_MERGE_REQUESTS"),
            "root/tumour!1");
  call("DELETE", path_ + "/repository/branches/work");
  EXPECT_EQ(one().body["state"], "closed");
}

TEST_F(MergeRequestTest, MergesAndRunsTheTargetsPipeline) {
  open();
  push("main", "a.txt", "two\n");
  const std::string before = head("main");
  const Answer merged =
      merge({{"merge_commit_message", "Take it"}, {"should_remove_source_branch", true}});
  ASSERT_EQ(merged.status, 200) << merged.text;
  EXPECT_EQ(merged.body["state"], "merged");
  EXPECT_EQ(merged.body["merge_commit_sha"], head("main"));
  EXPECT_EQ(merged.body["merged_by"]["username"], "root");
  EXPECT_FALSE(merged.body["merged_at"].is_null());
  EXPECT_EQ(merged.body["detailed_merge_status"], "not_open");
  const auto commit = forge_->repository(project_).commit(head("main")).value();
  EXPECT_EQ(commit.title(), "Take it");
  EXPECT_EQ(commit.parents.front(), before);
  EXPECT_EQ(ci_->latest_pipeline(project_, "main")->sha, commit.id);
  EXPECT_EQ(head("work"), "");
  EXPECT_THAT(one("/commits").body, SizeIs(1));  // still what it brought
  EXPECT_EQ(merge().status, 405);
  EXPECT_THAT(events(), ElementsAre("MergeRequest.Opened", "MergeRequest.Merged"));
  const Answer of_commit =
      call("GET", path_ + "/repository/commits/" + commit.parents.back() + "/merge_requests");
  EXPECT_EQ(of_commit.body[0]["iid"], 1);
}

TEST_F(MergeRequestTest, LeavesAConflictOpen) {
  open();
  push("main", "b.txt", "another\n");
  const std::string before = head("main");
  const Json now = one().body;
  EXPECT_EQ(now["has_conflicts"], true);
  EXPECT_EQ(now["merge_status"], "cannot_be_merged");
  EXPECT_EQ(now["detailed_merge_status"], "conflict");
  const Answer refused = merge();
  EXPECT_EQ(refused.status, 406);
  EXPECT_THAT(base::text_or(refused.body, "message"),
              testing::StartsWith("Branch cannot be merged"));
  EXPECT_EQ(head("main"), before);
  EXPECT_EQ(one().body["state"], "opened");
}

TEST_F(MergeRequestTest, AsksForTheCommitThatWasLookedAt) {
  const Json made = open();
  push("work", "c.txt", "c\n");
  EXPECT_EQ(merge({{"sha", made["sha"]}}).status, 409);
  EXPECT_EQ(merge({{"sha", head("work")}, {"squash", true}}).status, 200);
  EXPECT_FALSE(one().body["squash_commit_sha"].is_null());
}

TEST_F(MergeRequestTest, GoesNowhereWhileItMustNot) {
  open();
  EXPECT_EQ(one("", "PUT", {{"title", "Draft: Add b"}}).body["draft"], true);
  EXPECT_EQ(merge().status, 405);
  EXPECT_EQ(one("", "PUT", {{"title", "Add b"}, {"state_event", "close"}}).body["state"], "closed");
  EXPECT_EQ(merge().status, 405);
  EXPECT_EQ(one("", "PUT", {{"state_event", "reopen"}}).body["state"], "opened");
  auto project = forge_->project(project_).value();
  project.settings["only_allow_merge_if_pipeline_succeeds"] = true;
  forge_->update_project(project);
  EXPECT_EQ(one().body["detailed_merge_status"], "ci_still_running");
  EXPECT_EQ(merge().status, 405);
  EXPECT_THAT(events(), ElementsAre("MergeRequest.Opened", "MergeRequest.Updated",
                                    "MergeRequest.Closed", "MergeRequest.Reopened"));
}

TEST_F(MergeRequestTest, IsForThoseWhoMayReadAndMerge) {
  open();
  const auto [id, token] = make_user("dev");
  EXPECT_EQ(call_with(token, "GET", path_ + "/merge_requests/1").status, 404);
  forge_->set_member(project_, true, id, forge::Access::kGuest);
  EXPECT_EQ(call_with(token, "GET", path_ + "/merge_requests/1").status, 403);
  EXPECT_THAT(call_with(token, "GET", "/merge_requests?scope=all").body, IsEmpty());
  forge_->set_member(project_, true, id, forge::Access::kReporter);
  EXPECT_THAT(call_with(token, "GET", "/merge_requests?scope=all").body, SizeIs(1));
  EXPECT_EQ(call_with(token, "PUT", path_ + "/merge_requests/1", {{"title", "x"}}).status, 403);
  forge_->set_member(project_, true, id, forge::Access::kDeveloper);
  // main is protected: Maintainers merge.
  EXPECT_EQ(call_with(token, "GET", path_ + "/merge_requests/1").body["user"]["can_merge"], false);
  EXPECT_EQ(call_with(token, "PUT", path_ + "/merge_requests/1/merge", Json::object()).status, 401);
}

TEST_F(MergeRequestTest, ListsWhatIsAskedFor) {
  open();
  push("more", "c.txt", "c\n");
  open("more");
  one("", "PUT", {{"state_event", "close"}});
  const auto iids = [&](const std::string& query) {
    std::vector<int> found;
    for (const Json& each : call("GET", path_ + "/merge_requests?" + query).body) {
      found.push_back(each["iid"].get<int>());
    }
    return found;
  };
  EXPECT_THAT(iids("sort=asc"), ElementsAre(1, 2));
  EXPECT_THAT(iids("state=opened"), ElementsAre(2));
  EXPECT_THAT(iids("state=closed"), ElementsAre(1));
  EXPECT_THAT(iids("source_branch=more"), ElementsAre(2));
  EXPECT_THAT(iids("target_branch=other"), IsEmpty());
  EXPECT_THAT(iids("iids[]=1&iids[]=2&sort=asc"), ElementsAre(1, 2));
  EXPECT_THAT(iids("iids[]=2"), ElementsAre(2));
  EXPECT_THAT(iids("search=NOWHERE"), IsEmpty());
  EXPECT_THAT(iids("per_page=1&page=2&sort=asc"), ElementsAre(2));
  EXPECT_EQ(call("GET", path_ + "/merge_requests?state=odd").status, 400);
  EXPECT_THAT(call("GET", "/merge_requests?state=opened").body, SizeIs(1));
}

TEST_F(MergeRequestTest, IsMadeByAPush) {
  forge::Push push{.id = "p1", .project = project_, .user = 1, .ref = "refs/heads/work"};
  push.before = forge::kNoCommit;
  push.after = head("work");
  push.options = {"merge_request.create", "merge_request.title=By a push",
                  "merge_request.description=Why"};
  for (int times = 0; times < 2; ++times) {  // a crash may tell it again
    const auto lines = gitlab_->pushed(push);
    EXPECT_THAT(lines, testing::Contains("View merge request for work:"));
    EXPECT_THAT(lines, testing::Contains("  http://gitlab.test/root/tumour/-/merge_requests/1"));
  }
  EXPECT_EQ(one().body["title"], "By a push");
  EXPECT_EQ(one().body["description"], "Why");
  EXPECT_EQ(call("GET", path_ + "/merge_requests/2").status, 404);
  EXPECT_EQ(ci_->latest_pipeline(project_, "refs/merge-requests/1/head")->sha, head("work"));
  push.ref = "refs/heads/other";
  push.id = "p2";
  push.options = {"merge_request.title=Nothing"};
  EXPECT_THAT(gitlab_->pushed(push), testing::Contains(HasSubstr("merge_request.create")));
}

TEST_F(MergeRequestTest, IsMergedByAPushOfItsCommits) {
  open();
  const std::string before = head("main");
  forge_->set_ref(forge_->authenticate(token_).value(), project_, "refs/heads/main", head("work"));
  EXPECT_EQ(one().body["state"], "merged");
  EXPECT_EQ(one().body["merge_commit_sha"], head("work"));
  tell_again(before, head("main"));
  EXPECT_THAT(events(), ElementsAre("MergeRequest.Opened", "MergeRequest.Merged"));
}

TEST_F(MergeRequestTest, RecordsAMergeThatACrashCutOff) {
  open("work", {{"squash", true}});
  // The server dies when the target has moved and nobody was told: the push is told later.
  const std::string before = head("main");
  forge_->on_push([](const forge::Push&) -> std::vector<std::string> {
    throw Error("Crash", "the process is gone", 500);
  });
  // Nothing is recorded by the one who merges, either.
  database_->write([](store::Transaction& transaction) {
    transaction.execute(
        "create trigger crash before update of state on gitlab_merge_requests"
        " when new.state = 'merged' begin select raise(abort, 'crash'); end");
  });
  EXPECT_EQ(merge({{"should_remove_source_branch", true}}).status, 500);
  database_->write(
      [](store::Transaction& transaction) { transaction.execute("drop trigger crash"); });
  ASSERT_NE(head("main"), before);
  EXPECT_EQ(one().body["state"], "opened");
  tell_of_pushes();
  forge_->start();  // tells what was left
  const Json now = one().body;
  EXPECT_EQ(now["state"], "merged");
  EXPECT_EQ(now["merge_commit_sha"], head("main"));
  EXPECT_FALSE(now["squash_commit_sha"].is_null());
  EXPECT_EQ(head("work"), "");
  EXPECT_EQ(ci_->latest_pipeline(project_, "main")->sha, head("main"));
  EXPECT_THAT(events(), ElementsAre("MergeRequest.Opened", "MergeRequest.Merged"));
}

TEST_F(MergeRequestTest, MakesThePipelineThatACrashLeftOut) {
  // Recorded, and the process ended.
  MergeRequests cut_off(*forge_, *ci_, *database_, clock_, "123456789012",
                        [] { return std::string("http://gitlab.test"); });
  cut_off.create(forge_->user(1).value(), forge_->project(project_).value(),
                 {.source_branch = "work", .target_branch = "main"});
  EXPECT_EQ(one().body["title"], "Change b.txt");
  EXPECT_EQ(ci_->latest_pipeline(project_, "refs/merge-requests/1/head"), std::nullopt);
  gitlab_->start();
  EXPECT_EQ(ci_->latest_pipeline(project_, "refs/merge-requests/1/head")->sha, head("work"));
  gitlab_->start();
  EXPECT_THAT(one("/pipelines").body, SizeIs(2));
}

TEST_F(MergeRequestTest, HasAPage) {
  open("work", {{"description", "<b>bold</b>"}});
  net::Request request = request_of("GET", "/root/tumour/-/merge_requests/1");
  request.headers.set("PRIVATE-TOKEN", token_);
  const Answer page = send(std::move(request));
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.text, HasSubstr("Add b !1"));
  EXPECT_THAT(page.text, HasSubstr("&lt;b&gt;"));
  EXPECT_THAT(page.text, HasSubstr("It can be merged."));
}

}  // namespace
}  // namespace slipway::gitlab
