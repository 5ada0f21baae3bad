// Functions that run: in containers of the machine's own engine.

#include <atomic>
#include <cstdlib>

#include "base/error.h"
#include "functions/test_room.h"
#include "net/client.h"

namespace slipway::functions {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kEcho =
    "import os\n"
    "COUNT = 0\n"
    "def handler(event, context):\n"
    "    global COUNT\n"
    "    COUNT += 1\n"
    "    print('got', event)\n"
    "    return {'event': event, 'count': COUNT, 'pid': os.getpid(),\n"
    "            'name': context.function_name, 'id': context.aws_request_id,\n"
    "            'left': context.get_remaining_time_in_millis(), 'home': os.getcwd(),\n"
    "            'env': dict(os.environ)}\n";

class FunctionsTest : public FunctionsRoom {};

TEST_F(FunctionsTest, RunsAHandlerAndKeepsItsContainerWarm) {
  open();
  ASSERT_EQ(create("echo", kEcho, {{"Environment", {{"Variables", {{"COLOUR", "red"}}}}}}).status,
            201);

  const Answer first = invoke("echo", R"({"a": [1, "ü"]})");
  const Answer second = invoke("echo");

  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(first.json["event"], (Json{{"a", {1, "ü"}}}));
  EXPECT_EQ(first.json["name"], "echo");
  EXPECT_EQ(first.headers.get("X-Amz-Executed-Version"), "$LATEST");
  EXPECT_FALSE(first.headers.has("X-Amz-Function-Error"));
  EXPECT_GT(first.json["left"], 10'000);
  EXPECT_EQ(first.json["home"], "/var/task");
  const Json& environment = first.json["env"];
  EXPECT_EQ(environment["COLOUR"], "red");
  EXPECT_EQ(environment["AWS_REGION"], "us-east-1");
  EXPECT_EQ(environment["AWS_ENDPOINT_URL"], "http://127.0.0.1:1");
  EXPECT_EQ(environment["_HANDLER"], "app.handler");
  EXPECT_EQ(environment["LAMBDA_TASK_ROOT"], "/var/task");
  const auto key = iam_->find(environment["AWS_ACCESS_KEY_ID"].get<std::string>());
  ASSERT_TRUE(key);
  EXPECT_EQ(key->caller.arn, "arn:aws:sts::123456789012:assumed-role/slipway-execution/echo");
  EXPECT_EQ(second.json["count"], 2);
  EXPECT_EQ(containers(), 1u);
}

TEST_F(FunctionsTest, WritesItsLog) {
  open();
  create("echo", kEcho);

  const Answer answer = invoke("echo", "{}", {{"X-Amz-Log-Type", "Tail"}});

  const std::string id = answer.json["id"];
  const std::string tail =
      base::from_base64(answer.headers.get("X-Amz-Log-Result")).value_or("not base64");
  EXPECT_THAT(tail, testing::StartsWith("START RequestId: " + id + " Version: $LATEST\n"));
  EXPECT_THAT(tail, HasSubstr("got {}\n"));
  EXPECT_THAT(tail, HasSubstr("\nEND RequestId: " + id + "\nREPORT RequestId: " + id));
  EXPECT_TRUE(logged("echo", "REPORT RequestId: " + id)) << log_of("echo");
}

TEST_F(FunctionsTest, TellsOfAnExceptionAndGoesOn) {
  open();
  create("fail",
         "def inner(event):\n"
         "    raise ValueError('no ' + event['what'])\n"
         "def handler(event, context):\n"
         "    return inner(event) if event else 'fine'\n");

  const Answer failed = invoke("fail", R"({"what": "luck"})");
  const Answer fine = invoke("fail");

  EXPECT_EQ(failed.status, 200);
  EXPECT_EQ(failed.headers.get("X-Amz-Function-Error"), "Unhandled");
  EXPECT_EQ(failed.json["errorType"], "ValueError");
  EXPECT_EQ(failed.json["errorMessage"], "no luck");
  EXPECT_THAT(failed.json["stackTrace"].dump(), HasSubstr("/var/task/app.py"));
  EXPECT_EQ(failed.json["stackTrace"].size(), 2u);
  EXPECT_EQ(fine.text, "\"fine\"");
  EXPECT_EQ(containers(), 1u) << "an exception does not cost the container";
  EXPECT_TRUE(logged("fail", "[ERROR] ValueError: no luck"));
}

TEST_F(FunctionsTest, SaysWhyAHandlerCannotBeLoaded) {
  open();
  create("import", "import nothing_like_it\n");
  create("name", "x = 1\n");
  create("syntax", "def handler(:\n");

  const Answer import_error = invoke("import", "{}", {{"X-Amz-Log-Type", "Tail"}});
  const Answer name_error = invoke("name");
  const Answer syntax_error = invoke("syntax");

  EXPECT_EQ(import_error.json["errorType"], "Runtime.ImportModuleError");
  EXPECT_EQ(import_error.json["errorMessage"],
            "Unable to import module 'app': No module named 'nothing_like_it'");
  EXPECT_THAT(base::from_base64(import_error.headers.get("X-Amz-Log-Result")).value_or(""),
              HasSubstr("[ERROR] Runtime.ImportModuleError: Unable to import module 'app'"));
  EXPECT_EQ(name_error.json["errorType"], "Runtime.HandlerNotFound");
  EXPECT_EQ(syntax_error.json["errorType"], "Runtime.UserCodeSyntaxError");
  EXPECT_TRUE(eventually([&] { return containers() == 0; }));
}

TEST_F(FunctionsTest, EndsAFunctionThatTakesTooLong) {
  open();
  create("slow",
         "import time\n"
         "def handler(event, context):\n"
         "    if event: time.sleep(600)\n"
         "    return 1\n",
         {{"Timeout", 1}});

  const Answer slow = invoke("slow", R"({"sleep": true})", {{"X-Amz-Log-Type", "Tail"}});

  EXPECT_EQ(slow.headers.get("X-Amz-Function-Error"), "Unhandled");
  EXPECT_THAT(slow.text, HasSubstr("Task timed out after 1.00 seconds"));
  EXPECT_THAT(base::from_base64(slow.headers.get("X-Amz-Log-Result")).value_or(""),
              HasSubstr("Task timed out after 1.00 seconds"));
  EXPECT_TRUE(logged("slow", "Task timed out after 1.00 seconds"));
  EXPECT_TRUE(eventually([&] { return containers() == 0; })) << "it is killed";
  EXPECT_EQ(invoke("slow").text, "1");
}

TEST_F(FunctionsTest, SurvivesACrash) {
  open();
  create("crash",
         "import os\n"
         "def handler(event, context):\n"
         "    print('about to crash')\n"
         "    if event: os._exit(7)\n"
         "    return 1\n");

  const Answer crashed = invoke("crash", R"({"exit": 7})", {{"X-Amz-Log-Type", "Tail"}});

  EXPECT_EQ(crashed.headers.get("X-Amz-Function-Error"), "Unhandled");
  EXPECT_EQ(crashed.json["errorType"], "Runtime.ExitError");
  EXPECT_THAT(crashed.text, HasSubstr("Runtime exited with error: exit status 7"));
  const std::string tail = base::from_base64(crashed.headers.get("X-Amz-Log-Result")).value_or("");
  EXPECT_THAT(tail, testing::StartsWith("START RequestId: ")) << "its log outlives it";
  EXPECT_THAT(tail, HasSubstr("about to crash\n"));
  EXPECT_THAT(tail, HasSubstr("Runtime.ExitError\nEND RequestId: "));
  EXPECT_EQ(invoke("crash").text, "1");
  EXPECT_TRUE(eventually([&] { return containers() == 1; }));
}

TEST_F(FunctionsTest, RunsABootstrapInAnyLanguage) {
  open();
  const std::string bootstrap =
      "#!/bin/sh\n"
      "api=\"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\"\n"
      "while :; do\n"
      "  event=$(curl -sS -D /tmp/head \"$api/next\") || exit 3\n"
      "  id=$(tr -d '\\r' </tmp/head | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')\n"
      "  echo \"shell got $event\"\n"
      "  curl -sS -d \"{\\\"shell\\\": $event}\" \"$api/$id/response\" >/dev/null\n"
      "done\n";
  Json request = request_of("shell", zip_of({{"bootstrap", bootstrap}}));
  request["Runtime"] = "provided.al2023";
  ASSERT_EQ(call("POST", "functions", request).status, 201);

  const Answer first = invoke("shell", "[1]");
  const Answer second = invoke("shell", "[2]", {{"X-Amz-Log-Type", "Tail"}});

  EXPECT_EQ(first.json, (Json{{"shell", {1}}})) << first.text;
  EXPECT_EQ(second.json, (Json{{"shell", {2}}}));
  EXPECT_EQ(containers(), 1u);
  const std::string tail = base::from_base64(second.headers.get("X-Amz-Log-Result")).value_or("");
  EXPECT_THAT(tail, testing::StartsWith("START RequestId: "));
  EXPECT_THAT(tail, HasSubstr("shell got [2]\n"));
  EXPECT_THAT(tail, HasSubstr("REPORT RequestId: "));
  EXPECT_TRUE(logged("shell", "REPORT RequestId: "));
}

TEST_F(FunctionsTest, RunsWithoutNetworkWhereAsked) {
  open();
  const Json isolated = {{"Environment", {{"Variables", {{"SLIPWAY_NETWORK", "none"}}}}}};
  create("alone",
         "import os\n"
         "def handler(event, context):\n"
         "    return sorted(os.listdir('/sys/class/net')) if os.path.isdir('/sys/class/net') else "
         "open('/proc/net/dev').read()\n",
         isolated);
  Json request = request_of(
      "relay", zip_of({{"bootstrap",
                        "#!/bin/sh\n"
                        "api=\"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\"\n"
                        "while :; do\n"
                        "  curl -sS -D /tmp/head \"$api/next\" >/dev/null || exit 3\n"
                        "  id=$(tr -d '\\r' </tmp/head | sed -n "
                        "'s/^Lambda-Runtime-Aws-Request-Id: //Ip')\n"
                        "  curl -sS -d '\"relayed\"' \"$api/$id/response\" >/dev/null\n"
                        "done\n"}}));
  request["Runtime"] = "provided";
  request.update(isolated);
  ASSERT_EQ(call("POST", "functions", request).status, 201);

  const Answer alone = invoke("alone");
  const Answer relayed = invoke("relay");

  EXPECT_THAT(alone.text, HasSubstr("lo"));
  EXPECT_THAT(alone.text, Not(HasSubstr("eth0")));
  EXPECT_EQ(relayed.text, "\"relayed\"");
}

TEST_F(FunctionsTest, ThrottlesBeyondReservedConcurrency) {
  open();
  create("one", "def handler(event, context):\n    return 1\n");
  ASSERT_EQ(call("PUT", "/2017-10-31/functions/one/concurrency",
                 Json{{"ReservedConcurrentExecutions", 0}})
                .status,
            200);

  const Answer refused = invoke("one");
  call("DELETE", "/2017-10-31/functions/one/concurrency");

  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(error_of(refused), "TooManyRequestsException");
  EXPECT_EQ(invoke("one").text, "1");
}

TEST_F(FunctionsTest, RunsCallsBesideEachOther) {
  open({.containers_each = 2});
  create("wait",
         "import time\n"
         "def handler(event, context):\n"
         "    time.sleep(event)\n"
         "    return 1\n");

  std::vector<std::thread> callers;
  std::atomic<int> answered{0}, refused{0};
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      const Answer answer = invoke("wait", "1.5");
      (answer.status == 429 ? refused : answered).fetch_add(1);
    });
  }
  for (std::thread& caller : callers) caller.join();

  EXPECT_EQ(answered, 2);
  EXPECT_EQ(refused, 1);
}

