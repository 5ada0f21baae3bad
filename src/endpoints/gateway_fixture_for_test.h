#pragma once

// What the tests of the gateway share: a real server with the gateway on its loops, and models
// that behave as a test asks.

#include <condition_variable>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/json.h"
#include "endpoints/fake_model_for_test.h"
#include "endpoints/gateway.h"
#include "net/server.h"

namespace slipway::endpoints {

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

// Holds model threads until it is opened, and outlives those that pass it.
class Gate {
 public:
  Gate() = default;
  ~Gate() {
    std::unique_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return inside_ == 0; });
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    ++inside_;
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
    --inside_;
    changed_.notify_all();
  }
  // How many have come, since the beginning.
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
  int inside_ = 0;
};

}  // namespace slipway::endpoints
