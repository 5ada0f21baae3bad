// The client, the server and the registry together, over a socket.

#include "images/registry_client.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "iam/iam.h"
#include "images/build.h"
#include "images/test_room.h"
#include "net/server.h"

namespace slipway::images {
namespace {

class OnlyRegistry final : public net::Handler {
 public:
  explicit OnlyRegistry(Registry& registry) : registry_(registry) {}
  std::optional<net::Response> admit(const net::RequestHead& head) override {
    return registry_.admit(head);
  }
  net::Response handle(net::Request request) override { return registry_.handle(request); }

 private:
  Registry& registry_;
};

class NoSteps final : public StepRunner {
 public:
  int run(const UnpackedImage&, const std::vector<std::string>&,
          const std::map<std::string, std::string>&,
          const std::vector<std::pair<std::filesystem::path, std::string>>&,
          std::function<void(std::string_view)>) override {
    return 127;
  }
};

class OverASocket : public testing::Test {
 protected:
  OverASocket()
      : iam_(*room_.database, room_.clock,
             iam::IamOptions{.credentials_file = room_.directory.path() / "credentials"}),
        key_(iam_.create_access_key("root")),
        registry_(*room_.images, iam_),
        handler_(registry_),
        pool_({.name = "test", .threads = 4, .queue = 64}) {
    net::ServerOptions options;
    options.port = 0;
    options.loops = 1;
    server_ = net::Server::start(options, handler_, pool_, *room_.spool, nullptr);
    url_ = "http://127.0.0.1:" + std::to_string(server_->port());
  }
  ~OverASocket() override { server_->stop(std::chrono::milliseconds(1000)); }

  RegistryClient client() { return RegistryClient(http_, url_, key_.id, key_.secret); }

  TestRoom room_;
  iam::Iam iam_;
  iam::AccessKey key_;
  Registry registry_;
  OnlyRegistry handler_;
  base::ThreadPool pool_;
  std::unique_ptr<net::Server> server_;
  net::Client http_;
  std::string url_;
};

TEST_F(OverASocket, MovesABlobLargerThanMemory) {
  RegistryClient registry = client();
  const std::string bytes(5u << 20, 'x');
  const std::string digest = digest_of(bytes);
  write_text(room_.directory.path() / "blob", bytes);

  EXPECT_FALSE(registry.has_blob("health/tumour", digest));
  registry.push_blob("health/tumour", digest, room_.directory.path() / "blob");
  EXPECT_TRUE(registry.has_blob("health/tumour", digest));
  registry.pull_blob("health/tumour", digest, room_.directory.path() / "pulled");

  EXPECT_EQ(digest_of(read_text(room_.directory.path() / "pulled")), digest);
}

TEST_F(OverASocket, RefusesStrangersBeforeTheirBlob) {
  RegistryClient stranger(http_, url_, "AWS", "wrong");
  write_text(room_.directory.path() / "blob", "x");

  EXPECT_THROW(stranger.push_blob("health/tumour", digest_of("x"), room_.directory.path() / "blob"),
               Error);
}

TEST_F(OverASocket, PushesABuiltImageAndBuildsUponIt) {
  RegistryClient registry = client();
  NoSteps steps;
  BuildPlan plan;
  plan.source = room_.directory.path() / "source";
  write_text(plan.source / "serve.py", "1");
  plan.entrypoint = {"/opt/program/serve.py"};
  plan.environment["MODEL"] = "tumour";
  const auto cache = room_.directory.path() / "cache";
  const BuiltImage first = build(plan, cache, nullptr, steps, [](std::string_view) {});
  push(first, registry, "health/base", "1.0");
  EXPECT_EQ(registry.manifest_digest("health/base", "1.0"), first.digest);

  plan.base = "health/base:1.0";
  plan.entrypoint.clear();
  write_text(plan.source / "serve.py", "2");
  const BuiltImage second = build(plan, room_.directory.path() / "other-cache", &registry, steps,
                                  [](std::string_view) {});
  push(second, registry, "health/tumour", "2.0");

  const UnpackedImage unpacked = room_.images->unpack(iam_.account(), second.digest);
  ASSERT_EQ(unpacked.layers.size(), 2u);
  EXPECT_TRUE(unpacked.host_base);
  EXPECT_EQ(read_text(unpacked.layers[0] / "opt/program/serve.py"), "1");
  EXPECT_EQ(read_text(unpacked.layers[1] / "opt/program/serve.py"), "2");
  EXPECT_EQ(unpacked.config.entrypoint, std::vector<std::string>{"/opt/program/serve.py"});
  EXPECT_EQ(unpacked.config.environment, std::vector<std::string>{"MODEL=tumour"});
  EXPECT_EQ(registry.tags("health/tumour"), std::vector<std::string>{"2.0"});
  EXPECT_EQ(registry.image_config("health/tumour", "2.0")["rootfs"]["diff_ids"].size(), 2u);
  EXPECT_TRUE(registry.tags("health/nothing").empty());
  EXPECT_THROW(registry.manifest_digest("health/tumour", "3.0"), Error);
}

}  // namespace
}  // namespace slipway::images
