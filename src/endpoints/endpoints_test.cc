#include "endpoints/endpoints.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "endpoints/endpoints_state.h"
#include "endpoints/fake_model_for_test.h"
#include "endpoints/fake_runtime_for_test.h"
#include "net/server.h"
#include "store/outbox.h"
#include "store/resources.h"

namespace slipway::endpoints {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class NothingElse : public net::Handler {
 public:
  std::optional<net::Response> admit(const net::RequestHead&) override { return std::nullopt; }
  net::Response handle(net::Request) override { return net::plain(404, "no"); }
};

std::vector<models::ServedContainer> containers_of(const std::string& account,
                                                   const std::string& name) {
  if (name.starts_with("missing")) {
    throw Error("ValidationException", "Could not find model \"arn:aws:sagemaker:us-east-1:" +
                                           account + ":model/" + name + "\".");
  }
  models::ServedContainer container;
  container.image = "tumour:1.0.0";
  return std::vector<models::ServedContainer>(name.starts_with("pipeline") ? 2 : 1, container);
}

class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    char name[] = "/tmp/endpoints_test.XXXXXX";
    directory_ = ::mkdtemp(name);
    spool_ = std::make_unique<store::Spool>(directory_);
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    start();
  }
  ~EndpointsTest() override {
    stop();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    Endpoints::TestParts parts;
    parts.runtime = machine_.runtime();
    parts.models = containers_of;
    parts.images = [](const std::string&, const std::string& reference) {
      return images::ResolvedImage{"tumour", "1.0.0", "sha256:12", reference + "@sha256:12"};
    };
    parts.reconciler.ping_starting = 10;
    parts.reconciler.ping_ready = 20;
    parts.reconciler.limits.backoff_first = 10;
    EndpointsOptions options;
    options.alarm = [this](const std::string&, const std::string& alarm) -> std::optional<bool> {
      if (alarm != "errors") return std::nullopt;
      return alarm_.load();
    };
    endpoints_ = std::make_unique<Endpoints>(*database_, clock_, credentials_, std::move(parts),
                                             std::move(options));
    endpoints_->start();
    net::ServerOptions server;
    server.port = 0;
    server_ = net::Server::start(server, handler_, workers_, *spool_, &endpoints_->gateway());
  }

  void stop() {
    if (server_) server_->stop(std::chrono::milliseconds(0));
    server_.reset();
    endpoints_.reset();
  }

  void config(const std::string& name, const std::string& model, int count = 1) {
    endpoints_->create_config(
        kTestAccount, {{"EndpointConfigName", name},
                       {"ProductionVariants", Json::array({{{"VariantName", "AllTraffic"},
                                                            {"ModelName", model},
                                                            {"InstanceType", "ml.m5.large"},
                                                            {"InitialInstanceCount", count}}})}});
  }

  void create(const std::string& config_name) {
    endpoints_->create(kTestAccount,
                       {{"EndpointName", "tumour"}, {"EndpointConfigName", config_name}});
  }

  void update(const std::string& config_name, Json more = Json::object()) {
    more["EndpointName"] = "tumour";
    more["EndpointConfigName"] = config_name;
    endpoints_->update(kTestAccount, more);
  }

  Json describe() { return endpoints_->describe(kTestAccount, {{"EndpointName", "tumour"}}); }

  bool becomes(const std::string& status) {
    return eventually([&] { return describe()["EndpointStatus"] == status; });
  }

  void serve(int count = 1) {
    config("first", "model-one", count);
    create("first");
    ASSERT_TRUE(becomes("InService"));
  }

  Answer invoke() { return GatewayClient(server_->port()).invoke("tumour", "1,2"); }

  std::string refusal(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code() + ": " + error.message();
    }
    return "no error";
  }

  std::vector<std::string> events() {
    std::vector<std::string> types;
    database_->read([&](store::Reader& reader) {
      for (const store::Event& event : store::events_after(reader, 0, 1000)) {
        types.push_back(event.type);
      }
    });
    return types;
  }

  std::filesystem::path directory_;
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  base::SystemClock clock_;
  FakeCredentials credentials_;
  FakeMachine machine_;
  NothingElse handler_;
  std::atomic<bool> alarm_{false};
  base::ThreadPool workers_{{.name = "test", .threads = 1, .queue = 8}};
  std::unique_ptr<Endpoints> endpoints_;
  std::unique_ptr<net::Server> server_;
};

