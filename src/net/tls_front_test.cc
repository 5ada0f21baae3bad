#include "net/tls_front.h"

#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/certificates.h"
#include "net/test_client.h"

namespace slipway::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

// True as soon as `condition` is, within the tests' deadline.
template <class Condition>
bool soon(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(kTestDeadlineMilliseconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// A blocking TLS client that trusts one authority. What it waits for has the socket's deadline.
class TlsClient {
 public:
  TlsClient(std::uint16_t port, const std::filesystem::path& authority, int receive_buffer = 0) {
    // OpenSSL writes without MSG_NOSIGNAL. In this thread only: the front's shall see to itself.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_file(context_, authority.c_str());
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context_, SSL_MODE_AUTO_RETRY);
    socket_ = base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval deadline{kTestDeadlineMilliseconds / 1000, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    if (receive_buffer > 0) {
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    session_ = SSL_new(context_);
    SSL_set_fd(session_, socket_.get());
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_), "127.0.0.1");
  }
  ~TlsClient() {
    SSL_free(session_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool offer(const std::string& protocols) {
    return SSL_set_alpn_protos(session_, reinterpret_cast<const unsigned char*>(protocols.data()),
                               static_cast<unsigned>(protocols.size())) == 0;
  }
  void at_most(int version) { SSL_set_max_proto_version(session_, version); }
  bool shake_hands() {
    const bool done = SSL_connect(session_) == 1;
    ERR_clear_error();
    return done;
  }
  std::string protocol() const {
    const unsigned char* bytes = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(session_, &bytes, &size);
    return std::string(reinterpret_cast<const char*>(bytes), size);
  }
  std::string version() const { return SSL_get_version(session_); }
  bool send(std::string_view bytes) {
    std::size_t sent = 0;
    return SSL_write_ex(session_, bytes.data(), bytes.size(), &sent) == 1 && sent == bytes.size();
  }
  void finish_sending() { SSL_shutdown(session_); }
  // As a program does that just exits: no close_notify.
  void finish_sending_rudely() { ::shutdown(socket_.get(), SHUT_WR); }
  std::string receive(std::size_t most) {
    std::string bytes(most, '\0');
    std::size_t count = 0;
    if (SSL_read_ex(session_, bytes.data(), most, &count) != 1) {
      clean_end_ = SSL_get_error(session_, 0) == SSL_ERROR_ZERO_RETURN;
      ERR_clear_error();
      count = 0;
    }
    bytes.resize(count);
    return bytes;
  }
  std::string receive_all() {
    std::string all;
    for (std::string piece; !(piece = receive(65536)).empty();) all += piece;
    return all;
  }
  std::string receive_exactly(std::size_t size) {
    std::string all;
    while (all.size() < size) {
      const std::string piece = receive(size - all.size());
      if (piece.empty()) break;
      all += piece;
    }
    return all;
  }
  bool clean_end() const { return clean_end_; }

 private:
  SSL_CTX* context_ = nullptr;
  SSL* session_ = nullptr;
  base::FileDescriptor socket_;
  bool clean_end_ = false;
};

class TlsFrontTest : public ServerTest {
 protected:
  TlsFrontTest() {
    base::SystemClock clock;
    CertificateOptions certificates;
    certificates.directory = directory_ / "tls";
    files_ = prepare_certificates(certificates, clock, store::system_disk());
    front_options_.certificate = files_.server;
    front_options_.key = files_.server_key;
  }
  ~TlsFrontTest() override {
    front_.reset();
    server_.reset();
  }

  void start_both() {
    start();
    front_options_.plain_port = server_->port();
    front_ = TlsFront::start(front_options_);
  }
  std::unique_ptr<TlsClient> connect(int receive_buffer = 0) {
    return std::make_unique<TlsClient>(front_->port(), files_.ca, receive_buffer);
  }
  std::unique_ptr<TlsClient> connected(int receive_buffer = 0) {
    auto one = connect(receive_buffer);
    EXPECT_TRUE(one->shake_hands());
    return one;
  }

  CertificateFiles files_;
  TlsFrontOptions front_options_;
  std::unique_ptr<TlsFront> front_;
};

std::string closing_get(std::string_view path) { return get(path, "Connection: close\r\n"); }

TEST_F(TlsFrontTest, PassesRequestsAndAnswersOn) {
  start_both();
  auto one = connected();

  one->send(get("/a"));
  const std::string first = one->receive(65536);
  one->send(closing_get("/b"));

  EXPECT_THAT(first, HasSubstr("GET /a "));
  EXPECT_THAT(one->receive_all(), HasSubstr("GET /b "));
  EXPECT_TRUE(one->clean_end());
  EXPECT_EQ(one->version(), "TLSv1.3");
}

TEST_F(TlsFrontTest, SpeaksTls12AndNothingOlder) {
  start_both();
  auto two = connect();
  two->at_most(TLS1_2_VERSION);
  auto one = connect();
  one->at_most(TLS1_1_VERSION);

  EXPECT_TRUE(two->shake_hands());
  two->send(closing_get("/b"));
  EXPECT_THAT(two->receive_all(), HasSubstr("GET /b "));
  EXPECT_FALSE(one->shake_hands());
}

TEST_F(TlsFrontTest, ChoosesHttp11AndRefusesTheRest) {
  start_both();
  auto both = connect();
  ASSERT_TRUE(both->offer("\x02h2\x08http/1.1"));
  auto newer = connect();
  ASSERT_TRUE(newer->offer("\x02h2"));

  EXPECT_TRUE(both->shake_hands());
  EXPECT_EQ(both->protocol(), "http/1.1");
  EXPECT_FALSE(newer->shake_hands());
}

TEST_F(TlsFrontTest, IsNotTrustedWithoutItsAuthority) {
  start_both();
  CertificateOptions other;
  other.directory = directory_ / "other";
  base::SystemClock clock;
  const auto files = prepare_certificates(other, clock, store::system_disk());
  TlsClient stranger(front_->port(), files.ca);

  EXPECT_FALSE(stranger.shake_hands());
}

TEST_F(TlsFrontTest, PassesEightMebibytesEachWay) {
  handler_.on_handle = [](const Request& request) { return plain(200, request.body.text()); };
  options_.memory_body = 16u << 20;
  start_both();
  std::string body;
  for (int i = 0; body.size() < (8u << 20); ++i) body += std::to_string(i) + " ";
  auto one = connected();

  one->send(post("/", body, "Connection: close\r\n"));
  const std::string answer = one->receive_all();

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body));
}

TEST_F(TlsFrontTest, WaitsForASlowReader) {
  const std::string body(8u << 20, 'x');
  handler_.on_handle = [&](const Request&) { return plain(200, body); };
  front_options_.buffer = 4096;
  start_both();
  auto slow = connected(4096);
  slow->send(closing_get("/"));
  slow->receive(1);  // it has begun, and now nobody reads

  auto quick = connected();
  quick->send(closing_get("/"));
  const std::string others = quick->receive_all();
  const std::string rest = slow->receive_all();

  EXPECT_TRUE(others.ends_with("\r\n\r\n" + body));
  EXPECT_TRUE(rest.ends_with("\r\n\r\n" + body));
}

TEST_F(TlsFrontTest, ClosesForAClientThatNeverReads) {
  handler_.on_handle = [](const Request&) { return plain(200, std::string(32u << 20, 'x')); };
  front_options_.idle_timeout = milliseconds(200);
  start_both();
  auto one = connected(4096);
  one->send(closing_get("/"));

  EXPECT_TRUE(soon([&] { return front_->connections() == 0; }));
}

TEST_F(TlsFrontTest, LetsALongRequestTakeItsTime) {
  Signal held, go_on;
  handler_.on_handle = [&](const Request&) {
    held.give();
    go_on.wait();
    return plain(200, "at last");
  };
  front_options_.idle_timeout = milliseconds(50);
  front_options_.handshake_timeout = milliseconds(1000);
  start_both();
  auto one = connected();
  one->send(closing_get("/"));
  ASSERT_TRUE(held.wait());

  // A stranger's timeout measures the time: twenty times the other's.
  TestClient silent(front_->port());
  EXPECT_TRUE(silent.ended());
  go_on.give();

  EXPECT_THAT(one->receive_all(), HasSubstr("at last"));
}

TEST_F(TlsFrontTest, AnswersAClientThatHasEndedItsSending) {
  start_both();
  auto polite = connected();
  auto rude = connected();

  polite->send(closing_get("/polite"));
  polite->finish_sending();
  rude->send(closing_get("/rude"));
  rude->finish_sending_rudely();

  EXPECT_THAT(polite->receive_all(), HasSubstr("GET /polite "));
  EXPECT_THAT(rude->receive_all(), HasSubstr("GET /rude "));
  EXPECT_TRUE(soon([&] { return front_->connections() == 0; }));
}

TEST_F(TlsFrontTest, DeliversARefusalWhileTheClientStillSends) {
  options_.body_limit = 1000;
  start_both();
  auto one = connected();

  one->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
  one->send(std::string(2'000'000, 'x'));

  EXPECT_THAT(one->receive_all(), StartsWith("HTTP/1.1 413"));
}

TEST_F(TlsFrontTest, EndsSilentAndGarbledHandshakes) {
  front_options_.handshake_timeout = milliseconds(1500);
  start_both();
  TestClient silent(front_->port()), garbled(front_->port()), plain(front_->port());

  garbled.send(std::string(300, '\x7f'));
  plain.send(get("/"));

  garbled.receive_all();  // an alert, perhaps
  EXPECT_TRUE(silent.ended());
  const Answer answer = plain.receive();
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("https://"));
  EXPECT_TRUE(soon([&] { return front_->connections() == 0; }));
  auto one = connected();
  one->send(closing_get("/still"));
  EXPECT_THAT(one->receive_all(), HasSubstr("GET /still "));
}

