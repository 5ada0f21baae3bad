// Who is let in, and MWAA's command line, as its clients see them.

#include "airflow/airflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "airflow/test_room.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

using testing::HasSubstr;

struct Answer {
  int status = 0;
  Json body;
  std::string cookie;  // the first
};

Answer answer_of(const net::Response& response) {
  const auto* text = std::get_if<std::string>(&response.body);
  return {response.status, base::try_parse_json(text ? *text : "").value_or(Json()),
          std::string(response.headers.get("Set-Cookie"))};
}

class AirflowTest : public AirflowRoom {
 protected:
  AirflowTest() { register_mwaa_api(*api_, airflow_); }

  // Through admit() and handle(), as the server does.
  Answer ask(const std::string& method, const std::string& target,
             const std::string& authorization = "", const std::string& body = "",
             const std::string& cookie = "") {
    net::Request request;
    request.method = method;
    request.target = target;
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    if (!cookie.empty()) request.headers.set("Cookie", cookie);
    request.body = net::Body(body);
    request.headers.set("Content-Length", std::to_string(body.size()));
    if (auto refused = airflow_.admit(request)) return answer_of(*refused);
    return answer_of(airflow_.handle(std::move(request)));
  }

  Answer mwaa(const std::string& method, const std::string& target,
              const Json& input = Json::object()) {
    return answer_of(call("airflow", method, target, "", input));
  }

  std::string basic() const { return "Basic " + base::base64(key_.id + ":" + key_.secret); }

  std::string cli_token() {
    return "Bearer " + mwaa("POST", "/clitoken/slipway").body["CliToken"].get<std::string>();
  }

  std::string rest_token() {
    const Json login{{"username", key_.id}, {"password", key_.secret}};
    const Answer answer = ask("POST", "/auth/token", "", login.dump());
    EXPECT_EQ(answer.status, 201);
    return "Bearer " + base::text_or(answer.body, "access_token");
  }

  Airflow airflow_{
      *database_, clock_, *iam_, *pipelines_, {.region = "us-east-1", .web_server = [] {
                                                 return "127.0.0.1:4700";
                                               }}};
};

TEST_F(AirflowTest, LetsInWhoSaysWhoTheyAre) {
  EXPECT_EQ(ask("GET", "/api/v1/dags").status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/dags", "Basic " + base::base64("a:b")).status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/dags", "Basic !").status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/dags", basic()).status, 200);
  EXPECT_EQ(ask("GET", "/api/v2/dags", rest_token()).status, 200);
  EXPECT_EQ(ask("POST", "/auth/token", "", R"({"username": "a", "password": "b"})").status, 401);
  EXPECT_EQ(ask("GET", "/auth/token").status, 405);
  EXPECT_EQ(ask("GET", "/health").body["scheduler"]["status"], "healthy");
  EXPECT_EQ(ask("GET", "/api/v2/monitor/health").status, 200);
}

TEST_F(AirflowTest, TakesLittleFromStrangers) {
  const auto admitted = [&](const std::string& path, const std::string& length,
                            const std::string& authorization = "") {
    net::RequestHead head;
    head.method = "POST";
    head.target = path;
    if (!length.empty()) head.headers.set("Content-Length", length);
    if (!authorization.empty()) head.headers.set("Authorization", authorization);
    const auto refused = airflow_.admit(head);
    return refused ? refused->status : 0;
  };
  for (const char* path : {"/auth/token", "/aws_mwaa/login", "/aws_mwaa/cli", "/health"}) {
    EXPECT_EQ(admitted(path, "100"), 0) << path;
    EXPECT_EQ(admitted(path, "2000000"), 413) << path;
    EXPECT_EQ(admitted(path, ""), 413) << path << ": it may be of any length";
  }
  EXPECT_EQ(admitted("/api/v1/dags/d/dagRuns", "2000000"), 401);
  EXPECT_EQ(admitted("/api/v1/dags/d/dagRuns", "2000000", basic()), 0);
}

TEST_F(AirflowTest, ARestTokenEndsAfterADay) {
  clock_.hold();
  const std::string token = rest_token();
  clock_.advance(24 * 3600 * 1000 - 1);
  EXPECT_EQ(ask("GET", "/api/v2/dags", token).status, 200);
  clock_.advance(1);
  EXPECT_EQ(ask("GET", "/api/v2/dags", token).status, 401);
}

