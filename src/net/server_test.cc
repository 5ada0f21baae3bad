#include "net/server.h"

#include <atomic>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "net/test_client.h"

namespace slipway::net {
namespace {

using testing::HasSubstr;

TEST_F(ServerTest, AnswersSeveralRequestsOnOneConnection) {
  start();
  auto one = client();

  for (const char* path : {"/a", "/b?c", "/d%2f"}) {
    one.send(get(path));
    const auto answer = one.receive();
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "GET " + std::string(path) + " ");
    EXPECT_TRUE(answer.headers.has("Date"));
    EXPECT_FALSE(answer.headers.has("Connection"));
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  auto one = client();
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += post("/" + std::to_string(i), std::to_string(i));

  one.send(requests);

  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_EQ(one.receive().body, "POST /" + number + " " + number);
  }
}

TEST_F(ServerTest, TellsTheHandlerWhoAsks) {
  handler_.on_handle = [](Request request) {
    return plain(200, request.remote + "|" + std::string(request.headers.get("x-a")));
  };
  start();
  auto one = client();

  one.send(get("/", "X-A: b c\r\n"));

  const auto answer = one.receive();
  EXPECT_THAT(answer.body, HasSubstr("127.0.0.1:"));
  EXPECT_THAT(answer.body, HasSubstr("|b c"));
}

TEST_F(ServerTest, ClosesWhereTheClientWantsItClosed) {
  start();
  auto one = client();

  one.send(get("/", "Connection: close\r\n"));

  EXPECT_EQ(one.receive().headers.get("connection"), "close");
  EXPECT_TRUE(one.ended());
}

TEST_F(ServerTest, AnswersAClientThatHasFinishedSending) {
  start();
  auto one = client();

  one.send(get("/a") + get("/b"));
  one.finish_sending();

  EXPECT_EQ(one.receive().body, "GET /a ");
  EXPECT_EQ(one.receive().body, "GET /b ");
  EXPECT_TRUE(one.ended());
}

TEST_F(ServerTest, ServesOldClientsUntilTheEndOfTheConnection) {
  handler_.on_handle = [](const Request& request) {
    Response response;
    if (request.target == "/stream") {
      response.body = Stream([left = 3]() mutable -> std::optional<std::string> {
        if (left-- == 0) return std::nullopt;
        return "x";
      });
    }
    return response;
  };
  start();
  auto one = client();
  auto two = client();

  one.send("GET /stream HTTP/1.0\r\n\r\n");
  const auto streamed = one.receive();
  two.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

  EXPECT_EQ(streamed.body, "xxx");
  EXPECT_FALSE(streamed.headers.has("transfer-encoding"));
  EXPECT_EQ(two.receive().headers.get("connection"), "keep-alive");
}

TEST_F(ServerTest, SendsNoBodyWhereNoneBelongs) {
  handler_.on_handle = [](const Request& request) {
    Response response = plain(request.target == "/204" ? 204 : 200, "body");
    if (request.target == "/known") response.content_length = 12345;
    return response;
  };
  start();
  auto one = client();

  one.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(one.receive(true).headers.get("content-length"), "4");
  one.send("HEAD /known HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(one.receive(true).headers.get("content-length"), "12345");
  one.send(get("/204"));
  const auto none = one.receive();
  EXPECT_EQ(none.status, 204);
  EXPECT_FALSE(none.headers.has("content-length"));
  one.send(get("/"));
  EXPECT_EQ(one.receive().body, "body");
}

TEST_F(ServerTest, AnswersWith500WhereTheHandlerThrows) {
  handler_.on_handle = [](const Request&) -> Response { throw Error("Any", "secret detail"); };
  start();
  auto one = client();

  one.send(get("/"));

  const auto answer = one.receive();
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

TEST_F(ServerTest, RefusesABrokenRequestAndCloses) {
  start();
  auto one = client();

  one.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nGET /x "
      "HTTP/1.1\r\n\r\n");

  const auto answer = one.receive();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.headers.get("connection"), "close");
  EXPECT_EQ(answer.body, "The message has two Content-Length fields.\n");
  EXPECT_TRUE(one.ended());
}

TEST_F(ServerTest, EndsAHeadThatDoesNotArrive) {
  options_.head_timeout = std::chrono::seconds(1);
  start();
  auto slow = client();
  auto silent = client();

  slow.send("GET / HTTP/1.1\r\nHost:");

  EXPECT_EQ(slow.receive().status, 408);
  EXPECT_TRUE(slow.ended());
  EXPECT_TRUE(silent.ended());
}

TEST_F(ServerTest, EndsIdleConnections) {
  options_.idle_timeout = std::chrono::seconds(1);
  start();
  auto one = client();

  one.send(get("/"));

  EXPECT_EQ(one.receive().status, 200);
  EXPECT_TRUE(one.ended());
}

TEST_F(ServerTest, ClosesOneConnectionTooMany) {
  options_.connections = 2;
  start();
  auto one = client();
  auto two = client();
  one.send(get("/"));
  two.send(get("/"));
  ASSERT_EQ(one.receive().status, 200);
  ASSERT_EQ(two.receive().status, 200);

  auto three = client();
  three.send(get("/"));
  EXPECT_EQ(three.receive().status, 0);

  one.send(get("/"));
  EXPECT_EQ(one.receive().status, 200);
}

TEST_F(ServerTest, AnswersWith503WhereTheWorkersAreFull) {
  Signal entered;
  Signal leave;
  handler_.on_handle = [&](const Request&) {
    entered.give();
    leave.wait();
    return plain(200, "");
  };
  start(1, 1);
  auto running = client();
  running.send(get("/"));
  ASSERT_TRUE(entered.wait());
  // One waits, one is too many; which of the two is not known.
  auto second = client();
  auto third = client();
  second.send(get("/"));
  while (pool_->waiting() == 0) std::this_thread::yield();
  third.send(get("/"));

  const auto refused = third.receive();
  leave.give();

  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.get("retry-after"), "1");
  EXPECT_EQ(running.receive().status, 200);
  EXPECT_EQ(second.receive().status, 200);
}

