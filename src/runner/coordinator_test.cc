// The coordinator's API as a stock gitlab-runner uses it, on a real forge and CI.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "runner/archive.h"
#include "runner/coordinator_call.h"
#include "runner/room_for_test.h"

namespace slipway::runner {
namespace {

using testing::HasSubstr;

TEST(RouteOf, TakesOnlyWhatIsTheRunners) {
  struct Case {
    const char* method;
    const char* path;
    RouteKind kind;
  };
  const Case cases[] = {
      {"POST", "/api/v4/runners", RouteKind::kRegister},
      {"DELETE", "/api/v4/runners", RouteKind::kRemove},
      {"GET", "/api/v4/runners", RouteKind::kNone},
      {"DELETE", "/api/v4/runners/5", RouteKind::kNone},
      {"POST", "/api/v4/runners/verify", RouteKind::kVerify},
      {"DELETE", "/api/v4/runners/managers", RouteKind::kRemoveManager},
      {"GET", "/api/v4/runners/router/discovery", RouteKind::kDiscovery},
      {"POST", "/api/v4/jobs/request", RouteKind::kRequest},
      {"GET", "/api/v4/jobs/request", RouteKind::kNone},
      {"PUT", "/api/v4/jobs/5", RouteKind::kUpdate},
      {"GET", "/api/v4/jobs/5", RouteKind::kNone},
      {"PATCH", "/api/v4/jobs/5/trace", RouteKind::kTrace},
      {"GET", "/api/v4/jobs/5/artifacts", RouteKind::kArtifacts},
      {"POST", "/api/v4/jobs/5/artifacts", RouteKind::kArtifacts},
      {"PUT", "/api/v4/jobs/x", RouteKind::kNone},
      {"GET", "/api/v4/job", RouteKind::kNone},
      {"GET", "/api/v4/projects/1/jobs/5/artifacts", RouteKind::kNone},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(route_of(one.method, one.path).kind, one.kind) << one.method << " " << one.path;
  }
  EXPECT_EQ(route_of("PUT", "/api/v4/jobs/5").job, 5);
}

TEST(StartOfRange, IsTheFirstNumber) {
  EXPECT_EQ(start_of_range("0-9"), 0u);
  EXPECT_EQ(start_of_range("15-"), 15u);
  EXPECT_FALSE(start_of_range(""));
  EXPECT_FALSE(start_of_range("-5"));
  EXPECT_FALSE(start_of_range("x-5"));
}

class CoordinatorTest : public RoomTest {
 protected:
  void SetUp() override {
    RoomTest::SetUp();
    coordinator_ = std::make_unique<Coordinator>(
        *ci_, *forge_, [] { return std::string("http://127.0.0.1:4700"); }, directory_ / "spool");
    coordinator_->stop();  // nobody waits for a job here
  }
  void TearDown() override {
    coordinator_.reset();
    RoomTest::TearDown();
  }

  net::Response send(const std::string& method, const std::string& target, const std::string& body,
                     const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    net::Request request;
    request.method = method;
    request.target = "/api/v4/" + target;
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    request.body = net::Body(body);
    return coordinator_->handle(std::move(request));
  }
  net::Response send_json(const std::string& method, const std::string& target, const Json& body) {
    return send(method, target, body.dump(),
                {{"Content-Type", "application/json"}, {"X-Request-Id", "abc"}});
  }
  static Json body_of(const net::Response& response) {
    return Json::parse(std::get<std::string>(response.body));
  }
  static std::string header(const net::Response& response, const char* name) {
    return std::string(response.headers.get(name));
  }