TEST_F(EndpointsTest, CreatesAnEndpointThatAnswers) {
  serve(2);

  const Json described = describe();
  const Json& variant = described["ProductionVariants"][0];

  EXPECT_EQ(invoke().body, "model-one");
  EXPECT_EQ(described["EndpointArn"], "arn:aws:sagemaker:us-east-1:123456789012:endpoint/tumour");
  EXPECT_EQ(described["EndpointConfigName"], "first");
  EXPECT_EQ(variant["CurrentInstanceCount"], 2);
  EXPECT_EQ(variant["DesiredInstanceCount"], 2);
  EXPECT_EQ(variant["DeployedImages"][0]["SpecifiedImage"], "tumour:1.0.0");
  EXPECT_EQ(variant["DeployedImages"][0]["ResolvedImage"], "tumour:1.0.0@sha256:12");
  EXPECT_FALSE(described.contains("FailureReason"));
  EXPECT_FALSE(described.contains("PendingDeploymentSummary"));
  EXPECT_THAT(events(), ElementsAre("Endpoint.Creating", "Endpoint.InService"));
}

TEST_F(EndpointsTest, FailsAnEndpointWhoseContainerExits) {
  config("first", "broken-model");
  create("first");

  ASSERT_TRUE(becomes("Failed"));

  const auto reason = describe()["FailureReason"].get<std::string>();
  EXPECT_THAT(reason, HasSubstr("exit code 1"));
  EXPECT_THAT(reason, HasSubstr("cannot open model.json"));
  EXPECT_THAT(events(), ElementsAre("Endpoint.Creating", "Endpoint.Failed"));
  EXPECT_EQ(invoke().status, 400);
  EXPECT_THAT(refusal([&] {
                config("second", "model-two");
                update("second");
              }),
              HasSubstr("failed to be created"));
}

TEST_F(EndpointsTest, FailsAnEndpointWhoseDataCannotBeFetched) {
  config("first", "unfetchable-model");
  create("first");

  ASSERT_TRUE(becomes("Failed"));

  EXPECT_THAT(describe()["FailureReason"].get<std::string>(),
              StartsWith("Could not find model data at s3://"));
}

TEST_F(EndpointsTest, UpdatesWithoutLosingARequest) {
  serve(2);
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::atomic<int> ones{0};
  std::atomic<int> twos{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      GatewayClient client(server_->port());
      while (!stop) {
        const Answer answer = client.invoke("tumour", "x");
        if (answer.status != 200) {
          ++bad;
        } else {
          ++(answer.body == "model-one" ? ones : twos);
        }
      }
    });
  }
  ASSERT_TRUE(eventually([&] { return ones > 50; }));
  config("second", "model-two", 2);

  update("second");
  EXPECT_EQ(describe()["EndpointStatus"], "Updating");
  ASSERT_TRUE(becomes("InService"));
  ASSERT_TRUE(eventually([&] { return twos > 50 && machine_.running().size() == 2; }));
  stop = true;
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(bad, 0);
  EXPECT_EQ(describe()["EndpointConfigName"], "second");
  EXPECT_EQ(invoke().body, "model-two");
}

TEST_F(EndpointsTest, RollsBackABrokenVersion) {
  serve();
  config("second", "broken-model");
  update("second");

  ASSERT_TRUE(becomes("InService"));

  EXPECT_EQ(describe()["EndpointConfigName"], "first");
  EXPECT_THAT(describe()["FailureReason"].get<std::string>(), HasSubstr("exit code 1"));
  EXPECT_THAT(events(), Contains("Endpoint.RolledBack"));
  EXPECT_EQ(invoke().body, "model-one");
}

