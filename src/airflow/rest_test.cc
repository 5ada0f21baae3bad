// The REST API over real pipelines, whose steps need nothing but the record of themselves.

#include "airflow/rest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "airflow/command_line.h"
#include "airflow/test_room.h"

namespace slipway::airflow {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class RestTest : public AirflowRoom {
 protected:
  Runs runs_{*database_, clock_, *pipelines_};
  Variables variables_{*database_};
  const std::string version_ = "2.10.3";
  Rest rest_{runs_, variables_, *pipelines_, version_};

  RestAnswer ask(const std::string& method, const std::string& path, const std::string& body = "",
                 ApiVersion version = ApiVersion::kOne, const std::string& query = "") {
    return rest_.answer(version, {kAccount, method, path, query, body});
  }
  RestAnswer ask_two(const std::string& method, const std::string& path,
                     const std::string& body = "") {
    return ask(method, path, body, ApiVersion::kTwo);
  }

  CommandResult command(const std::string& line) {
    return run_command(kAccount, line, {runs_, variables_, *pipelines_, version_});
  }

  // The run once it has ended.
  Json ended(const std::string& dag, const std::string& id) {
    const std::string path = "/dags/" + dag + "/dagRuns/" + id;
    EXPECT_TRUE(eventually([&] { return ask("GET", path).body["end_date"].is_string(); })) << path;
    return ask("GET", path).body;
  }
};

TEST_F(RestTest, ARunGoesFromItsTriggerToItsEnd) {
  create("train", {condition("Check", "{\"Get\":\"Parameters.Depth\"}", "7")});

  const RestAnswer made =
      ask("POST", "/dags/train/dagRuns", R"({"dag_run_id": "one", "conf": {"Depth": 7}})");

  EXPECT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.body["dag_run_id"], "one");
  EXPECT_EQ(made.body["external_trigger"], true);
  EXPECT_EQ(made.body["conf"], Json({{"Depth", 7}}));
  EXPECT_EQ(ended("train", "one")["state"], "success");
  const Json tasks = ask("GET", "/dags/train/dagRuns/one/taskInstances").body;
  ASSERT_THAT(tasks["task_instances"], SizeIs(1));
  EXPECT_EQ(tasks["task_instances"][0]["task_id"], "Check");
  EXPECT_EQ(tasks["task_instances"][0]["state"], "success");
}

TEST_F(RestTest, EachApiIsOfItsVersionOfAirflow) {
  EXPECT_EQ(ask("GET", "/version").body["version"], "2.10.3");
  EXPECT_EQ(ask_two("GET", "/version").body["version"], "3.0.6");
}

TEST_F(RestTest, AFailedStepFailsItsRun) {
  create("fails", {fail("Stop", "not good enough")});
  ask("POST", "/dags/fails/dagRuns", R"({"dag_run_id": "r"})");
  EXPECT_EQ(ended("fails", "r")["state"], "failed");
  const std::string logs = "/dags/fails/dagRuns/r/taskInstances/Stop/logs/1";
  EXPECT_THAT(ask("GET", logs).text, HasSubstr("not good enough"));
  EXPECT_TRUE(ask("GET", logs).body["content"].is_string());
  EXPECT_THAT(ask_two("GET", logs).body["content"][0]["event"].get<std::string>(),
              HasSubstr("step Stop (Fail) is Failed"));
}