TEST_F(FunctionsTest, StopsContainersThatAreIdleForLong) {
  open({.idle = 1s});
  create("idle", "def handler(event, context):\n    return 1\n");
  invoke("idle");
  EXPECT_EQ(containers(), 1u);

  EXPECT_TRUE(eventually([&] { return containers() == 0; }));
}

TEST_F(FunctionsTest, ServesNewCodeAtOnce) {
  open();
  create("new", "def handler(event, context):\n    return 1\n");
  EXPECT_EQ(invoke("new").text, "1");
  const std::string zip = zip_of({{"app.py", "def handler(event, context):\n    return 2\n"}});

  const Answer updated = call("PUT", "functions/new/code", Json{{"ZipFile", base::base64(zip)}});

  EXPECT_EQ(updated.json["CodeSha256"], base::base64(base::digest(base::Algorithm::kSha256, zip)));
  EXPECT_EQ(invoke("new").text, "2");
}

TEST_F(FunctionsTest, KeepsAPublishedVersionAsItWas) {
  open();
  create("kept", "def handler(event, context):\n    return 1\n");
  ASSERT_EQ(call("POST", "functions/kept/versions", Json::object()).json["Version"], "1");
  const std::string zip = zip_of({{"app.py", "def handler(event, context):\n    return 2\n"}});
  call("PUT", "functions/kept/code", Json{{"ZipFile", base::base64(zip)}});
  call("POST", "functions/kept/aliases", Json{{"Name", "live"}, {"FunctionVersion", "1"}});

  const Answer old = invoke("kept:1");
  const Answer live = call("POST", "functions/kept/invocations?Qualifier=live", std::string("{}"));

  EXPECT_EQ(old.text, "1");
  EXPECT_EQ(live.text, "1");
  EXPECT_EQ(live.headers.get("X-Amz-Executed-Version"), "1");
  EXPECT_EQ(invoke("kept").text, "2");
}

