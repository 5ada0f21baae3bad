#pragma once

// For the tests of this room: a forge on a directory of its own, and git as its client.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"
#include "base/subprocess.h"
#include "base/thread_pool.h"
#include "forge/forge.h"
#include "iam/iam.h"
#include "net/server.h"
#include "store/files.h"
#include "store/outbox.h"

namespace slipway::forge {

class ForgeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/forge-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    data_ = directory_ / "data";
    std::filesystem::create_directories(data_);
    database_ = store::Database::open(data_ / "slipway.db", {.synchronous = false});
    store::migrate_outbox(*database_);
    iam_ = std::make_unique<iam::Iam>(*database_, clock_,
                                      iam::IamOptions{.credentials_file = data_ / "credentials"});
    open();
  }
  void TearDown() override {
    forge_.reset();
    iam_.reset();
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  // A new process on the same data, as far as the forge can tell.
  void open() {
    forge_.reset();
    forge_ = std::make_unique<Forge>(*database_, clock_, *iam_, ForgeOptions{data_});
    forge_->on_push([this](const Push& push) {
      const std::lock_guard lock(mutex_);
      pushes_.push_back(push);
      if (fails_) throw Error("InternalError", "the handler fails", 500);
      return std::vector<std::string>{"told of " + push.ref};
    });
    root_ = forge_->authenticate(token()).value();
  }
  std::string token() const {
    return std::string(base::trim(store::read_file(data_ / "gitlab-token")));
  }
  std::string token_of(Id user, std::set<std::string> scopes = {"api"}) {
    return forge_->create_token({.name = "test", .user = user, .scopes = std::move(scopes)}).second;
  }
  std::vector<Push> pushes() {
    const std::lock_guard lock(mutex_);
    return pushes_;
  }
  std::vector<store::Event> events() {
    return database_->read(
        [](store::Reader& reader) { return store::events_after(reader, 0, 1000); });
  }
  std::int64_t untold() {
    std::int64_t count = 0;
    database_->read([&](store::Reader& reader) {
      reader.query("select count(*) from forge_pushes", {},
                   [&](const store::Row& row) { count = row.integer(0); });
    });
    return count;
  }
  Project make_project(const std::string& path) {
    Project project;
    project.path = path;
    return forge_->create_project(project, root_.user.id);
  }
  Commit commit_file(Id project, const std::string& path, const std::string& content,
                     const std::string& branch = "main") {
    return forge_->commit(root_, project,
                          {.branch = branch,
                           .message = "Add " + path,
                           .changes = {{.path = path, .content = content}}});
  }

  std::filesystem::path directory_;
  std::filesystem::path data_;
  base::SystemClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<iam::Iam> iam_;
  std::unique_ptr<Forge> forge_;
  Identity root_;
  std::mutex mutex_;
  std::vector<Push> pushes_;  // guarded by mutex_
  bool fails_ = false;        // guarded by mutex_
};

// What git sent, as far as a test wants to know.
class Recorder final : public net::Handler {
 public:
  explicit Recorder(net::Handler& next) : next_(next) {}
  std::optional<net::Response> admit(const net::RequestHead& head) override {
    ++admitted;
    return next_.admit(head);
  }
  net::Response handle(net::Request request) override {
    if (request.headers.has("content-encoding")) ++gzipped;
    if (request.headers.has("transfer-encoding")) ++chunked;
    if (!request.body.in_memory()) ++spooled;
    if (request.headers.get("git-protocol") == "version=2") ++version_two;
    return next_.handle(std::move(request));
  }
  std::atomic<int> admitted = 0, gzipped = 0, chunked = 0, spooled = 0, version_two = 0;

 private:
  net::Handler& next_;
};

class GitHttpTest : public ForgeTest {
 protected:
  void SetUp() override {
    ForgeTest::SetUp();
    forge_->start();
    spool_ = std::make_unique<store::Spool>(data_ / "spool");
    workers_ = std::make_unique<base::ThreadPool>(
        base::ThreadPoolOptions{.name = "test", .threads = 4, .queue = 64});
    git_http_ = std::make_unique<GitHttp>(*forge_);
    recorder_ = std::make_unique<Recorder>(*git_http_);
    net::ServerOptions options;
    options.port = 0;
    server_ = net::Server::start(options, *recorder_, *workers_, *spool_, nullptr);
    work_ = directory_ / "work";
  }
  void TearDown() override {
    server_.reset();
    workers_.reset();
    ForgeTest::TearDown();
  }

  std::string host() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  std::string url(const std::string& project, const std::string& password) const {
    return "http://oauth2:" + password + "@" + host() + "/" + project + ".git";
  }
  std::string url(const std::string& project) const { return url(project, token()); }

  // A stock client: nothing of the machine's configuration, no questions.
  base::CommandResult git(std::vector<std::string> arguments,
                          const std::filesystem::path& directory) {
    arguments.insert(arguments.begin(), "git");
    return base::run({.arguments = std::move(arguments),
                      .directory = directory,
                      .environment = {{"HOME", directory_.string()},
                                      {"GIT_CONFIG_NOSYSTEM", "1"},
                                      {"GIT_TERMINAL_PROMPT", "0"},
                                      {"GIT_AUTHOR_NAME", "A"},
                                      {"GIT_AUTHOR_EMAIL", "a@localhost"},
                                      {"GIT_COMMITTER_NAME", "C"},
                                      {"GIT_COMMITTER_EMAIL", "c@localhost"},
                                      {"LC_ALL", "C"}}});
  }
  base::CommandResult git(std::vector<std::string> arguments) {
    return git(std::move(arguments), work_);
  }
  void must(const base::CommandResult& result) { ASSERT_TRUE(result.ok()) << result.error; }

  // A repository with one commit on main and a remote.
  void make_work(const std::string& remote) {
    must(git({"init", "-q", "-b", "main", work_.string()}, directory_));
    commit("README", "hello\n");
    must(git({"remote", "add", "origin", remote}));
  }
  void commit(const std::string& path, const std::string& content) {
    std::ofstream(work_ / path, std::ios::binary) << content;
    must(git({"add", "-A"}));
    must(git({"commit", "-q", "-m", "Change " + path}));
  }

  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<base::ThreadPool> workers_;
  std::unique_ptr<GitHttp> git_http_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<net::Server> server_;
  std::filesystem::path work_;
};

}  // namespace slipway::forge
