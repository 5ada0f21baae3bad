#include "gitlab/gitlab.h"

#include "base/digest.h"
#include "base/error.h"
#include "gitlab/test_gitlab.h"

namespace slipway::gitlab {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string at(forge::Id project, const std::string& rest = "") {
  return "/projects/" + std::to_string(project) + rest;
}

constexpr const char* kConfiguration =
    "stages: [build, deploy]\n"
    "build:\n  stage: build\n  script: [make]\n"
    "deploy:\n  stage: deploy\n  when: manual\n  script: [ship]\n";

TEST_F(GitlabTest, SaysWhoAsksAndWhichVersionThisIs) {
  const Answer user = call("GET", "/user");
  EXPECT_EQ(user.status, 200);
  EXPECT_EQ(user.body["username"], "root");
  EXPECT_EQ(user.body["is_admin"], true);
  EXPECT_EQ(user.headers.get("Content-Type"), "application/json");
  EXPECT_TRUE(call("GET", "/version").body.contains("revision"));
  EXPECT_EQ(call("GET", "/metadata").body["kas"]["enabled"], false);
}

TEST_F(GitlabTest, TurnsStrangersAway) {
  const forge::Id id = make_project("hidden");
  struct Case {
    const char* token;
    const char* path;
    int status;
    Json body;
  };
  const Case cases[] = {
      {"", "/user", 401, {{"message", "401 Unauthorized"}}},
      {"glpat-wrong", "/user", 401, {{"message", "401 Unauthorized"}}},
      {"glpat-wrong", "/projects/root%2Fhidden", 401, {{"message", "401 Unauthorized"}}},
      {"", "/projects/root%2Fhidden", 404, {{"message", "404 Project Not Found"}}},
      {"", "/projects/999", 404, {{"message", "404 Project Not Found"}}},
      {"", "/nothing", 404, {{"error", "404 Not Found"}}},
  };
  for (const Case& each : cases) {
    const Answer answer = call_with(each.token, "GET", each.path);
    EXPECT_EQ(answer.status, each.status) << each.path;
    EXPECT_EQ(answer.body, each.body) << each.path;
  }
  EXPECT_EQ(call("PATCH", "/user").status, 405);

  const auto [user, token] = make_user("mia");
  EXPECT_EQ(call_with(token, "GET", at(id)).status, 404);
  call("POST", at(id, "/members"), {{"user_id", user}, {"access_level", 20}});
  EXPECT_EQ(call_with(token, "GET", at(id)).status, 200);
  const Answer refused = call_with(token, "POST", at(id, "/pipeline"), {{"ref", "main"}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body["message"], "403 Forbidden");
  EXPECT_EQ(call_with(token, "GET", at(id, "/variables")).status, 403);
  EXPECT_EQ(call_with(token, "GET", "/runners/all").status, 403);
}

TEST_F(GitlabTest, HoldsTokensToTheirScopes) {
  const auto [user, token] = make_user("reader", {"read_api"});
  EXPECT_EQ(call_with(token, "GET", "/user").status, 200);
  const Answer refused = call_with(token, "POST", "/projects", {{"name", "x"}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body["error"], "insufficient_scope");
  EXPECT_EQ(refused.body["scope"], "api");
  const auto [other, repository] = make_user("fetcher", {"read_repository"});
  EXPECT_EQ(call_with(repository, "GET", "/user").status, 403);
}

TEST_F(GitlabTest, TakesATokenInEachPlaceButNoJobTokenAsAPersonalOne) {
  net::Request bearer = request_of("GET", "/api/v4/user");
  bearer.headers.set("Authorization", "Bearer " + token_);
  EXPECT_EQ(send(bearer).status, 200);
  EXPECT_EQ(send(request_of("GET", "/api/v4/user?private_token=" + token_)).status, 200);
  net::Request job = request_of("GET", "/api/v4/user");
  job.headers.set("JOB-TOKEN", token_);
  EXPECT_EQ(send(job).status, 401);
  EXPECT_EQ(call_with("glcbt-1_x", "GET", "/user").status, 401);
  net::Request basic = request_of("GET", "/api/v4/user");
  basic.headers.set("Authorization", "Basic " + base::base64("root:" + token_));
  EXPECT_EQ(send(basic).status, 401);
}

TEST_F(GitlabTest, AdmitsNoLargeBodyOfStrangers) {
  net::RequestHead head;
  head.method = "POST";
  head.target = "/api/v4/projects/1/repository/commits";
  ASSERT_TRUE(gitlab_->admit(head));
  EXPECT_EQ(gitlab_->admit(head)->status, 401);
  head.headers.set("PRIVATE-TOKEN", token_);
  EXPECT_FALSE(gitlab_->admit(head));
  net::RequestHead trigger;
  trigger.method = "POST";
  trigger.target = "/api/v4/projects/1/trigger/pipeline";
  trigger.headers.set("Content-Length", "100");
  EXPECT_FALSE(gitlab_->admit(trigger));
  trigger.headers.set("Content-Length", "100000000");
  EXPECT_EQ(gitlab_->admit(trigger)->status, 413);
}

TEST_F(GitlabTest, MakesAndChangesProjects) {
  const forge::Id id = make_project("Tumour Model");
  const Answer found = call("GET", "/projects/root%2Ftumour-model");
  ASSERT_EQ(found.status, 200) << found.text;
  EXPECT_EQ(found.body["id"], id);
  EXPECT_EQ(found.body["name"], "Tumour Model");
  EXPECT_EQ(found.body["http_url_to_repo"], "http://gitlab.test/root/tumour-model.git");
  EXPECT_EQ(found.body["container_registry_image_prefix"], "gitlab.test/root/tumour-model");
  EXPECT_EQ(found.body["empty_repo"], true);
  EXPECT_EQ(found.body["namespace"]["kind"], "user");
  EXPECT_EQ(found.body["permissions"]["project_access"]["access_level"], 50);

  const Answer changed = call("PUT", at(id), {{"description", "x"}, {"build_timeout", 1200}});
  EXPECT_EQ(changed.body["description"], "x");
  EXPECT_EQ(changed.body["build_timeout"], 1200);
  EXPECT_EQ(call("PUT", at(id), {{"build_timeout", 1}}).status, 400);
  EXPECT_EQ(call("POST", "/projects", Json::object()).body["error"],
            "name, path are missing, at least one parameter must be provided");
  const Answer taken = call("POST", "/projects", {{"name", "Tumour Model"}});
  EXPECT_EQ(taken.status, 400);
  EXPECT_TRUE(taken.body["message"].is_object()) << taken.text;
  EXPECT_EQ(call("PUT", at(id), {{"path", "renamed"}}).status, 200);
  EXPECT_EQ(call("GET", "/projects/root%2Frenamed").body["id"], id);
  make_project("other");
  EXPECT_EQ(call("PUT", at(id), {{"path", "other"}}).status, 400);
  EXPECT_EQ(call("PUT", at(id), {{"default_branch", "nowhere"}}).status, 400);
  EXPECT_EQ(call("DELETE", at(id)).status, 202);
  EXPECT_EQ(call("GET", at(id)).status, 404);
}

TEST_F(GitlabTest, WalksListsByTheirLinks) {
  for (int i = 0; i < 23; ++i) make_project("p" + std::to_string(i));
  std::set<int> seen;
  std::string target = "/api/v4/projects?per_page=10&order_by=id&sort=asc";
  for (int pages = 0; !target.empty(); ++pages) {
    ASSERT_LT(pages, 4);
    net::Request request = request_of("GET", target);
    request.headers.set("PRIVATE-TOKEN", token_);
    const Answer answer = send(request);
    EXPECT_EQ(answer.headers.get("X-Total"), "23");
    for (const Json& project : answer.body) seen.insert(project["id"].get<int>());
    const std::string link(answer.headers.get("Link"));
    const std::size_t next = link.find("rel=\"next\"");
    target.clear();
    if (next == std::string::npos) break;
    const std::size_t open = link.rfind('<', next);
    const std::string address = link.substr(open + 1, link.rfind('>', next) - open - 1);
    ASSERT_TRUE(address.starts_with("http://gitlab.test/")) << address;
    target = address.substr(std::string("http://gitlab.test").size());
  }
  EXPECT_EQ(seen.size(), 23u);
}

TEST_F(GitlabTest, ReadsAndWritesFiles) {
  const forge::Id id = make_project("files");
  const std::string file = at(id, "/repository/files/src%2Fmain.py");
  const Answer made = call("POST", file,
                           {{"branch", "main"},
                            {"commit_message", "Add"},
                            {"content", base::base64("print(1)\n")},
                            {"encoding", "base64"}});
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.body, (Json{{"file_path", "src/main.py"}, {"branch", "main"}}));
  const Answer read = call("GET", file + "?ref=main");
  ASSERT_EQ(read.status, 200) << read.text;
  EXPECT_EQ(base::from_base64(read.body["content"].get<std::string>()), "print(1)\n");
  EXPECT_EQ(read.body["file_name"], "main.py");
  EXPECT_EQ(read.body["content_sha256"], base::sha256_hex("print(1)\n"));
  EXPECT_EQ(call("GET", file + "/raw?ref=main").text, "print(1)\n");
  const Answer head = call("HEAD", file + "?ref=main");
  EXPECT_EQ(head.headers.get("X-Gitlab-Blob-Id"), read.body["blob_id"]);
  EXPECT_EQ(head.text, "");
  EXPECT_EQ(call("GET", file).body["error"], "ref is missing");
  EXPECT_EQ(call("GET", at(id, "/repository/files/none?ref=main")).status, 404);

  const Answer stale = call("PUT", file,
                            {{"branch", "main"},
                             {"commit_message", "Change"},
                             {"content", "2"},
                             {"last_commit_id", std::string(40, 'a')}});
  EXPECT_EQ(stale.status, 400);
  EXPECT_EQ(call("PUT", file,
                 {{"branch", "main"},
                  {"commit_message", "Change"},
                  {"content", "2"},
                  {"last_commit_id", read.body["last_commit_id"]}})
                .status,
            200);
  EXPECT_EQ(call("DELETE", file, {{"branch", "main"}, {"commit_message", "Drop"}}).status, 204);
  EXPECT_EQ(call("POST", file, {{"branch", "main"}}).body["error"], "commit_message is missing");
}

TEST_F(GitlabTest, ShowsBranchesTagsCommitsAndDifferences) {
  const forge::Id id = make_project("refs", {{"a", "1\n"}, {"dir/b", "2\n"}});
  EXPECT_EQ(call("POST", at(id, "/repository/branches"), {{"branch", "feature/x"}, {"ref", "main"}})
                .status,
            201);
  EXPECT_EQ(call("GET", at(id, "/repository/branches/feature%2Fx")).body["name"], "feature/x");
  EXPECT_EQ(call("GET", at(id, "/repository/branches")).body.size(), 2u);
  const Answer commit =
      call("POST", at(id, "/repository/commits"),
           {{"branch", "feature/x"},
            {"commit_message", "Move"},
            {"actions",
             Json::array({{{"action", "update"}, {"file_path", "a"}, {"content", "1\n3\n"}}})}});
  ASSERT_EQ(commit.status, 201) << commit.text;
  EXPECT_EQ(commit.body["stats"]["additions"], 1);
  const std::string sha = commit.body["id"];
  EXPECT_EQ(call("GET", at(id, "/repository/commits/" + sha)).body["title"], "Move");
  EXPECT_EQ(call("GET", at(id, "/repository/commits?ref_name=feature%2Fx")).body.size(), 2u);
  const Answer compared = call("GET", at(id, "/repository/compare?from=main&to=feature%2Fx"));
  EXPECT_EQ(compared.body["commits"].size(), 1u);
  EXPECT_EQ(compared.body["diffs"][0]["new_path"], "a");
  EXPECT_THAT(compared.body["diffs"][0]["diff"].get<std::string>(), HasSubstr("+3\n"));
  const Answer base = call("GET", at(id, "/repository/merge_base?refs[]=main&refs[]=feature%2Fx"));
  EXPECT_EQ(base.body["title"], "Begin");
  const Json tag = call("POST", at(id, "/repository/tags"),
                        {{"tag_name", "v1"}, {"ref", "main"}, {"message", "First"}})
                       .body;
  EXPECT_EQ(tag["message"], "First");
  EXPECT_NE(tag["target"], tag["commit"]["id"]);  // the annotated tag itself
  const Json light =
      call("POST", at(id, "/repository/tags"), {{"tag_name", "v2"}, {"ref", "main"}}).body;
  EXPECT_EQ(light["target"], tag["commit"]["id"]);
  EXPECT_EQ(call("GET", at(id, "/repository/tree?recursive=true")).body.size(), 3u);
  const Answer archive = call("GET", at(id, "/repository/archive.zip?sha=main"));
  EXPECT_EQ(archive.headers.get("Content-Type"), "application/zip");
  EXPECT_TRUE(archive.text.starts_with("PK"));
  EXPECT_EQ(call("DELETE", at(id, "/repository/branches/feature%2Fx")).status, 204);
  EXPECT_EQ(call("DELETE", at(id, "/repository/branches/main")).status, 400);
  EXPECT_EQ(call("GET", at(id, "/repository/commits/nothing")).body["message"],
            "404 Commit Not Found");
}

TEST_F(GitlabTest, ShowsAPipelineAndItsJobs) {
  const forge::Id id = make_project("ci", {{".gitlab-ci.yml", kConfiguration}});
  const Answer list = call("GET", at(id, "/pipelines"));
  ASSERT_EQ(list.body.size(), 1u) << list.text;
  const std::string pipeline = at(id, "/pipelines/" + list.body[0]["id"].dump());
  const Answer shown = call("GET", pipeline);
  EXPECT_EQ(shown.body["status"], "pending") << shown.text;
  EXPECT_EQ(shown.body["detailed_status"]["group"], "pending");
  EXPECT_EQ(shown.body["user"]["username"], "root");
  EXPECT_EQ(shown.body["yaml_errors"], nullptr);
  const Answer jobs = call("GET", pipeline + "/jobs");
  ASSERT_EQ(jobs.body.size(), 2u) << jobs.text;
  EXPECT_EQ(call("GET", pipeline + "/jobs?scope[]=manual").body.size(), 0u);
  const Json& build = jobs.body[0]["name"] == "build" ? jobs.body[0] : jobs.body[1];
  EXPECT_EQ(build["commit"]["title"], "Begin");
  EXPECT_EQ(build["pipeline"]["id"], list.body[0]["id"]);
  const std::string job = at(id, "/jobs/" + build["id"].dump());
  EXPECT_EQ(call("POST", job + "/play").body["message"], "400 Bad request - Unplayable Job");
  EXPECT_EQ(call("POST", job + "/retry").body["message"], "403 Forbidden - Job is not retryable");
  EXPECT_EQ(call("GET", job + "/trace").status, 200);
  EXPECT_EQ(call("GET", job + "/artifacts").status, 404);
  EXPECT_EQ(call("POST", job + "/cancel").body["status"], "canceled");
  EXPECT_EQ(call("POST", pipeline + "/cancel").status, 200);
  EXPECT_EQ(call("GET", at(id, "/jobs")).body.size(), 2u);
  EXPECT_EQ(call("DELETE", pipeline).status, 204);
  EXPECT_EQ(call("GET", pipeline).status, 404);
}

TEST_F(GitlabTest, RefusesAPipelineInGitLabsWords) {
  const forge::Id id = make_project("empty", {{"README.md", "x"}});
  EXPECT_EQ(call("POST", at(id, "/pipeline")).body["error"], "ref is missing");
  const Answer answer = call("POST", at(id, "/pipeline"), {{"ref", "main"}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(answer.body["message"]["base"].is_array()) << answer.text;
}

TEST_F(GitlabTest, ShowsPagesToWhoHasLoggedInAndEscapesThem) {
  const forge::Id id =
      make_project("pages", {{".gitlab-ci.yml", "\"<b>job</b>\":\n  script: [make]\n"}});
  call("PUT", at(id), {{"visibility", "public"}});
  const Json pipeline = call("GET", at(id, "/pipelines")).body[0];
  const std::string page = "/root/pages/-/pipelines/" + pipeline["id"].dump();
  EXPECT_TRUE(Gitlab::takes(page));
  const Answer stranger = send(request_of("GET", page));
  EXPECT_EQ(stranger.status, 401);
  EXPECT_THAT(std::string(stranger.headers.get("WWW-Authenticate")), HasSubstr("Basic"));
  net::Request basic = request_of("GET", page);
  basic.headers.set("Authorization", "Basic " + base::base64("x:" + token_));
  const Answer shown = send(basic);
  EXPECT_EQ(shown.status, 200);
  EXPECT_THAT(shown.text, HasSubstr("&lt;b&gt;job&lt;/b&gt;"));
  EXPECT_THAT(shown.text, Not(HasSubstr("<b>job")));
  EXPECT_THAT(shown.text, HasSubstr("http-equiv=\"refresh\""));
  EXPECT_THAT(shown.text, Not(HasSubstr(token_)));
  EXPECT_THAT(std::string(shown.headers.get("Content-Security-Policy")),
              HasSubstr("default-src 'none'"));
  EXPECT_EQ(send(request_of("GET", page + "?private_token=" + token_)).status, 200);
  EXPECT_EQ(send(request_of("GET", "/root/pages/-/pipelines/999?private_token=" + token_)).status,
            404);
  EXPECT_EQ(send(request_of("POST", page + "?private_token=" + token_)).status, 405);
  EXPECT_FALSE(Gitlab::takes("/root/pages/-/settings"));
  EXPECT_FALSE(Gitlab::takes("/bucket/key"));
}

}  // namespace
}  // namespace slipway::gitlab
