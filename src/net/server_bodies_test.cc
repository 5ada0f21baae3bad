// Requests and responses with bodies of every size and kind.

#include <atomic>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/digest.h"
#include "net/server.h"
#include "net/test_client.h"

namespace slipway::net {
namespace {

// Bytes in which no part is like another.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (auto& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

std::string chunked(std::string_view body, std::size_t chunk) {
  std::string bytes;
  for (std::size_t at = 0; at < body.size(); at += chunk) {
    const auto piece = body.substr(at, chunk);
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    bytes.append(size).append(piece).append("\r\n");
  }
  return bytes + "0\r\n\r\n";
}

Response describe(const Request& request) {
  return plain(200, std::to_string(request.body.size()) + " " +
                        (request.body.in_memory() ? "memory " : "file ") + request.body.sha256());
}

std::string description(const std::string& body, const char* place) {
  return std::to_string(body.size()) + " " + place + " " + base::sha256_hex(body);
}

class ServerBodies : public ServerTest {
 protected:
  ServerBodies() {
    handler_.on_handle = &describe;
    handler_.on_admit = [this](const RequestHead&) {
      ++admitted_;
      return std::nullopt;
    };
  }
  bool spool_is_empty() const { return std::filesystem::is_empty(spool_.directory()); }

  std::atomic<int> admitted_{0};
};

TEST_F(ServerBodies, KeepsOneMebibyteInMemory) {
  start();
  auto one = client();
  const std::string body = pattern(1u << 20);

  one.send(post("/", body) + get("/next"));

  EXPECT_EQ(one.receive().body, description(body, "memory"));
  EXPECT_EQ(one.receive().body, description("", "memory"));
  EXPECT_EQ(admitted_, 0);
}

TEST_F(ServerBodies, SpoolsOneByteMoreAfterAdmission) {
  start();
  auto one = client();
  const std::string body = pattern((1u << 20) + 1);

  one.send(post("/", body) + get("/next"));

  EXPECT_EQ(one.receive().body, description(body, "file"));
  EXPECT_EQ(one.receive().body, description("", "memory"));
  EXPECT_EQ(admitted_, 1);
  EXPECT_TRUE(spool_is_empty());
}

TEST_F(ServerBodies, SpoolsFiftyMebibytes) {
  start();
  auto one = client();
  const std::string body = pattern(50u << 20);

  one.send(post("/", body));

  EXPECT_EQ(one.receive().body, description(body, "file"));
}

TEST_F(ServerBodies, TakesChunkedBodies) {
  start();
  auto one = client();
  const std::string fields = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string small = pattern(5000);
  const std::string large = pattern(3u << 20);

  one.send(fields + chunked(small, 7) + fields + chunked(large, 100'000) + get("/next"));

  EXPECT_EQ(one.receive().body, description(small, "memory"));
  EXPECT_EQ(one.receive().body, description(large, "file"));
  EXPECT_EQ(one.receive().body, description("", "memory"));
  EXPECT_EQ(admitted_, 1);
}

TEST_F(ServerBodies, RefusesBrokenChunks) {
  start();
  auto one = client();

  one.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX");

  EXPECT_EQ(one.receive().status, 400);
  EXPECT_TRUE(one.ended());
}

TEST_F(ServerBodies, RefusesWhatIsOverTheLimit) {
  options_.body_limit = 2u << 20;
  start();
  auto known = client();
  auto unknown = client();

  known.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2097153\r\n\r\n");
  unknown.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
               chunked(pattern(3u << 20), 65536));

  EXPECT_EQ(known.receive().status, 413);
  EXPECT_EQ(unknown.receive().status, 413);
  server_.reset();
  EXPECT_TRUE(spool_is_empty());
}

TEST_F(ServerBodies, InvitesABodyThatWasAdmitted) {
  start();
  auto one = client();
  const std::string head =
      "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

  for (int i = 0; i < 2; ++i) {
    one.send(head);
    ASSERT_EQ(one.receive().status, 100);
    one.send("hello");
    ASSERT_EQ(one.receive().body, description("hello", "memory"));
  }
  EXPECT_EQ(admitted_, 2);
}

TEST_F(ServerBodies, DoesNotInviteABodyThatIsThere) {
  start();
  auto one = client();

  one.send(post("/", "hello", "Expect: 100-continue\r\n"));

  EXPECT_EQ(one.receive().body, description("hello", "memory"));
}

TEST_F(ServerBodies, RefusesBeforeTheBody) {
  std::atomic<bool> handled{false};
  handler_.on_admit = [](const RequestHead& head) {
    return plain(403, "no " + std::string(head.target));
  };
  handler_.on_handle = [&](const Request&) {
    handled = true;
    return Response();
  };
  start();
  auto expecting = client();
  auto pushing = client();

  expecting.send("PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const auto refused = expecting.receive();
  pushing.send(post("/b", pattern(8u << 20)));
  const auto also_refused = pushing.receive();

  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.get("connection"), "close");
  EXPECT_TRUE(expecting.ended());
  EXPECT_EQ(also_refused.body, "no /b");
  EXPECT_FALSE(handled);
  EXPECT_TRUE(spool_is_empty());
}

TEST_F(ServerBodies, EndsABodyThatDoesNotArrive) {
  options_.idle_timeout = std::chrono::seconds(1);
  start();
  auto small = client();
  auto large = client();

  small.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
  large.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nabc");

  EXPECT_EQ(small.receive().status, 408);
  EXPECT_EQ(large.receive().status, 408);
  EXPECT_TRUE(large.ended());
}

// Sixteen clients that stop in the middle of their uploads, and one worker.
TEST_F(ServerBodies, SlowUploadsHoldNoWorker) {
  start(1);
  std::vector<TestClient> slow;
  const std::string body = pattern(2u << 20);
  const std::string request = post("/slow", body);
  for (int i = 0; i < 16; ++i) {
    slow.push_back(client());
    slow.back().send(request.substr(0, request.size() - 1));
  }
  auto quick = client();

  quick.send(get("/"));
  EXPECT_EQ(quick.receive().status, 200);
  for (auto& one : slow) one.send(request.substr(request.size() - 1));

  for (auto& one : slow) EXPECT_EQ(one.receive().body, description(body, "file"));
}

// Likewise for clients that do not read what they asked for.
TEST_F(ServerBodies, SlowReadersHoldNoWorker) {
  const std::string body = pattern(16u << 20);
  handler_.on_handle = [&](const Request& request) {
    return plain(200, request.target == "/large" ? body : "small");
  };
  start(1);
  std::vector<TestClient> slow;
  for (int i = 0; i < 4; ++i) {
    slow.emplace_back(server_->port(), 64 << 10);
    slow.back().send(get("/large"));
  }
  auto quick = client();

  quick.send(get("/"));
  EXPECT_EQ(quick.receive().body, "small");

  for (auto& one : slow) EXPECT_EQ(one.receive().body, body);
}

TEST_F(ServerBodies, SendsPartsOfFiles) {
  const std::string contents = pattern(20u << 20);
  const auto path = directory_ / "file";
  std::ofstream(path, std::ios::binary) << contents;
  auto kept = std::make_shared<Signal>();
  const std::weak_ptr<Signal> watched = kept;
  handler_.on_handle = [&, kept = std::move(kept)](const Request& request) mutable {
    Response response;
    if (request.target == "/all") response.body = FileSlice{path, 0, contents.size(), nullptr};
    if (request.target == "/part") response.body = FileSlice{path, 12'345, 1'000'000, nullptr};
    if (request.target == "/small") response.body = FileSlice{path, 7, 11, std::move(kept)};
    if (request.target == "/none") response.body = FileSlice{directory_ / "none", 0, 5, nullptr};
    if (request.target == "/empty") response.body = FileSlice{path, 0, 0, nullptr};
    return response;
  };
  start();
  auto one = client();
  const auto body_of = [&](const char* path_of_request) {
    one.send(get(path_of_request));
    return one.receive();
  };

  EXPECT_TRUE(body_of("/all").body == contents);
  EXPECT_TRUE(body_of("/part").body == contents.substr(12'345, 1'000'000));
  EXPECT_EQ(body_of("/small").body, contents.substr(7, 11));
  EXPECT_EQ(body_of("/empty").headers.get("content-length"), "0");
  EXPECT_EQ(body_of("/none").status, 500);
  EXPECT_TRUE(watched.expired());
}

TEST_F(ServerBodies, EndsTheConnectionWhereAFileIsShorterThanPromised) {
  const auto path = directory_ / "file";
  std::ofstream(path, std::ios::binary) << pattern(200'000);
  handler_.on_handle = [&](const Request&) {
    Response response;
    response.body = FileSlice{path, 0, 300'000, nullptr};
    return response;
  };
  start();
  auto one = client();

  one.send(get("/"));

  EXPECT_EQ(one.receive().status, 0);
}

TEST_F(ServerBodies, SendsStreamsChunked) {
  const std::string piece = pattern(100'000);
  handler_.on_handle = [&](const Request&) {
    Response response;
    response.body = Stream([&piece, left = 40]() mutable -> std::optional<std::string> {
      if (left-- == 0) return std::nullopt;
      return left % 2 == 0 ? piece : std::string();
    });
    return response;
  };
  start();
  auto one = client();

  for (int i = 0; i < 2; ++i) {
    one.send(get("/"));
    const auto answer = one.receive();
    EXPECT_EQ(answer.headers.get("transfer-encoding"), "chunked");
    EXPECT_FALSE(answer.headers.has("content-length"));
    EXPECT_EQ(answer.body.size(), 20 * piece.size());
  }
}

TEST_F(ServerBodies, ForgetsAClientThatLeavesInTheMiddle) {
  start();
  {
    auto one = client();
    one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + pattern(1'500'000));
  }
  server_->stop(std::chrono::seconds(10));

  EXPECT_TRUE(spool_is_empty());
}

}  // namespace
}  // namespace slipway::net
