#pragma once

// For the tests of this room: the API over a real forge and a real CI, in a directory of its own.

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"
#include "ci/ci.h"
#include "forge/forge.h"
#include "gitlab/gitlab.h"
#include "iam/iam.h"
#include "store/files.h"
#include "store/outbox.h"

namespace slipway::gitlab {

struct Answer {
  int status = 0;
  net::Headers headers;
  Json body;         // null where it is no JSON
  std::string text;  // as it was sent
};

class GitlabTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/gitlab-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    std::filesystem::create_directories(directory_);
    database_ = store::Database::open(directory_ / "slipway.db", {.synchronous = false});
    store::migrate_outbox(*database_);
    iam_ = std::make_unique<iam::Iam>(
        *database_, clock_, iam::IamOptions{.credentials_file = directory_ / "credentials"});
    spool_ = std::make_unique<store::Spool>(directory_ / "spool");
    forge_ =
        std::make_unique<forge::Forge>(*database_, clock_, *iam_, forge::ForgeOptions{directory_});
    ci::CiOptions options;
    options.directory = directory_ / "ci";
    options.url = [] { return std::string("http://gitlab.test"); };
    ci_ = std::make_unique<ci::Ci>(*database_, clock_, *forge_, *spool_, options);
    forge_->on_push([this](const forge::Push& push) { return ci_->pushed(push); });
    events_ = std::make_unique<store::EventPump>(*database_);
    GitlabOptions own;
    own.url = options.url;
    own.spool = spool_.get();
    gitlab_ = std::make_unique<Gitlab>(*forge_, *ci_, *database_, clock_, *events_, own);
    token_ = std::string(base::trim(store::read_file(directory_ / "gitlab-token")));
  }
  void TearDown() override {
    events_->stop();
    gitlab_.reset();
    ci_.reset();
    forge_.reset();
    events_.reset();
    iam_.reset();
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  net::Request request_of(const std::string& method, const std::string& target,
                          const Json& body = nullptr) const {
    net::Request request;
    request.method = method;
    request.target = target;
    if (!body.is_null()) {
      request.headers.set("Content-Type", "application/json");
      request.body = net::Body(base::dump_json(body));
    }
    return request;
  }

  static std::string text_of(net::Response& response) {
    if (auto* text = std::get_if<std::string>(&response.body)) return *text;
    if (auto* slice = std::get_if<net::FileSlice>(&response.body))
      return store::read_file(slice->path).substr(slice->offset, slice->length);
    std::string all;
    auto& stream = std::get<net::Stream>(response.body);
    while (auto piece = stream()) all += *piece;
    return all;
  }

  Answer send(net::Request request) {
    net::Response response = gitlab_->handle(std::move(request));
    Answer answer;
    answer.status = response.status;
    answer.headers = response.headers;
    answer.text = text_of(response);
    answer.body = base::try_parse_json(answer.text).value_or(Json());
    return answer;
  }
  // As root, below /api/v4.
  Answer call(const std::string& method, const std::string& target, const Json& body = nullptr) {
    return call_with(token_, method, target, body);
  }
  Answer call_with(const std::string& token, const std::string& method, const std::string& target,
                   const Json& body = nullptr) {
    net::Request request = request_of(method, "/api/v4" + target, body);
    if (!token.empty()) request.headers.set("PRIVATE-TOKEN", token);
    return send(std::move(request));
  }

  // A project of root's with these files on main.
  forge::Id make_project(const std::string& path,
                         const std::map<std::string, std::string>& files = {}) {
    const Answer made = call("POST", "/projects", {{"name", path}});
    EXPECT_EQ(made.status, 201) << made.text;
    const forge::Id id = made.body.value("id", 0);
    if (files.empty()) return id;
    Json actions = Json::array();
    for (const auto& [name, content] : files)
      actions.push_back({{"action", "create"}, {"file_path", name}, {"content", content}});
    const Answer pushed =
        call("POST", "/projects/" + std::to_string(id) + "/repository/commits",
             {{"branch", "main"}, {"commit_message", "Begin"}, {"actions", actions}});
    EXPECT_EQ(pushed.status, 201) << pushed.text;
    return id;
  }
  // A new user and its token.
  std::pair<forge::Id, std::string> make_user(const std::string& name,
                                              std::set<std::string> scopes = {"api"}) {
    forge::User user;
    user.username = user.name = name;
    user.email = name + "@example.com";
    const forge::Id id = forge_->create_user(user).id;
    forge::AccessToken token;
    token.name = "test";
    token.user = id;
    token.scopes = std::move(scopes);
    return {id, forge_->create_token(token).second};
  }

  std::filesystem::path directory_;
  base::SystemClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<iam::Iam> iam_;
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<forge::Forge> forge_;
  std::unique_ptr<ci::Ci> ci_;
  std::unique_ptr<store::EventPump> events_;
  std::unique_ptr<Gitlab> gitlab_;
  std::string token_;
};

}  // namespace slipway::gitlab
