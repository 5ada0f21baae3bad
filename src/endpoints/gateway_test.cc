#include "endpoints/gateway.h"

#include <condition_variable>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/json.h"
#include "endpoints/fake_model_for_test.h"
#include "net/server.h"

namespace slipway::endpoints {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class NothingElse : public net::Handler {
 public:
  std::optional<net::Response> admit(const net::RequestHead&) override { return std::nullopt; }
  net::Response handle(net::Request) override { return net::plain(404, "no"); }
};

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    char name[] = "/tmp/gateway_test.XXXXXX";
    directory_ = ::mkdtemp(name);
    options_.timeout = milliseconds(5'000);
    options_.pass_over = milliseconds(50);
  }
  ~GatewayTest() override {
    if (server_) server_->stop(milliseconds(0));
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  void serve(int loops = 1) {
    gateway_ = std::make_unique<Gateway>(credentials_, clock_, connector_, options_);
    spool_ = std::make_unique<store::Spool>(directory_);
    net::ServerOptions options;
    options.port = 0;
    options.loops = loops;
    server_ = net::Server::start(options, handler_, workers_, *spool_, gateway_.get());
  }

  std::shared_ptr<ReplicaRoute> replica(const std::string& id, FakeModel::Behaviour behaviour,
                                        const std::string& variant = "AllTraffic") {
    connector_.add(id, std::move(behaviour));
    return gateway_->make_replica(id, kTestAccount, "tumour", variant);
  }

  std::uint64_t publish(std::vector<VariantRoute> variants, bool in_service = true) {
    auto table = std::make_shared<RouteTable>();
    EndpointRoute route;
    route.name = "tumour";
    route.account = kTestAccount;
    route.in_service = in_service;
    route.status = "Creating";
    route.variants = std::move(variants);
    table->endpoints.emplace(std::string(kTestAccount) + "/tumour", std::move(route));
    const std::uint64_t version = gateway_->publish(std::move(table));
    EXPECT_TRUE(eventually([&] { return gateway_->applied() >= version; }));
    return version;
  }

  GatewayClient client() { return GatewayClient(server_->port()); }

  static std::string echo(const FakeModel::Request& request) { return FakeModel::ok(request.body); }

  std::filesystem::path directory_;
  FakeCredentials credentials_;
  base::SystemClock clock_;
  FakeConnector connector_;
  GatewayOptions options_;
  NothingElse handler_;
  base::ThreadPool workers_{{.name = "test", .threads = 1, .queue = 8}};
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<net::Server> server_;
};

// Holds model threads until it is opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

TEST_F(GatewayTest, RelaysAnInvocationAndItsAnswer) {
  serve();
  std::string seen;
  publish({{"AllTraffic", 1, {replica("r1", [&](const FakeModel::Request& request) {
              seen = request.head;
              return FakeModel::ok("0.7",
                                   "X-Amzn-SageMaker-Custom-Attributes: trace\r\nServer: x\r\n");
            })}}});
  GatewayClient client = this->client();

  const Answer answer = client.invoke("tumour", "1,2", {{"Content-Type", "text/csv"}});

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "0.7");
  EXPECT_EQ(answer.fields.at("content-type"), "text/csv");
  EXPECT_EQ(answer.fields.at("x-amzn-invoked-production-variant"), "AllTraffic");
  EXPECT_EQ(answer.fields.at("x-amzn-sagemaker-custom-attributes"), "trace");
  EXPECT_EQ(answer.fields.at("x-amzn-requestid").size(), 36u);
  EXPECT_FALSE(answer.fields.contains("server"));
  EXPECT_THAT(seen, HasSubstr("POST /invocations HTTP/1.1"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: text/csv"));
  EXPECT_THAT(seen, Not(HasSubstr("Authorization")));
}

TEST_F(GatewayTest, UsesOneConnectionForOneRequestAfterAnother) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [](const FakeModel::Request& request) {
              return FakeModel::ok(std::to_string(request.on_connection));
            })}}});
  GatewayClient client = this->client();

  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.invoke("tumour", "x").body, std::to_string(i));
  }
}

TEST_F(GatewayTest, CarriesLargeBodiesBothWays) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", echo)}}});
  GatewayClient client = this->client();
  const std::string body(20u << 20, 'b');

  const Answer answer = client.invoke("tumour", body);

  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == body);
}