TEST_F(RestTest, RefusalsHaveTheFormOfTheirVersion) {
  create("dag", {condition("C", "1", "1")});
  struct Case {
    ApiVersion version;
    std::string method, path, body;
    int status;
    std::string text;
  };
  const ApiVersion one = ApiVersion::kOne, two = ApiVersion::kTwo;
  const std::vector<Case> cases{
      {one, "POST", "/dags/none/dagRuns", "{}", 404, "DAG with dag_id: 'none' not found"},
      {one, "GET", "/dags/dag/dagRuns/none", "", 404, "'none' not found"},
      {one, "POST", "/dags/dag/dagRuns", "[]", 400, "must be a JSON object"},
      {one, "POST", "/dags/dag/dagRuns", "{", 400, "must be a JSON object"},
      {one, "POST", "/dags/dag/dagRuns", R"({"wrong": 1})", 400, "Unknown field"},
      {one, "POST", "/dags/dag/dagRuns", R"({"conf": [1]})", 400, "'conf' must be an object"},
      {one, "POST", "/dags/dag/dagRuns", R"({"logical_date": "soon"})", 400, "not an ISO 8601"},
      {one, "POST", "/dags/dag/dagRuns", R"({"conf": {"Unknown": 1}})", 400, "Unknown"},
      {one, "POST", "/dags/dag/dagRuns", R"({"dag_run_id": 5})", 400, "5 is not of type 'string'"},
      {two, "POST", "/dags/dag/dagRuns", R"({"logical_date": null, "dag_run_id": 5})", 422,
       "Input should be a valid string"},
      {two, "POST", "/dags/dag/dagRuns", R"({"logical_date": null, "conf": [1]})", 422,
       "Input should be a valid dictionary"},
      {two, "POST", "/dags/dag/dagRuns", R"({"logical_date": "soon"})", 422, "valid datetime"},
      {one, "DELETE", "/dags/dag/dagRuns", "", 405, "Method Not Allowed"},
      {one, "GET", "/pools", "", 404, "not found"},
      {one, "POST", "/dags/~/dagRuns", "", 405, "Method Not Allowed"},
      {two, "POST", "/dags/dag/dagRuns", "{}", 422, "Field required"},
      {two, "POST", "/dags/dag/dagRuns", R"({"logical_date": null, "state": "x"})", 422,
       "extra_forbidden"},
      {two, "GET", "/dags/none", "", 404, "not found"},
  };
  for (const Case& each : cases) {
    const RestAnswer answer = ask(each.method, each.path, each.body, each.version);
    const std::string text = answer.body.dump();
    EXPECT_EQ(answer.status, each.status) << each.path << each.body << text;
    EXPECT_THAT(text, HasSubstr(each.text));
    EXPECT_EQ(answer.body.contains("title"), each.version == one) << text;
  }
  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns").body["total_entries"], 0);
}

TEST_F(RestTest, AnIdIsForOneRun) {
  create("dag", {condition("C", "1", "1")});
  const std::string body = R"({"dag_run_id": "same", "logical_date": null})";
  EXPECT_EQ(ask_two("POST", "/dags/dag/dagRuns", body).status, 200);
  const RestAnswer again = ask_two("POST", "/dags/dag/dagRuns", body);
  EXPECT_EQ(again.status, 409);
  EXPECT_THAT(again.body["detail"].get<std::string>(), HasSubstr("already exists"));
  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns").body["total_entries"], 1);
}

TEST_F(RestTest, RunsOfTheSameMomentAreTwo) {
  create("dag", {condition("C", "1", "1")});
  clock_.hold();
  EXPECT_EQ(ask("POST", "/dags/dag/dagRuns", "{}").status, 200);
  EXPECT_EQ(ask("POST", "/dags/dag/dagRuns", "{}").status, 200);
  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns").body["total_entries"], 2);
  const Json page = ask("GET", "/dags/dag/dagRuns", "", ApiVersion::kOne, "limit=1").body;
  EXPECT_THAT(page["dag_runs"], SizeIs(1));
  EXPECT_EQ(page["total_entries"], 2);
}

TEST_F(RestTest, TheSameIdOfTwoDagsIsTwoRuns) {
  create("one", {condition("C", "1", "1")});
  create("two", {condition("D", "1", "1")});
  const std::string id(40, 'a');  // as a commit's
  for (const char* dag : {"one", "two"}) {
    const Json body{{"dag_run_id", id}};
    EXPECT_EQ(ask("POST", "/dags/" + std::string(dag) + "/dagRuns", body.dump()).status, 200);
    ended(dag, id);
    EXPECT_THAT(pipelines_->executions(kAccount, dag, 10), SizeIs(1));
  }
  EXPECT_EQ(ask("GET", "/dags/two/dagRuns/" + id + "/taskInstances/D").status, 200);
}