TEST_F(EndpointsTest, SendsACanaryItsShareAndRollsBackOnAnAlarm) {
  serve();
  config("second", "model-two");
  update("second", Json::parse(R"({"DeploymentConfig": {
      "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 600}},
      "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}})"));
  ASSERT_TRUE(eventually([&] { return invoke().body == "model-two"; }));
  EXPECT_TRUE(eventually([&] { return invoke().body == "model-one"; }));
  EXPECT_EQ(
      describe()["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["Status"],
      "ActivatingTraffic");

  EXPECT_EQ(refusal([&] { update("second"); }),
            "ValidationException: Cannot update in-progress endpoint "
            "\"arn:aws:sagemaker:us-east-1:123456789012:endpoint/tumour\".");
  alarm_ = true;

  ASSERT_TRUE(becomes("InService"));
  EXPECT_EQ(describe()["EndpointConfigName"], "first");
  EXPECT_TRUE(describe().contains("LastDeploymentConfig"));
}

TEST_F(EndpointsTest, ReplacesACrashedReplicaWhileTheOtherServes) {
  serve(2);
  machine_.crash(machine_.started().front());

  for (int i = 0; i < 20; ++i) EXPECT_EQ(invoke().status, 200);

  ASSERT_TRUE(eventually([&] { return machine_.started().size() == 3; }));
  EXPECT_TRUE(eventually([&] { return machine_.running().size() == 2; }));
  EXPECT_EQ(describe()["EndpointStatus"], "InService");
}

TEST_F(EndpointsTest, FindsRunningReplicasAfterARestart) {
  serve(2);
  const auto before = machine_.running();
  stop();

  start();

  EXPECT_TRUE(eventually([&] { return invoke().body == "model-one"; }));
  EXPECT_EQ(machine_.running(), before);
  EXPECT_EQ(machine_.started().size(), 2u);
}

TEST_F(EndpointsTest, StartsWhatWasLostWithTheMachine) {
  serve();
  stop();
  machine_.lose_everything();

  start();

  EXPECT_TRUE(eventually([&] { return invoke().body == "model-one"; }));
  EXPECT_EQ(machine_.started().size(), 2u);
}

TEST_F(EndpointsTest, GoesOnWithAnUpdateAfterARestart) {
  serve();
  config("second", "silent-model");
  update("second");
  ASSERT_TRUE(eventually([&] { return machine_.started().size() == 2; }));
  stop();
  machine_.lose_everything();
  start();

  // Lost with the machine, and then started in vain as often as is allowed.
  EXPECT_TRUE(eventually([&] {
    for (const std::string& replica : machine_.running("silent-model")) machine_.crash(replica);
    return describe()["EndpointStatus"] == "InService";
  }));

  EXPECT_EQ(machine_.started("silent-model").size(), 3u);
  EXPECT_EQ(describe()["EndpointConfigName"], "first");
  EXPECT_TRUE(eventually([&] { return invoke().body == "model-one"; }));
}

TEST_F(EndpointsTest, RemovesContainersThatNobodyKnows) {
  stop();
  machine_.add_stray("ep-nobody-1");

  start();

  EXPECT_THAT(machine_.removed(), ElementsAre("ep-nobody-1"));
}

TEST_F(EndpointsTest, ScalesAndSetsWeights) {
  serve();
  endpoints_->update_weights_and_capacities(
      kTestAccount,
      {{"EndpointName", "tumour"},
       {"DesiredWeightsAndCapacities", Json::array({{{"VariantName", "AllTraffic"},
                                                     {"DesiredWeight", 4.0},
                                                     {"DesiredInstanceCount", 3}}})}});

  ASSERT_TRUE(becomes("InService"));
  EXPECT_EQ(describe()["ProductionVariants"][0]["CurrentInstanceCount"], 3);
  EXPECT_EQ(describe()["ProductionVariants"][0]["CurrentWeight"], 4.0);
  EXPECT_THAT(
      refusal([&] {
        endpoints_->update_weights_and_capacities(
            kTestAccount,
            {{"EndpointName", "tumour"},
             {"DesiredWeightsAndCapacities",
              Json::array({{{"VariantName", "AllTraffic"}, {"DesiredInstanceCount", 17}}})}});
      }),
      StartsWith("ResourceLimitExceeded: "));
}

TEST_F(EndpointsTest, DeletesAnEndpointAndWhatBelongsToIt) {
  serve(2);
  endpoints_->remove(kTestAccount, {{"EndpointName", "tumour"}});

  const std::string gone =
      "ValidationException: Could not find endpoint "
      "\"arn:aws:sagemaker:us-east-1:123456789012:endpoint/tumour\".";
  EXPECT_TRUE(eventually([&] { return refusal([&] { describe(); }) == gone; }));
  EXPECT_EQ(refusal([&] { endpoints_->remove(kTestAccount, {{"EndpointName", "tumour"}}); }), gone);
  EXPECT_TRUE(machine_.running().empty());
  EXPECT_THAT(events(), Contains("Endpoint.Deleted"));
  EXPECT_TRUE(eventually([&] { return invoke().body.find("not found") != std::string::npos; }));
}

TEST_F(EndpointsTest, SpeaksTheTextsThatClientsSteerBy) {
  serve();
  config("second", "model-two");
  const std::string arn = "\"arn:aws:sagemaker:us-east-1:123456789012:endpoint";

  EXPECT_EQ(refusal([&] { create("second"); }),
            "ValidationException: Cannot create already existing endpoint " + arn + "/tumour\".");
  EXPECT_EQ(refusal([&] { config("first", "model-one"); }),
            "ValidationException: Cannot create already existing endpoint configuration " + arn +
                "-config/first\".");
  EXPECT_EQ(
      refusal([&] { update("none"); }),
      "ValidationException: Could not find endpoint configuration " + arn + "-config/none\".");
  EXPECT_THAT(refusal([&] { config("third", "missing-model"); }),
              StartsWith("ValidationException: Could not find model "));
  EXPECT_THAT(refusal([&] { update("first"); }),
              HasSubstr("already has the endpoint configuration"));
  EXPECT_THAT(refusal([&] { config("third", "pipeline-model"); }), HasSubstr("2 containers"));
  EXPECT_THAT(refusal([&] {
                update("second", Json::parse(R"({"DeploymentConfig": {"AutoRollbackConfiguration":
                    {"Alarms": [{"AlarmName": "none"}]}}})"));
              }),
              HasSubstr("Could not find alarm \"none\""));
  EXPECT_THAT(refusal([&] {
                config("large", "model-one", 17);
                update("large");
              }),
              StartsWith("ResourceLimitExceeded: "));
}