TEST_F(GatewayTest, RelaysChunkedAndCloseDelimitedAnswers) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [](const FakeModel::Request& request) {
              if (request.body == "chunked") {
                return std::string(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
              }
              return std::string("HTTP/1.0 200 OK\r\n\r\nabc");
            })}}});
  GatewayClient client = this->client();

  EXPECT_EQ(client.invoke("tumour", "chunked").body, "abc");
  EXPECT_EQ(client.invoke("tumour", "close").body, "abc");
  EXPECT_EQ(client.invoke("tumour", "chunked").body, "abc");
}

TEST_F(GatewayTest, RefusesAWrongSignature) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", echo)}}});
  GatewayClient client = this->client();
  client.send(GatewayClient::request("tumour", "x", {}, "another secret"));

  const Answer answer = client.receive();

  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.fields.at("x-amzn-errortype"), "InvalidSignatureException");
}

TEST_F(GatewayTest, RefusesABodyOtherThanTheSignedOne) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", echo)}}});
  GatewayClient client = this->client();
  std::string request = GatewayClient::request("tumour", "xyz");
  request.back() = 'q';
  client.send(request);

  EXPECT_EQ(client.receive().status, 403);
}

TEST_F(GatewayTest, RefusesARequestWithoutASignature) {
  serve();
  GatewayClient client = this->client();
  client.send(
      "POST /endpoints/tumour/invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");

  const Answer answer = client.receive();

  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.fields.at("x-amzn-errortype"), "MissingAuthenticationTokenException");
}

TEST_F(GatewayTest, SaysThatAnEndpointIsNotThere) {
  serve();
  GatewayClient client = this->client();

  const Answer answer = client.invoke("none", "x");

  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.fields.at("x-amzn-errortype"), "ValidationError");
  EXPECT_EQ(Json::parse(answer.body)["Message"],
            "Endpoint none of account 123456789012 not found.");
}

TEST_F(GatewayTest, SaysThatAnEndpointIsNotInService) {
  serve();
  publish({}, false);
  GatewayClient client = this->client();

  const Answer answer = client.invoke("tumour", "x");

  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("Creating"));
}

TEST_F(GatewayTest, SendsToTheVariantThatTheClientNames) {
  serve();
  publish({{"A", 1, {replica("a", echo, "A")}}, {"B", 0, {replica("b", echo, "B")}}});
  GatewayClient client = this->client();

  const Answer named = client.invoke("tumour", "x", {{"X-Amzn-SageMaker-Target-Variant", "B"}});
  const Answer unknown = client.invoke("tumour", "x", {{"X-Amzn-SageMaker-Target-Variant", "C"}});

  EXPECT_EQ(named.fields.at("x-amzn-invoked-production-variant"), "B");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.fields.at("x-amzn-errortype"), "ValidationError");
}

TEST_F(GatewayTest, TurnsAModelsErrorIntoAModelError) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [](const FakeModel::Request&) {
              return std::string("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nboom");
            })}}});
  GatewayClient client = this->client();

  const Answer answer = client.invoke("tumour", "x");

  EXPECT_EQ(answer.status, 424);
  EXPECT_EQ(answer.fields.at("x-amzn-errortype"), "ModelError");
  EXPECT_EQ(Json::parse(answer.body)["OriginalStatusCode"], 500);
  EXPECT_EQ(Json::parse(answer.body)["OriginalMessage"], "boom");
  EXPECT_EQ(client.invoke("tumour", "x").status, 424);  // over the same connection
}

TEST_F(GatewayTest, EndsAnInvocationThatTakesTooLong) {
  options_.timeout = milliseconds(100);
  Gate gate;
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [&](const FakeModel::Request& request) {
              if (request.body == "slow") gate.pass();
              return FakeModel::ok("done");
            })}}});
  GatewayClient client = this->client();

  const Answer answer = client.invoke("tumour", "slow");
  gate.open();

  EXPECT_EQ(answer.status, 424);
  EXPECT_THAT(answer.body, HasSubstr("timed out"));
  EXPECT_EQ(client.invoke("tumour", "quick").body, "done");
}

TEST_F(GatewayTest, SaysThatAModelWentAwayInTheMiddle) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [](const FakeModel::Request&) {
              return std::string();
            })}}});
  GatewayClient client = this->client();

  const Answer answer = client.invoke("tumour", "x");

  EXPECT_EQ(answer.status, 424);
  EXPECT_THAT(answer.body, HasSubstr("closed the connection"));
}