TEST_F(RestTest, TasksAreThereBeforeTheyBegin) {
  Json decide = condition("Decide", "1", "2");
  decide["DependsOn"] = {"Ask"};
  decide["Arguments"]["IfSteps"] = Json::array({condition("Yes", "1", "1")});
  decide["Arguments"]["ElseSteps"] = Json::array({fail("No", "worse")});
  Json last = condition("Last", "1", "1");
  last["DependsOn"] = {"Decide", "Ask"};
  create("dag", {Json{{"Name", "Ask"}, {"Type", "Callback"}, {"SqsQueueUrl", "q"}}, decide, last});
  ask("POST", "/dags/dag/dagRuns", R"({"dag_run_id": "r"})");
  const auto state = [&](const std::string& task) {
    const RestAnswer answer = ask("GET", "/dags/dag/dagRuns/r/taskInstances/" + task);
    return answer.status == 200 ? answer.body["state"] : Json(answer.status);
  };

  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns/r/taskInstances").body["total_entries"], 5);
  EXPECT_EQ(state("Decide"), nullptr);
  EXPECT_EQ(state("Nothing"), 404);
  EXPECT_EQ(command("tasks list dag").output, "Ask\nDecide\nYes\nNo\nLast\n");

  const std::string execution = runs_.find(kAccount, "dag", "r")->execution;
  ASSERT_TRUE(eventually([&] { return state("Ask") == "running"; }));
  const Json ask_step = pipelines_->steps(kAccount, execution)[0].metadata["Callback"];
  call("sagemaker", "POST", "/", "SageMaker.SendPipelineExecutionStepSuccess",
       {{"CallbackToken", ask_step["CallbackToken"]},
        {"ClientRequestToken", base::random_text(40, "abcdef")}});
  ended("dag", "r");
  EXPECT_EQ(state("Decide"), "success");
  EXPECT_EQ(state("Yes"), "skipped");
  EXPECT_EQ(state("No"), "failed");

  Json after = condition("After", "1", "1");
  after["DependsOn"] = {"Stop"};
  create("fails", {fail("Stop", "no"), after});
  ask("POST", "/dags/fails/dagRuns", R"({"dag_run_id": "r"})");
  ended("fails", "r");
  EXPECT_EQ(ask("GET", "/dags/fails/dagRuns/r/taskInstances/After").body["state"],
            "upstream_failed");
}