TEST_F(TlsFrontTest, BoundsItsConnections) {
  front_options_.connections = 2;
  start_both();
  auto one = connected();
  auto two = connected();

  auto three = connect();
  EXPECT_FALSE(three->shake_hands());
  one->send(closing_get("/one"));
  EXPECT_THAT(one->receive_all(), HasSubstr("GET /one "));
  one.reset();
  ASSERT_TRUE(soon([&] { return front_->connections() == 1; }));

  EXPECT_TRUE(connected());
}

TEST_F(TlsFrontTest, TellsAHalfAnswerFromAWholeOne) {
  // A plain port that resets the connection within its answer.
  base::FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  front_options_.plain_port = ntohs(address.sin_port);
  front_ = TlsFront::start(front_options_);
  auto one = connected();
  base::FileDescriptor plain(::accept(listener.get(), nullptr, nullptr));

  ASSERT_EQ(::send(plain.get(), "half", 4, MSG_NOSIGNAL), 4);
  EXPECT_EQ(one->receive_exactly(4), "half");
  const linger at_once{1, 0};
  ::setsockopt(plain.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  plain.reset();

  EXPECT_EQ(one->receive_all(), "");
  EXPECT_FALSE(one->clean_end());
}

TEST_F(TlsFrontTest, ClosesWhereNobodyServes) {
  start_both();
  server_->stop(milliseconds(0));
  auto one = connected();

  EXPECT_EQ(one->receive_all(), "");
  EXPECT_TRUE(soon([&] { return front_->connections() == 0; }));
}

TEST_F(TlsFrontTest, EndsAfterTheServerWithTheLastAnswer) {
  Signal held, go_on;
  handler_.on_handle = [&](const Request&) {
    held.give();
    go_on.wait();
    return plain(200, "the last");
  };
  start_both();
  auto busy = connected();
  auto idle = connected();
  busy->send(get("/"));
  ASSERT_TRUE(held.wait());

  std::thread stopper([&] {
    server_->stop(milliseconds(kTestDeadlineMilliseconds));
    front_->stop(milliseconds(kTestDeadlineMilliseconds));
  });
  EXPECT_EQ(idle->receive_all(), "");
  go_on.give();
  EXPECT_THAT(busy->receive_all(), HasSubstr("the last"));
  busy.reset();  // the server lingers for it
  stopper.join();

  EXPECT_EQ(front_->connections(), 0u);
  EXPECT_FALSE(TestClient(front_->port()).connected());
  front_->stop(milliseconds(0));
}

TEST_F(TlsFrontTest, ClosesWhatOutlastsTheGrace) {
  start_both();
  auto idle = connected();
  TestClient handshaking(front_->port());

  front_->stop(milliseconds(20));

  EXPECT_EQ(idle->receive_all(), "");
  EXPECT_TRUE(handshaking.ended());
}

TEST_F(TlsFrontTest, NamesItsOwnOptionWhereThePortIsTaken) {
  start_both();
  front_options_.port = server_->port();

  try {
    TlsFront::start(front_options_);
    FAIL() << "the port is taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "AddressInUse");
    EXPECT_THAT(error.message(), HasSubstr("--tls-port"));
  }
  front_options_.key = files_.ca;
  EXPECT_THROW(TlsFront::start(front_options_), Error);
}

TEST_F(TlsFrontTest, ServesManyAtOnce) {
  start_both();
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        auto one = connect();
        const std::string path = "/" + std::to_string(thread) + "/" + std::to_string(i);
        if (one->shake_hands() && one->send(closing_get(path)) &&
            one->receive_all().find("GET " + path + " ") != std::string::npos) {
          ++right;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(right, 160);
}

}  // namespace
}  // namespace slipway::net
