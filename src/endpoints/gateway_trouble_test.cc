// Replicas and clients that go away, queues that fill, routes that change under requests.

#include "endpoints/gateway_fixture_for_test.h"

namespace slipway::endpoints {
namespace {

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