TEST_F(FunctionsTest, CarriesOutEventsAndTriesAgain) {
  open({.event_pauses = {10ms, 10ms}});
  create("event",
         "def handler(event, context):\n"
         "    print('attempt of', event['name'])\n"
         "    if event['fail']: raise RuntimeError('again')\n");

  const Answer accepted =
      invoke("event", R"({"name": "good", "fail": false})", {{"X-Amz-Invocation-Type", "Event"}});
  invoke("event", R"({"name": "bad", "fail": true})", {{"X-Amz-Invocation-Type", "Event"}});

  EXPECT_EQ(accepted.status, 202);
  EXPECT_EQ(accepted.text, "");
  const auto count = [&](const std::string& text) {
    const std::string log = log_of("event");
    int found = 0;
    for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) {
      ++found;
    }
    return found;
  };
  EXPECT_TRUE(eventually([&] { return count("attempt of bad") == 3; })) << log_of("event");
  const auto waiting = [&] {
    std::int64_t rows = 0;
    database_->read([&](store::Reader& reader) {
      reader.query("select count(*) from lambda_events", {},
                   [&](const store::Row& row) { rows = row.integer(0); });
    });
    return rows;
  };
  EXPECT_TRUE(eventually([&] { return waiting() == 0; }));
  EXPECT_TRUE(logged("event", "attempt of good")) << "lines come after their invocation's end";
  EXPECT_EQ(count("attempt of good"), 1);
}