TEST_F(AirflowTest, RunsCommandsForAMinute) {
  clock_.hold();
  const std::string token = cli_token();
  const Answer good = ask("POST", "/aws_mwaa/cli", token, "version");
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(base::from_base64(good.body["stdout"].get<std::string>()), "2.10.3\n");
  EXPECT_EQ(good.body["stderr"], "");
  clock_.advance(60'000);
  EXPECT_EQ(ask("POST", "/aws_mwaa/cli", token, "version").status, 403);
}

TEST_F(AirflowTest, RefusesCommandsThatAreNotAllowed) {
  const Answer answer = ask("POST", "/aws_mwaa/cli", cli_token(), "db reset");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(*base::from_base64(answer.body["stderr"].get<std::string>()),
              HasSubstr("airflow db reset is not allowed"));
}

TEST_F(AirflowTest, ATokenIsForItsUse) {
  EXPECT_EQ(ask("POST", "/aws_mwaa/cli", "Bearer wrong", "version").status, 403);
  EXPECT_EQ(ask("POST", "/aws_mwaa/cli", basic(), "version").status, 403);
  EXPECT_EQ(ask("POST", "/aws_mwaa/cli", "", "version").status, 403);
  EXPECT_EQ(ask("POST", "/aws_mwaa/cli", rest_token(), "version").status, 403);
  EXPECT_EQ(ask("GET", "/api/v1/dags", cli_token()).status, 401);
  EXPECT_EQ(ask("GET", "/aws_mwaa/cli", cli_token()).status, 405);
}

TEST_F(AirflowTest, AWebTokenBeginsASession) {
  clock_.hold();
  const auto login = [&](const std::string& token) {
    return ask("POST", "/aws_mwaa/login", "", "token=" + token);
  };
  const std::string token = mwaa("POST", "/webtoken/slipway").body["WebToken"].get<std::string>();
  EXPECT_EQ(ask("GET", "/aws_mwaa/login").status, 405);
  EXPECT_EQ(login("wrong").status, 403);
  const Answer made = login(token);
  EXPECT_EQ(made.status, 200);
  EXPECT_THAT(made.cookie, HasSubstr("; HttpOnly; SameSite=Lax"));
  EXPECT_EQ(login(token).status, 403) << "a token is for one login";

  const std::string cookie = made.cookie.substr(0, made.cookie.find(';'));
  EXPECT_THAT(cookie, testing::StartsWith("session="));
  EXPECT_EQ(ask("GET", "/api/v1/dags", "", "", "other=1; " + cookie).status, 200);
  EXPECT_EQ(ask("GET", "/api/v2/dags", "", "", "_token=" + cookie.substr(8)).status, 200);
  EXPECT_EQ(ask("GET", "/api/v1/dags", "", "", "session=" + token).status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/dags", "", "", cookie + "x").status, 401);
  EXPECT_EQ(ask("POST", "/aws_mwaa/cli", "", "version", cookie).status, 403);
  clock_.advance(12 * 3600 * 1000);
  EXPECT_EQ(ask("GET", "/api/v1/dags", "", "", cookie).status, 401);
}

TEST_F(AirflowTest, DescribesAnEnvironmentAsTerraformReadsIt) {
  mwaa("PUT", "/environments/team",
       {{"DagS3Path", "dags"},
        {"ExecutionRoleArn", "arn:aws:iam::123456789012:role/airflow"},
        {"SourceBucketArn", "arn:aws:s3:::bucket"},
        {"MaxWorkers", 3},
        {"LoggingConfiguration", {{"TaskLogs", {{"Enabled", true}, {"LogLevel", "INFO"}}}}},
        {"NetworkConfiguration", Json::object()}});
  const Json team = mwaa("GET", "/environments/team").body["Environment"];
  EXPECT_EQ(team["LastUpdate"]["Status"], "SUCCESS");
  EXPECT_EQ(team["MaxWorkers"], 3);
  EXPECT_EQ(team["MinWorkers"], 1);
  EXPECT_EQ(team["EnvironmentClass"], "mw1.small");
  EXPECT_EQ(team["LoggingConfiguration"]["TaskLogs"]["CloudWatchLogGroupArn"],
            "arn:aws:logs:us-east-1:123456789012:log-group:airflow-team-Task");
  EXPECT_EQ(team["LoggingConfiguration"]["WorkerLogs"]["Enabled"], false);
  EXPECT_EQ(mwaa("GET", "/environments/slipway").body["Environment"]["LastUpdate"]["Status"],
            "SUCCESS");
}

TEST_F(AirflowTest, ListsEnvironmentsPageByPage) {
  for (const char* name : {"one", "two"})
    mwaa("PUT", std::string("/environments/") + name,
         {{"DagS3Path", "dags"},
          {"ExecutionRoleArn", "arn:aws:iam::123456789012:role/airflow"},
          {"SourceBucketArn", "arn:aws:s3:::bucket"},
          {"NetworkConfiguration", Json::object()}});
  for (const int most : {1, 2, 3, 25}) {
    std::vector<std::string> names;
    std::string token;
    do {
      const Json page = mwaa("GET", "/environments?MaxResults=" + std::to_string(most) +
                                        (token.empty() ? "" : "&NextToken=" + token))
                            .body;
      EXPECT_LE(page["Environments"].size(), static_cast<std::size_t>(most));
      for (const Json& name : page["Environments"]) names.push_back(name.get<std::string>());
      token = base::percent_encode(base::text_or(page, "NextToken"));
    } while (!token.empty() && names.size() < 10);
    EXPECT_THAT(names, testing::ElementsAre("slipway", "one", "two")) << most;
  }
}

}  // namespace
}  // namespace slipway::airflow