TEST_F(EndpointsTest, EchoesAConfigurationWholeAndRefusesWhatItCannotServe) {
  Json input = Json::parse(R"({"EndpointConfigName": "full",
      "ProductionVariants": [{"VariantName": "A", "ModelName": "m", "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1, "VolumeSizeInGB": 10}],
      "DataCaptureConfig": {"EnableCapture": true, "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://b/c", "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]}},
      "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/o"}},
      "Tags": [{"Key": "team", "Value": "health"}]})");
  const Json created = endpoints_->create_config(kTestAccount, input);

  Json described = endpoints_->describe_config(kTestAccount, {{"EndpointConfigName", "full"}});

  EXPECT_EQ(described["EndpointConfigArn"], created["EndpointConfigArn"]);
  EXPECT_TRUE(described.contains("CreationTime"));
  EXPECT_EQ(described["DataCaptureConfig"], input["DataCaptureConfig"]);
  EXPECT_EQ(described["AsyncInferenceConfig"], input["AsyncInferenceConfig"]);
  EXPECT_EQ(described["ProductionVariants"][0]["VolumeSizeInGB"], 10);
  EXPECT_EQ(described["ProductionVariants"][0]["InitialVariantWeight"], 1.0);
  EXPECT_FALSE(described.contains("Tags"));
  input["EndpointConfigName"] = "other";
  input["ProductionVariants"][0]["ServerlessConfig"] = Json::object();
  EXPECT_THAT(refusal([&] { endpoints_->create_config(kTestAccount, input); }),
              HasSubstr("ServerlessConfig"));
}

TEST_F(EndpointsTest, ListsAndDeletesConfigurations) {
  for (const char* name : {"a-one", "b-two", "a-three"}) config(name, "m");
  const Json query = {
      {"NameContains", "a-"}, {"SortBy", "Name"}, {"SortOrder", "Ascending"}, {"MaxResults", 1}};

  const Json first = endpoints_->list_configs(kTestAccount, query);
  Json next = query;
  next["NextToken"] = first["NextToken"];
  const Json second = endpoints_->list_configs(kTestAccount, next);
  endpoints_->delete_config(kTestAccount, {{"EndpointConfigName", "a-one"}});

  EXPECT_EQ(first["EndpointConfigs"][0]["EndpointConfigName"], "a-one");
  EXPECT_EQ(second["EndpointConfigs"][0]["EndpointConfigName"], "a-three");
  EXPECT_FALSE(second.contains("NextToken"));
  EXPECT_THAT(refusal([&] {
                endpoints_->delete_config(kTestAccount, {{"EndpointConfigName", "a-one"}});
              }),
              HasSubstr("Could not find endpoint configuration"));
}

TEST_F(EndpointsTest, ListsEndpointsByStatus) {
  serve();

  const Json found =
      endpoints_->list(kTestAccount, {{"StatusEquals", "InService"}, {"NameContains", "TUM"}});
  const Json none = endpoints_->list(kTestAccount, {{"StatusEquals", "Failed"}});

  EXPECT_EQ(found["Endpoints"][0]["EndpointName"], "tumour");
  EXPECT_EQ(found["Endpoints"][0]["EndpointStatus"], "InService");
  EXPECT_TRUE(none["Endpoints"].empty());
}

}  // namespace
}  // namespace slipway::endpoints