TEST_F(GatewayTest, RepeatsARequestThatAClosingConnectionDidNotTake) {
  serve();
  auto route = replica("r1", echo);
  std::atomic<int> served{0};
  FakeModel& model = connector_.add("r1", [&](const FakeModel::Request&) {
    ++served;
    return FakeModel::ok("fine");
  });
  model.reset_at(1);
  publish({{"AllTraffic", 1, {route}}});
  GatewayClient client = this->client();

  for (int i = 0; i < 6; ++i) EXPECT_EQ(client.invoke("tumour", "x").body, "fine");

  EXPECT_EQ(served, 6);
  EXPECT_EQ(model.connections(), 6);
}

TEST_F(GatewayTest, GivesARequestToAnotherReplicaWhereOneDiesBeforeReadingIt) {
  serve();
  auto dying = replica("dying", echo);
  connector_.add("dying", echo).reset_at(0);
  publish({{"AllTraffic", 1, {dying, replica("living", echo)}}});
  GatewayClient client = this->client();

  for (int i = 0; i < 30; ++i) EXPECT_EQ(client.invoke("tumour", "x").status, 200);

  EXPECT_EQ(dying->in_flight, 0u);
}

TEST_F(GatewayTest, RepeatsNoRequestThatTheModelMayHaveSeen) {
  serve();
  std::atomic<int> seen{0};
  publish({{"AllTraffic", 1, {replica("r1", [&](const FakeModel::Request& request) {
              if (request.body != "poison") return FakeModel::ok("fine");
              ++seen;
              return std::string();
            })}}});
  GatewayClient client = this->client();
  EXPECT_EQ(client.invoke("tumour", "x").status, 200);

  EXPECT_EQ(client.invoke("tumour", "poison").status, 424);

  EXPECT_EQ(seen, 1);
}

TEST_F(GatewayTest, NoticesIdleConnectionsThatClose) {
  serve();
  auto route = replica("r1", [](const FakeModel::Request& request) {
    return FakeModel::ok(std::to_string(request.on_connection));
  });
  FakeModel& model = connector_.add("r1", [](const FakeModel::Request& request) {
    return FakeModel::ok(std::to_string(request.on_connection));
  });
  publish({{"AllTraffic", 1, {route}}});
  GatewayClient client = this->client();
  EXPECT_EQ(client.invoke("tumour", "x").body, "0");
  EXPECT_EQ(client.invoke("tumour", "x").body, "1");

  model.close_connections();

  EXPECT_EQ(client.invoke("tumour", "x").body, "0");
}

TEST_F(GatewayTest, SendsToAnotherReplicaWhereOneCannotBeReached) {
  serve();
  auto gone = replica("gone", echo);
  connector_.add("gone", echo).refuse_connections();
  publish({{"AllTraffic", 1, {gone, replica("there", echo)}}});
  GatewayClient client = this->client();

  for (int i = 0; i < 30; ++i) EXPECT_EQ(client.invoke("tumour", "x").status, 200);
}

TEST_F(GatewayTest, AnswersUnavailableWhereNoReplicaIsReached) {
  serve();
  auto gone = replica("gone", echo);
  connector_.add("gone", echo).refuse_connections();
  publish({{"AllTraffic", 1, {gone}}});
  GatewayClient client = this->client();

  const Answer answer = client.invoke("tumour", "x");

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.fields.at("x-amzn-errortype"), "ServiceUnavailable");
  EXPECT_EQ(gone->in_flight, 0u);
}

TEST_F(GatewayTest, BoundsTheRequestsThatWait) {
  options_.connections_per_replica = 1;
  options_.waiting_per_replica = 1;
  Gate gate;
  serve();
  auto slow = replica("r1", [&](const FakeModel::Request&) {
    gate.pass();
    return FakeModel::ok("done");
  });
  publish({{"AllTraffic", 1, {slow}}});
  GatewayClient first = client();
  GatewayClient second = client();
  GatewayClient third = client();
  first.send(GatewayClient::request("tumour", "x"));
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  second.send(GatewayClient::request("tumour", "x"));
  ASSERT_TRUE(eventually([&] { return slow->in_flight == 2; }));

  EXPECT_EQ(third.invoke("tumour", "x").status, 503);
  gate.open();

  EXPECT_EQ(first.receive().body, "done");
  EXPECT_EQ(second.receive().body, "done");
}

