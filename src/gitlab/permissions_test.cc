// Who is shown what: each kind of member, nobody, and what a token is for.

#include "gitlab/test_gitlab.h"

namespace slipway::gitlab {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string at(forge::Id project, const std::string& rest = "") {
  return "/projects/" + std::to_string(project) + rest;
}

class PermissionsTest : public GitlabTest {
 protected:
  // A new user with this role; returns its token.
  std::string member(forge::Id project, const std::string& name, int level) {
    const auto [user, token] = make_user(name);
    forge_->set_member(project, true, user, static_cast<forge::Access>(level));
    return token;
  }
};

TEST_F(PermissionsTest, AGuestSeesThePrivateProjectButNotItsCode) {
  const forge::Id id = make_project("private", {{"d/f.txt", "hello"}});
  call("POST", at(id, "/repository/tags"), {{"tag_name", "v1"}, {"ref", "main"}});
  const std::string guest = member(id, "guest", 10);
  const std::string reporter = member(id, "reporter", 20);
  EXPECT_EQ(call_with(guest, "GET", at(id)).status, 200);
  EXPECT_EQ(call_with(guest, "GET", at(id, "/pipelines")).status, 200);
  for (const char* code :
       {"/tree", "/files/d%2Ff.txt?ref=main", "/files/d%2Ff.txt/raw?ref=main", "/commits",
        "/commits/main", "/commits/main/diff", "/commits/main/refs", "/branches", "/branches/main",
        "/tags", "/tags/v1", "/compare?from=main&to=v1", "/merge_base?refs[]=main&refs[]=v1",
        "/archive", "/archive.zip"}) {
    const std::string path = at(id, "/repository" + std::string(code));
    EXPECT_EQ(call_with(guest, "GET", path).status, 403) << path;
    EXPECT_EQ(call_with(guest, "HEAD", path).status, 403) << path;
    EXPECT_EQ(call_with(reporter, "GET", path).status, 200) << path;
    EXPECT_EQ(call_with("", "GET", path).status, 404) << path;
  }
  call("PUT", at(id), {{"visibility", "public"}});
  for (const std::string& token : {guest, std::string()})
    EXPECT_EQ(call_with(token, "GET", at(id, "/repository/tree")).status, 200);
}

TEST_F(PermissionsTest, AScheduleShowsItsVariablesToWhoeverMayChangeThem) {
  const forge::Id id = make_project("scheduled", {{"README", "x"}});
  call("PUT", at(id), {{"visibility", "public"}});
  call("POST", at(id, "/repository/branches"), {{"branch", "work"}, {"ref", "main"}});
  const std::string maintainer = member(id, "maintainer", 40);
  const std::string owner = member(id, "owner", 30);
  const std::string developer = member(id, "developer", 30);
  const Json made = call_with(owner, "POST", at(id, "/pipeline_schedules"),
                              {{"description", "d"}, {"ref", "work"}, {"cron", "0 1 * * *"}})
                        .body;
  const std::string path = at(id, "/pipeline_schedules/" + made["id"].dump());
  const Json secret{{"key", "KEY"}, {"value", "its secret"}};
  EXPECT_EQ(call_with(owner, "POST", path + "/variables", secret).status, 201);
  for (const std::string& token : {token_, maintainer, owner})
    EXPECT_THAT(call_with(token, "GET", path).text, HasSubstr("its secret"));
  for (const std::string& token : {developer, std::string()}) {
    const Answer seen = call_with(token, "GET", path);
    EXPECT_EQ(seen.status, 200);
    EXPECT_FALSE(seen.body.contains("variables"));
    EXPECT_THAT(seen.text, Not(HasSubstr("its secret")));
  }
}

TEST_F(PermissionsTest, APipelineShowsItsVariablesToWhoeverStartedItAndMaintainers) {
  const forge::Id id = make_project("started", {{".gitlab-ci.yml", "a: {script: [x]}\n"}});
  call("POST", at(id, "/repository/branches"), {{"branch", "work"}, {"ref", "main"}});
  const std::string maintainer = member(id, "maintainer", 40);
  const std::string starter = member(id, "starter", 30);
  const std::string developer = member(id, "developer", 30);
  const Json variable{{"key", "KEY"}, {"value", "its secret"}};
  const Answer made = call_with(starter, "POST", at(id, "/pipeline"),
                                {{"ref", "work"}, {"variables", Json::array({variable})}});
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string path = at(id, "/pipelines/" + made.body["id"].dump() + "/variables");
  for (const std::string& token : {token_, maintainer, starter})
    EXPECT_THAT(call_with(token, "GET", path).text, HasSubstr("its secret"));
  EXPECT_EQ(call_with(developer, "GET", path).status, 403);
}

TEST_F(PermissionsTest, OnlyWhoeverMayRunARefSaysHowItsCommitsDo) {
  const forge::Id id = make_project("statuses", {{"README", "x"}});
  call("POST", at(id, "/repository/branches"), {{"branch", "work"}, {"ref", "main"}});
  const std::string developer = member(id, "developer", 30);
  const std::string path = at(id, "/statuses/main");
  const Json on_main{{"state", "success"}, {"name", "scan"}, {"ref", "main"}};
  const Answer made = call("POST", path, on_main);
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(call_with(developer, "POST", path, on_main).status, 403);
  const Json there{{"state", "failed"}, {"pipeline_id", made.body["pipeline_id"]}, {"ref", "work"}};
  EXPECT_EQ(call_with(developer, "POST", path, there).status, 403);
  EXPECT_EQ(call_with(developer, "POST", path, {{"state", "failed"}, {"ref", "work"}}).status, 201);
  const Answer refused = call("POST", path, {{"state", "failed"}, {"name", std::string(256, 'x')}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body["message"]["name"][0], HasSubstr("too long"));
}

TEST_F(PermissionsTest, AProjectsTokenIsForThatProjectAlone) {
  const forge::Id id = make_project("one");
  const forge::Id other = make_project("other");
  const Json made = call("POST", at(id, "/access_tokens"),
                         {{"name", "bot"}, {"scopes", Json::array({"api"})}, {"access_level", 40}})
                        .body;
  const std::string token = made["token"];
  EXPECT_EQ(call_with(token, "GET", at(id, "/variables")).status, 200);
  EXPECT_EQ(call_with(token, "GET", at(other)).status, 404);
  EXPECT_EQ(call_with(token, "POST", "/projects", {{"name", "more"}}).status, 403);
  EXPECT_EQ(call_with(token, "POST", "/groups", {{"name", "more"}, {"path", "more"}}).status, 403);

  const std::string path = at(id, "/access_tokens/" + made["id"].dump());
  EXPECT_EQ(call("GET", path).body["access_level"], 40);
  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_EQ(call_with(token, "GET", at(id)).status, 401);
  EXPECT_EQ(call("GET", path).status, 404);
  EXPECT_EQ(call("GET", at(id, "/members")).body, Json::array());  // root owns the namespace
}

TEST_F(PermissionsTest, ATokenKnowsItself) {
  const auto [user, first] = make_user("mia");
  forge::AccessToken same;
  same.name = "second";
  same.user = user;
  same.scopes = {"api"};
  const auto [second, text] = forge_->create_token(same);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(call_with(text, "GET", "/personal_access_tokens/self").body["name"], "second");
    EXPECT_EQ(call_with(first, "GET", "/personal_access_tokens/self").body["name"], "test");
  }
  EXPECT_EQ(call_with(text, "DELETE", "/personal_access_tokens/self").status, 204);
  EXPECT_EQ(call_with(text, "GET", "/user").status, 401);
  EXPECT_EQ(call_with(first, "GET", "/user").status, 200);
}

TEST_F(PermissionsTest, AHooksTokenGoesNowhereElse) {
  const forge::Id id = make_project("hooked");
  const auto stored = [&] {
    std::string token;
    database_->read([&](store::Reader& reader) {
      reader.query("select document from gitlab_hooks", {}, [&](const store::Row& row) {
        token = base::text_or(base::parse_json(row.text(0), "hook"), "token");
      });
    });
    return token;
  };
  const Json made =
      call("POST", at(id, "/hooks"), {{"url", "http://ci.example/"}, {"token", "secret"}}).body;
  const std::string path = at(id, "/hooks/" + made["id"].dump());
  call("PUT", path, {{"url", "http://ci.example/"}, {"job_events", true}});
  EXPECT_EQ(stored(), "secret");
  call("PUT", path, {{"url", "http://mine.example/"}, {"token", "mine"}});
  EXPECT_EQ(stored(), "mine");
  EXPECT_EQ(call("PUT", path, {{"url", "http://other.example/"}}).status, 200);
  EXPECT_EQ(stored(), "");
}

}  // namespace
}  // namespace slipway::gitlab