  std::string registered() {
    const auto response = send_json(
        "POST", "runners", {{"token", ci_->queue().registration_token()}, {"description", "d"}});
    EXPECT_EQ(response.status, 201);
    return body_of(response)["token"];
  }
  static Json info() {
    Json features = Json::object();
    for (const char* name : {"refspecs", "upload_multiple_artifacts", "artifacts_exclude",
                             "return_exit_code", "cancel_gracefully", "fallback_cache_keys"}) {
      features[name] = true;
    }
    return {{"name", "gitlab-runner"}, {"version", "17.0.0"}, {"features", features}};
  }
  net::Response patch(Id job, const std::string& token, const std::string& range,
                      const std::string& text) {
    return send("PATCH", "jobs/" + std::to_string(job) + "/trace?debug_trace=false", text,
                {{"JOB-TOKEN", token}, {"Content-Type", "text/plain"}, {"Content-Range", range}});
  }

  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorTest, RegistersVerifiesAndRemoves) {
  EXPECT_EQ(send_json("POST", "runners", {{"token", "wrong"}}).status, 403);
  EXPECT_EQ(send_json("POST", "runners", Json::object()).status, 403);
  const std::string token = registered();
  const auto verified = send_json("POST", "runners/verify", {{"token", token}, {"info", info()}});
  EXPECT_EQ(verified.status, 200);
  EXPECT_EQ(header(verified, "X-Request-Id"), "abc");
  EXPECT_EQ(header(verified, "Content-Type"), "application/json");
  EXPECT_GT(body_of(verified)["id"].get<Id>(), 0);
  EXPECT_EQ(body_of(verified)["token"], token);
  EXPECT_TRUE(body_of(verified)["token_expires_at"].is_null());
  EXPECT_EQ(ci_->queue().runner(body_of(verified)["id"])->info["version"], "17.0.0");
  EXPECT_EQ(send_json("GET", "runners/router/discovery", Json::object()).status, 501);
  const auto renewed = send_json("POST", "runners/reset_authentication_token", {{"token", token}});
  EXPECT_EQ(renewed.status, 201);
  EXPECT_EQ(send_json("POST", "runners/verify", {{"token", token}}).status, 403);
  const std::string fresh = body_of(renewed)["token"];
  EXPECT_EQ(send_json("DELETE", "runners/managers", {{"token", fresh}}).status, 204);
  EXPECT_EQ(send_json("DELETE", "runners", {{"token", fresh}}).status, 204);
  EXPECT_EQ(send_json("POST", "runners/verify", {{"token", fresh}}).status, 403);
  EXPECT_EQ(send("POST", "runners/verify", "{", {{"Content-Type", "application/json"}}).status,
            400);
}

TEST_F(CoordinatorTest, AJobGoesFromItsRequestToItsEnd) {
  const std::string runner = registered();
  const Json ask = {{"token", runner}, {"system_id", "s_1"}, {"info", info()}};
  const auto none = send_json("POST", "jobs/request", ask);
  EXPECT_EQ(none.status, 204);
  EXPECT_NE(header(none, "X-GitLab-Last-Update"), "");
  EXPECT_EQ(send_json("POST", "jobs/request", {{"token", "x"}, {"info", info()}}).status, 403);

  const auto pipeline = push({{".gitlab-ci.yml", R"(
stages: [build, test]
build: {stage: build, script: [make], artifacts: {paths: [out]}}
test: {stage: test, script: [check]}
)"}});
  const auto given = send_json("POST", "jobs/request", ask);
  ASSERT_EQ(given.status, 201);
  const Json job = body_of(given);
  const Id id = job["id"];
  const std::string token = job["token"];
  EXPECT_EQ(job["job_info"]["name"], "build");
  EXPECT_EQ(job["git_info"]["sha"], pipeline.sha);
  EXPECT_EQ(job["steps"][0]["script"], Json::array({"make"}));
  const std::string path = "jobs/" + std::to_string(id);

  const auto first = patch(id, token, "0-4", "hello");
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(header(first, "Job-Status"), "running");
  EXPECT_EQ(header(first, "Range"), "0-5");
  EXPECT_NE(header(first, "X-GitLab-Trace-Update-Interval"), "");
  const auto gap = patch(id, token, "9-10", "x");
  EXPECT_EQ(gap.status, 416);
  EXPECT_EQ(header(gap, "Range"), "0-5");
  EXPECT_EQ(patch(id, token, "", "x").status, 400);
  EXPECT_EQ(patch(id, "wrong", "5-6", "x").status, 403);
  EXPECT_EQ(patch(id, token, "5-6", "!\n").status, 202);

  const auto alive = send_json("PUT", path, {{"token", token}, {"state", "running"}});
  EXPECT_EQ(alive.status, 200);
  EXPECT_EQ(header(alive, "Job-Status"), "running");
  EXPECT_EQ(send_json("PUT", path, {{"token", token}, {"state", "odd"}}).status, 400);

  std::filesystem::create_directories(directory_ / "a");
  std::ofstream(directory_ / "a/out") << "made";
  write_zip(directory_ / "a", {"out"}, directory_ / "a.zip", 1 << 20);
  const std::string zip = store::read_file(directory_ / "a.zip");
  const auto upload = [&](const std::string& with) {
    return send("POST",
                path + "/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+week",
                "--b\r\nContent-Disposition: form-data; name=\"file\"; "
                "filename=\"artifacts.zip\"\r\n\r\n" +
                    zip + "\r\n--b--\r\n",
                {{"JOB-TOKEN", with}, {"Content-Type", "multipart/form-data; boundary=b"}});
  };
  EXPECT_EQ(upload("wrong").status, 403);
  EXPECT_EQ(upload(token).status, 201);
  EXPECT_EQ(send("POST", path + "/artifacts", "x", {{"JOB-TOKEN", token}}).status, 400);
  for (const auto& left : std::filesystem::directory_iterator(directory_ / "spool")) {
    ADD_FAILURE() << left.path();
  }

  const Json end = {
      {"token", token}, {"state", "success"}, {"exit_code", 0}, {"output", {{"bytesize", 100}}}};
  EXPECT_EQ(send_json("PUT", path, end).status, 412);  // the trace is shorter
  EXPECT_EQ(send_json("PUT", path,
                      {{"token", token}, {"state", "success"}, {"output", {{"bytesize", 7}}}})
                .status,
            200);
  EXPECT_EQ(ci_->job(id)->status, ci::Status::kSuccess);
  EXPECT_EQ(ci_->trace(id), "hello!\n");
  const auto late = patch(id, token, "7-8", "x");
  EXPECT_EQ(late.status, 403);
  EXPECT_EQ(header(late, "Job-Status"), "success");

  // The next job downloads with its own token.
  const Json next = body_of(send_json("POST", "jobs/request", ask));
  ASSERT_EQ(next["dependencies"].size(), 1u);
  const Json& dependency = next["dependencies"][0];
  EXPECT_EQ(dependency["id"], id);
  EXPECT_EQ(dependency["artifacts_file"]["filename"], "artifacts.zip");
  const auto download = send("GET", path + "/artifacts?direct_download=true", "",
                             {{"JOB-TOKEN", dependency["token"].get<std::string>()}});
  EXPECT_EQ(download.status, 200);
  const auto& slice = std::get<net::FileSlice>(download.body);
  EXPECT_EQ(slice.length, zip.size());
  EXPECT_EQ(store::read_file(slice.path), zip);
  EXPECT_EQ(send("GET", path + "/artifacts", "", {{"JOB-TOKEN", token}}).status, 403);
  EXPECT_EQ(send("GET", "jobs/" + std::to_string(next["id"].get<Id>()) + "/artifacts", "",
                 {{"JOB-TOKEN", next["token"].get<std::string>()}})
                .status,
            404);
}

TEST_F(CoordinatorTest, AJobGetsArtifactsOfAnotherProjectWhereItsMembersWould) {
  forge_->job_tokens_by([this](std::string_view token) { return ci_->identity_of(token); });
  const std::string runner = registered();
  const Json ask = {{"token", runner}, {"info", info()}};
  push({{".gitlab-ci.yml", "a: {script: [x], artifacts: {paths: [out]}}\n"}});
  const Json made = body_of(send_json("POST", "jobs/request", ask));
  std::filesystem::create_directories(directory_ / "a");
  std::ofstream(directory_ / "a/out") << "made";
  write_zip(directory_ / "a", {"out"}, directory_ / "a.zip", 1 << 20);
  ci::Artifact artifact;
  artifact.type = "archive";
  artifact.format = "zip";
  ci_->queue().add_artifact(made["id"], artifact, directory_ / "a.zip");

  forge::Project other;
  other.path = "other";
  other = forge_->create_project(other, root_.user.id);
  forge::CommitRequest request;
  request.branch = "main";
  request.message = "Begin";
  forge::FileChange file;
  file.path = ".gitlab-ci.yml";
  file.content = "b: {script: [x]}\n";
  request.changes.push_back(file);
  forge_->commit(root_, other.id, request);
  const std::string token = body_of(send_json("POST", "jobs/request", ask))["token"];
  const auto status = [&] {
    return send("GET", "jobs/" + made["id"].dump() + "/artifacts", "", {{"JOB-TOKEN", token}})
        .status;
  };

  EXPECT_EQ(status(), 404);
  project_.visibility = forge::Visibility::kPublic;
  forge_->update_project(project_);
  EXPECT_EQ(status(), 200);
  project_.settings["public_jobs"] = false;
  forge_->update_project(project_);
  EXPECT_EQ(status(), 404);
  project_.settings["ci_job_token_allowlist"] = Json::array({other.id});
  forge_->update_project(project_);
  EXPECT_EQ(status(), 200);
}

TEST_F(CoordinatorTest, ACanceledJobIsTold) {
  const std::string runner = registered();
  push({{".gitlab-ci.yml", "long: {script: [sleep 600]}\n"}});
  const Json job =
      body_of(send_json("POST", "jobs/request", {{"token", runner}, {"info", info()}}));
  const Id id = job["id"];
  const std::string token = job["token"];
  ci_->cancel(id);
  EXPECT_EQ(header(patch(id, token, "0-0", "x"), "Job-Status"), "canceling");
  EXPECT_EQ(send_json("PUT", "jobs/" + std::to_string(id),
                      {{"token", token}, {"state", "failed"}, {"failure_reason", "job_canceled"}})
                .status,
            200);
  EXPECT_EQ(ci_->job(id)->status, ci::Status::kCanceled);
}

TEST_F(CoordinatorTest, AJobThatNeedsMoreThanTheRunnerHasFailsAndTheNextIsGiven) {
  const std::string runner = registered();
  const auto pipeline = push({{".gitlab-ci.yml", R"(
first: {script: [make], allow_failure: {exit_codes: [3]}}
second: {script: [make]}
)"}});
  Json old = info();
  old["features"].erase("return_exit_code");
  const auto given = send_json("POST", "jobs/request", {{"token", runner}, {"info", old}});
  ASSERT_EQ(given.status, 201);
  EXPECT_EQ(body_of(given)["job_info"]["name"], "second");
  const ci::Job first = job(pipeline, "first");
  EXPECT_EQ(first.status, ci::Status::kFailed);
  EXPECT_EQ(first.failure_reason, "runner_unsupported");
  EXPECT_THAT(ci_->trace(first.id), HasSubstr("does not support return_exit_code"));
}

TEST_F(CoordinatorTest, AdmitsLargeBodiesOnlyOfRunningJobs) {
  const std::string runner = registered();
  push({{".gitlab-ci.yml", "one: {script: [make]}\n"}});
  const Json job =
      body_of(send_json("POST", "jobs/request", {{"token", runner}, {"info", info()}}));
  net::RequestHead head;
  head.method = "POST";
  head.target = "/api/v4/jobs/" + std::to_string(job["id"].get<Id>()) + "/artifacts?a=b";
  EXPECT_TRUE(Coordinator::takes(head));
  ASSERT_TRUE(coordinator_->admit(head));
  EXPECT_EQ(coordinator_->admit(head)->status, 403);
  head.headers.set("JOB-TOKEN", job["token"].get<std::string>());
  EXPECT_FALSE(coordinator_->admit(head));
  head.headers.set("Content-Length", "999999999999");
  EXPECT_EQ(coordinator_->admit(head)->status, 413);
  head.target = "/api/v4/jobs/request";
  EXPECT_EQ(coordinator_->admit(head)->status, 413);
}

}  // namespace
}  // namespace slipway::runner