TEST_F(GatewayTest, LetsGoOfTheReplicaWhenTheClientGoesAway) {
  Gate gate;
  serve();
  auto slow = replica("r1", [&](const FakeModel::Request& request) {
    if (request.body == "slow") gate.pass();
    return FakeModel::ok("done");
  });
  publish({{"AllTraffic", 1, {slow}}});
  GatewayClient leaving = client();
  leaving.send(GatewayClient::request("tumour", "slow"));
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));

  leaving.close();

  EXPECT_TRUE(eventually([&] { return slow->in_flight == 0; }));
  gate.open();
  GatewayClient staying = client();
  EXPECT_EQ(staying.invoke("tumour", "quick").body, "done");
}

TEST_F(GatewayTest, LetsRequestsInFlightEndOnAReplicaThatIsRoutedNoMore) {
  Gate gate;
  serve();
  auto old = replica("old", [&](const FakeModel::Request&) {
    gate.pass();
    return FakeModel::ok("old");
  });
  publish({{"AllTraffic", 1, {old}}});
  GatewayClient slow = client();
  slow.send(GatewayClient::request("tumour", "x"));
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));

  publish({{"AllTraffic", 1, {replica("new", [](const FakeModel::Request&) {
              return FakeModel::ok("new");
            })}}});
  GatewayClient quick = client();

  EXPECT_EQ(quick.invoke("tumour", "x").body, "new");
  EXPECT_EQ(old->in_flight, 1u);
  gate.open();
  EXPECT_EQ(slow.receive().body, "old");
  EXPECT_TRUE(eventually([&] { return old->in_flight == 0; }));
}

TEST_F(GatewayTest, AnswersRequestsThatTheClientSendsAhead) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", echo)}}});
  GatewayClient client = this->client();
  client.send(GatewayClient::request("tumour", "1") + GatewayClient::request("none", "2"));

  EXPECT_EQ(client.receive(1).body, "1");
  EXPECT_EQ(client.receive(1).status, 400);
}

TEST_F(GatewayTest, CountsWhatBecameOfInvocations) {
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [](const FakeModel::Request& request) {
              return "HTTP/1.1 " + request.body + " Status\r\nContent-Length: 0\r\n\r\n";
            })}}});
  GatewayClient client = this->client();
  for (const char* status : {"200", "200", "404", "500"}) client.invoke("tumour", status);

  const auto metrics = gateway_->metrics();

  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].endpoint, "tumour");
  EXPECT_EQ(metrics[0].variant, "AllTraffic");
  EXPECT_EQ(metrics[0].counts.invocations, 4u);
  EXPECT_EQ(metrics[0].counts.errors_4xx, 1u);
  EXPECT_EQ(metrics[0].counts.errors_5xx, 1u);
  EXPECT_EQ(metrics[0].counts.model_errors, 2u);
  EXPECT_GT(metrics[0].counts.model_latency_us, 0u);
}

// Clients that never stop, while one replica after another takes the place of the one before,
// which is ended as soon as it has no request.
TEST_F(GatewayTest, FailsNoRequestWhileReplicasAreExchanged) {
  serve(2);
  auto current = replica("r0", echo);
  publish({{"AllTraffic", 1, {current}}});
  std::atomic<bool> stop{false};
  std::atomic<int> good{0};
  std::atomic<int> bad{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      GatewayClient client(server_->port());
      while (!stop) ++(client.invoke("tumour", "x").status == 200 ? good : bad);
    });
  }

  for (int i = 1; i <= 20; ++i) {
    const int before = good;
    EXPECT_TRUE(eventually([&] { return good > before + 20; }));
    auto next = replica("r" + std::to_string(i), echo);
    publish({{"AllTraffic", 1, {next}}});
    EXPECT_TRUE(eventually([&] { return current->in_flight == 0; }));
    connector_.add(current->id, [](const FakeModel::Request&) { return std::string(); });
    current = next;
  }
  stop = true;
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(bad, 0);
  EXPECT_GT(good, 400);
}

TEST_F(GatewayTest, AnswersWhatIsUnderWayWhenTheServerStops) {
  Gate gate;
  serve();
  publish({{"AllTraffic", 1, {replica("r1", [&](const FakeModel::Request&) {
              gate.pass();
              return FakeModel::ok("late");
            })}}});
  GatewayClient client = this->client();
  client.send(GatewayClient::request("tumour", "x"));
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));

  server_->stop(milliseconds(10));
  gate.open();
  server_.reset();

  EXPECT_EQ(gateway_->metrics().size(), 1u);
}

}  // namespace
}  // namespace slipway::endpoints