TEST_F(FunctionsTest, CarriesOnWithEventsAfterARestart) {
  open();
  create("later", "def handler(event, context):\n    print('carried out', event)\n");
  call("PUT", "/2017-10-31/functions/later/concurrency", Json{{"ReservedConcurrentExecutions", 0}});
  invoke("later", "42", {{"X-Amz-Invocation-Type", "Event"}});
  close();

  open();
  call("DELETE", "/2017-10-31/functions/later/concurrency");

  EXPECT_TRUE(logged("later", "carried out 42"));
}

TEST_F(FunctionsTest, RemovesContainersThatAnEarlierProcessLeft) {
  open();
  create("left", kEcho);
  invoke("left");
  ASSERT_EQ(containers(), 1u);
  const containers::ContainerSpec orphan{.id = "function-0123456789abcdef",
                                         .image = images_->unpack(kAccount, "host"),
                                         .arguments = {"sleep", "600"}};
  close();
  engine_->start(orphan);
  EXPECT_EQ(containers(), 1u) << "stopping removed the first";

  open();

  EXPECT_TRUE(eventually([&] { return containers() == 0; }));
}

TEST_F(FunctionsTest, GivesWorkToTheContainerThatTheTokenNamesAlone) {
  open();
  create("echo", kEcho);
  const std::string api = invoke("echo").json["env"]["AWS_LAMBDA_RUNTIME_API"];
  const std::string port = api.substr(0, api.find('/'));
  net::Client client;
  const auto status = [&](const std::string& method, const std::string& path) {
    net::ClientRequest request;
    request.method = method;
    request.url = "http://" + path;
    request.body = method == "POST" ? "1" : "";
    return client.send(request).status;
  };
  const std::string version = "/2018-06-01/runtime/";

  EXPECT_EQ(status("GET", port + "/" + std::string(32, '0') + version + "invocation/next"), 403);
  EXPECT_EQ(status("GET", port + version + "invocation/next"), 404);
  EXPECT_EQ(status("POST", port + "/" + std::string(32, '0') + version + "init/error"), 403);
  EXPECT_EQ(status("POST", api + version + "invocation/other/response"), 400);
  EXPECT_EQ(invoke("echo").json["count"], 2) << "nothing of it disturbed the container";
}

TEST_F(FunctionsTest, IsCalledByOtherRooms) {
  open();
  create("room", kEcho);
  const std::string arn = "arn:aws:lambda:us-east-1:123456789012:function:room";

  const Invocation invocation =
      functions_->invoke(kAccount, arn, R"({"x": 1})", InvocationType::kRequestResponse);

  EXPECT_EQ(base::parse_json(invocation.payload, "payload")["event"]["x"], 1);
  EXPECT_THAT(invocation.log_tail, HasSubstr("got {'x': 1}"));
  EXPECT_EQ(functions_->find(kAccount, "room"), arn);
  EXPECT_EQ(functions_->find(kAccount, "nothing"), std::nullopt);
  EXPECT_THROW(functions_->invoke(kAccount, "nothing", "{}", InvocationType::kEvent), Error);
}

}  // namespace
}  // namespace slipway::functions

int main(int argc, char** argv) {
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
