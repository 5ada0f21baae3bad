#include "net/client.h"

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "net/test_client.h"
#include "store/files.h"

namespace slipway::net {
namespace {

using testing::HasSubstr;

class ClientTest : public ServerTest {
 protected:
  ClientRequest request(const std::string& method, const std::string& target) {
    ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + target;
    return request;
  }
  Client client_;
};

TEST_F(ClientTest, SendsPathsAndHeadersAsTheyAre) {
  handler_.on_handle = [](const Request& request) {
    std::string text = request.method + " " + request.target;
    for (const auto& [name, value] : request.headers) text += "|" + name + "=" + value;
    return plain(404, text);
  };
  start();
  auto one = request("DELETE", "/a/../b//%7e?x=%20");
  one.headers.add("X-B", "1");
  one.headers.add("X-A", "");

  const auto response = client_.send(one);

  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "DELETE /a/../b//%7e?x=%20|Host=127.0.0.1:" +
                               std::to_string(server_->port()) + "|X-B=1|X-A=");
  EXPECT_EQ(response.headers.get("content-type"), "text/plain");
}

TEST_F(ClientTest, SendsAndReceivesFiles) {
  const std::string contents(3u << 20, 'z');
  std::ofstream(directory_ / "up", std::ios::binary) << contents;
  handler_.on_handle = [](const Request& request) {
    return plain(200, std::string(request.headers.get("content-length")) + " " +
                          std::to_string(request.headers.has("expect")) + request.body.text());
  };
  start();
  auto one = request("PUT", "/");
  one.body_file = directory_ / "up";
  one.response_file = directory_ / "down";

  const auto response = client_.send(one);

  EXPECT_EQ(response.body, "");
  EXPECT_TRUE(store::read_file(directory_ / "down") == "3145728 0" + contents);
}

TEST_F(ClientTest, SendsBodiesOfEveryMethod) {
  start();
  for (const char* method : {"POST", "PUT", "PATCH", "GET"}) {
    auto one = request(method, "/x");
    one.body = "body";
    EXPECT_EQ(client_.send(one).body, std::string(method) + " /x body");
  }
  EXPECT_EQ(client_.send(request("POST", "/x")).body, "POST /x ");
  EXPECT_EQ(client_.send(request("HEAD", "/x")).headers.get("content-length"), "8");
}

TEST_F(ClientTest, DoesNotFollowRedirects) {
  handler_.on_handle = [](const Request&) {
    Response response = plain(302, "");
    response.headers.add("Location", "/elsewhere");
    return response;
  };
  start();

  const auto response = client_.send(request("GET", "/"));

  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.headers.get("location"), "/elsewhere");
}

TEST_F(ClientTest, KeepsItsConnection) {
  handler_.on_handle = [](const Request& request) { return plain(200, request.remote); };
  start();

  const auto first = client_.send(request("GET", "/")).body;

  EXPECT_EQ(client_.send(request("GET", "/")).body, first);
}

TEST_F(ClientTest, ServesSeveralThreads) {
  start();
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        const std::string path = "/" + std::to_string(thread) + "/" + std::to_string(i);
        if (client_.send(request("GET", path)).body == "GET " + path + " ") ++right;
      }
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(right, 80);
}

TEST_F(ClientTest, NamesTheAddressThatDoesNotAnswer) {
  start();
  const auto one = request("GET", "/path?secret");
  server_->stop(std::chrono::milliseconds(0));

  try {
    client_.send(one);
    FAIL() << "nobody was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ConnectionError");
    EXPECT_THAT(error.message(), HasSubstr("No answer from http://127.0.0.1:"));
    EXPECT_EQ(error.message().find("secret"), std::string::npos);
  }
}

TEST_F(ClientTest, BoundsAnAnswerInMemory) {
  handler_.on_handle = [](const Request&) { return plain(200, std::string(1000, 'x')); };
  start();
  auto one = request("GET", "/");
  one.response_limit = 999;

  EXPECT_THROW(client_.send(one), Error);
}

}  // namespace
}  // namespace slipway::net