TEST_F(RestTest, ListsAreChosenOrderedAndPaged) {
  create("good", {condition("C", "1", "1")});
  create("bad", {fail("F", "no")});
  for (const char* id : {"a", "b", "c"}) {
    ask("POST", "/dags/good/dagRuns", Json{{"dag_run_id", id}}.dump());
    ended("good", id);
  }
  ask("POST", "/dags/bad/dagRuns", R"({"dag_run_id": "d"})");
  ended("bad", "d");
  const auto listed = [](const RestAnswer& answer) {
    std::string text;
    for (const Json& run : answer.body["dag_runs"]) text += run["dag_run_id"].get<std::string>();
    return text + " of " + answer.body["total_entries"].dump();
  };
  const auto runs = [&](const std::string& query) {
    return listed(ask("GET", "/dags/good/dagRuns", "", ApiVersion::kOne, query));
  };
  EXPECT_EQ(runs(""), "cba of 3");
  EXPECT_EQ(runs("limit=2&offset=1"), "ba of 3");
  EXPECT_EQ(runs("order_by=start_date&limit=1"), "a of 3");
  EXPECT_EQ(runs("order_by=-start_date&limit=2"), "cb of 3");
  EXPECT_EQ(runs("order_by=-dag_run_id"), "cba of 3");
  EXPECT_EQ(runs("state=failed&state=running"), " of 0");
  EXPECT_EQ(runs("state=success&limit=1"), "c of 3");
  EXPECT_EQ(runs("start_date_gte=2100-01-01T00:00:00Z"), " of 0");
  EXPECT_EQ(runs("start_date_lte=2100-01-01T00:00:00Z&end_date_gte=2000-01-01T00:00:00Z"),
            "cba of 3");
  for (const char* query : {"limit=x", "order_by=owner", "start_date_gte=soon", "offset=-1"}) {
    EXPECT_EQ(ask("GET", "/dags/good/dagRuns", "", ApiVersion::kOne, query).status, 400) << query;
  }
  EXPECT_EQ(listed(ask("POST", "/dags/~/dagRuns/list", R"({"states": ["failed"]})")), "d of 1");
  EXPECT_EQ(listed(ask("POST", "/dags/~/dagRuns/list", R"({"page_limit": 1, "page_offset": 1})")),
            "c of 4");
  EXPECT_EQ(listed(ask("POST", "/dags/~/dagRuns/list",
                       R"({"dag_ids": ["bad", "bad", "no", 5, "GOOD"]})")),
            "d of 1");
  const Json many{{"dag_ids", std::vector<std::string>(1001, "bad")}, {"dag_run_ids", {"d"}}};
  EXPECT_EQ(ask("POST", "/dags/~/dagRuns/list", many.dump()).status, 400);
  EXPECT_EQ(ask("POST", "/dags/~/dagRuns/~/taskInstances/list", many.dump()).status, 400);
  const auto dags = [&](const std::string& query) {
    const Json body = ask("GET", "/dags", "", ApiVersion::kOne, query).body;
    std::string text;
    for (const Json& dag : body["dags"]) text += dag["dag_id"].get<std::string>() + " ";
    return text + body["total_entries"].dump();
  };
  EXPECT_EQ(dags(""), "bad good 2");
  EXPECT_EQ(dags("limit=1&offset=1"), "good 2");
  EXPECT_EQ(dags("dag_id_pattern=OO"), "good 1");
  EXPECT_EQ(dags("paused=true"), "0");
}

TEST_F(RestTest, ARecordWhoseStartACrashPreventedIsStarted) {
  create("dag", {condition("C", "1", "1")});
  record_without_start("dag", "interrupted");
  EXPECT_EQ(ask("POST", "/dags/dag/dagRuns", R"({"dag_run_id": "interrupted"})").status, 409);
  EXPECT_THAT(pipelines_->executions(kAccount, "dag", 10), SizeIs(1));
  EXPECT_EQ(ended("dag", "interrupted")["state"], "success");
  EXPECT_THAT(pipelines_->executions(kAccount, "dag", 10), SizeIs(1));
}

TEST_F(RestTest, ARecordThatCannotStartDoesNotStandInTheWay) {
  create("dag", {condition("C", "1", "1")});
  record_without_start("dag", "refused", R"({"NoSuchParameter": "1"})");
  const RestAnswer listed = ask("GET", "/dags/dag/dagRuns");
  EXPECT_EQ(listed.status, 200) << listed.body;
  EXPECT_EQ(listed.body["total_entries"], 0);
  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns/refused").status, 404);
}

TEST_F(RestTest, RunsGoWithTheirPipeline) {
  create("dag", {condition("C", "1", "1")});
  ask("POST", "/dags/dag/dagRuns", R"({"dag_run_id": "r"})");
  ended("dag", "r");
  remove("dag");
  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns/r").status, 404);
  create("dag", {condition("C", "1", "1")});
  EXPECT_EQ(ask("GET", "/dags/dag/dagRuns").body["total_entries"], 0);
  EXPECT_EQ(ask("POST", "/dags/dag/dagRuns", R"({"dag_run_id": "r"})").status, 200);
}

TEST_F(RestTest, ExecutionsOfOthersAreRunsToo) {
  create("dag", {condition("C", "1", "1")});
  const std::string arn = pipelines_->start_execution(kAccount, {.pipeline = "dag"});
  const std::string id = "execution__" + arn.substr(arn.rfind('/') + 1);
  EXPECT_EQ(ended("dag", id)["dag_run_id"], id);
  const Json all = ask("POST", "/dags/~/dagRuns/list", R"({"dag_ids": ["dag"]})").body;
  EXPECT_EQ(all["total_entries"], 1) << all;
  EXPECT_EQ(ask("POST", "/dags/~/dagRuns/list", R"({"dag_ids": ["x"]})").body["total_entries"], 0);
}

