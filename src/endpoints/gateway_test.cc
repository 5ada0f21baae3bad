// What the gateway relays and what it refuses.

#include "endpoints/gateway_fixture_for_test.h"

namespace slipway::endpoints {
namespace {

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
  options_.timeout = milliseconds(60'000);  // sanitizers are slow
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

}  // namespace
}  // namespace slipway::endpoints
