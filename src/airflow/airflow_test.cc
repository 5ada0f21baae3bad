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
};

Answer answer_of(const net::Response& response) {
  const auto* text = std::get_if<std::string>(&response.body);
  return {response.status, base::try_parse_json(text ? *text : "").value_or(Json())};
}

class AirflowTest : public AirflowRoom {
 protected:
  AirflowTest() { register_mwaa_api(*api_, airflow_); }

  // Through admit() and handle(), as the server does.
  Answer ask(const std::string& method, const std::string& target,
             const std::string& authorization = "", const std::string& body = "") {
    net::Request request;
    request.method = method;
    request.target = target;
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    request.body = net::Body(body);
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