TEST_F(RestTest, ADagIsPausedAndShown) {
  create("dag", {condition("C", "1", "1")});
  EXPECT_EQ(ask("PATCH", "/dags/dag", R"({"is_paused": true})").body["is_paused"], true);
  EXPECT_EQ(ask_two("GET", "/dags").body["dags"][0]["is_paused"], true);
  EXPECT_EQ(ask("PATCH", "/dags/dag", R"({"is_paused": false})").body["is_paused"], false);
}

TEST_F(RestTest, CommandsDoTheSame) {
  create("dag", {condition("C", "1", "1")});
  const auto run = [&](const std::string& line) { return command(line); };
  const CommandResult made = run("dags trigger dag --conf '{\"Depth\": 3}' -r mine");
  EXPECT_EQ(made.exit_code, 0) << made.error;
  EXPECT_THAT(made.output, HasSubstr("mine"));
  EXPECT_EQ(ended("dag", "mine")["conf"]["Depth"], 3);
  EXPECT_EQ(run("dags state dag mine").output, "success\n");
  EXPECT_THAT(run("dags list-runs -d dag -o json").output, HasSubstr("\"run_id\":\"mine\""));
  EXPECT_EQ(run("tasks list dag").output, "C\n");
  EXPECT_EQ(run("dags pause dag").output, "Dag: dag, paused: True\n");
  for (const char* line : {"dags trigger none", "dags trigger", "dags trigger dag --conf {",
                           "dags trigger dag -r mine", "dags trigger dag --bogus 1", "webserver",
                           "db reset", "dags delete dag", "", "dags 'x"}) {
    EXPECT_EQ(run(line).exit_code, 1) << line;
    EXPECT_THAT(run(line).error, HasSubstr("airflow: "));
  }
}

TEST_F(RestTest, VariablesAreSetAndRead) {
  EXPECT_EQ(command("variables set model 'tumour 1.2' --description live").output,
            "Variable model created\n");
  EXPECT_EQ(command("variables get model").output, "tumour 1.2\n");
  EXPECT_EQ(command("variables get other -d none").output, "none\n");
  EXPECT_EQ(command("variables get other --default none").output, "none\n");
  EXPECT_EQ(ask("GET", "/variables/model").body,
            (Json{{"key", "model"}, {"value", "tumour 1.2"}, {"description", "live"}}));
  EXPECT_EQ(ask("POST", "/variables", R"({"key": "a", "value": "1"})").status, 200);
  EXPECT_EQ(ask_two("POST", "/variables", R"({"key": "b", "value": {"c": 1}})").status, 201);
  EXPECT_EQ(ask_two("POST", "/variables", R"({"key": "b", "value": "2"})").status, 409);
  EXPECT_EQ(ask_two("GET", "/variables/b").body["value"], "{\"c\":1}");
  EXPECT_EQ(ask("PATCH", "/variables/a", R"({"key": "a", "value": "2"})").body["value"], "2");
  const Json page = ask("GET", "/variables", "", ApiVersion::kOne, "limit=1&offset=1").body;
  EXPECT_EQ(page["variables"][0]["key"], "b");
  EXPECT_EQ(page["total_entries"], 3);
  EXPECT_EQ(command("variables list -o json").output,
            "[{\"key\":\"a\"},{\"key\":\"b\"},{\"key\":\"model\"}]\n");
  EXPECT_EQ(ask("DELETE", "/variables/a").status, 204);
  EXPECT_EQ(ask("GET", "/variables/a").status, 404);
  EXPECT_EQ(command("variables delete b").output, "Variable b deleted\n");
  for (const char* line : {"variables get b", "variables delete b", "variables set x"})
    EXPECT_EQ(command(line).exit_code, 1) << line;
  EXPECT_EQ(ask("POST", "/variables", R"({"value": "1"})").status, 400);
}

}  // namespace
}  // namespace slipway::airflow