TEST_F(ServerTest, StopsAfterTheRequestsThatHaveStarted) {
  Signal entered;
  Signal leave;
  handler_.on_handle = [&](const Request&) {
    entered.give();
    leave.wait();
    return plain(200, "done");
  };
  start();
  auto busy = client();
  auto idle = client();
  busy.send(get("/"));
  ASSERT_TRUE(entered.wait());

  std::thread stopper([&] { server_->stop(std::chrono::seconds(20)); });
  EXPECT_TRUE(idle.ended());
  leave.give();
  const auto answer = busy.receive();
  stopper.join();

  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.headers.get("connection"), "close");
  EXPECT_FALSE(client().connected());
}

TEST_F(ServerTest, StopsWhenTheGraceIsOver) {
  start();
  auto stuck = client();
  stuck.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nabc");
  auto half = client();
  half.send("GET / HT");

  server_->stop(std::chrono::milliseconds(50));

  EXPECT_EQ(stuck.receive().status, 0);
  EXPECT_EQ(half.receive().status, 0);
}

TEST_F(ServerTest, NamesTheNextStepWhereThePortIsTaken) {
  start();
  options_.port = server_->port();

  try {
    Server::start(options_, handler_, *pool_, spool_, nullptr);
    FAIL() << "a port was shared";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "AddressInUse");
    EXPECT_EQ(error.message(), "Address 127.0.0.1:" + std::to_string(options_.port) +
                                   " is already in use: another slipway or program listens there; "
                                   "stop it or choose another with --port.");
  }
}

TEST_F(ServerTest, RefusesAnAddressThatIsNone) {
  options_.address = "somewhere";

  EXPECT_THROW(start(), Error);
}

}  // namespace
}  // namespace slipway::net
