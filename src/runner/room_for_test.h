#pragma once

// What the room's tests share: a forge, CI, images and the engine on a directory of their own.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"
#include "containers/directory.h"
#include "iam/iam.h"
#include "runner/runner.h"
#include "store/outbox.h"
#include "store/resources.h"

namespace slipway::runner {

inline bool wait_until(const std::function<bool()>& holds,
                       std::chrono::seconds patience = std::chrono::seconds(40)) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class RoomTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/runner-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    self_ = std::filesystem::canonical("/proc/self/exe");
    database_ = store::Database::open(directory_ / "slipway.db", {.synchronous = false});
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    spool_ = std::make_unique<store::Spool>(directory_ / "spool");
    iam_ = std::make_unique<iam::Iam>(
        *database_, clock_, iam::IamOptions{.credentials_file = directory_ / "credentials"});
    images::ImagesOptions options;
    options.directory = directory_;
    images_ = std::make_unique<images::Images>(*database_, clock_, store::system_disk(), *spool_,
                                               options);
    forge_ =
        std::make_unique<forge::Forge>(*database_, clock_, *iam_, forge::ForgeOptions{directory_});
    forge_->on_push([this](const forge::Push& push) { return ci_->pushed(push); });
    open_ci();
    forge_->start();
    root_ =
        forge_->authenticate(std::string(base::trim(store::read_file(directory_ / "gitlab-token"))))
            .value();
    forge::Project project;
    project.path = "tumour";
    project_ = forge_->create_project(project, root_.user.id);
  }

  void TearDown() override {
    forge_->stop();
    ci_->stop();
    ci_.reset();
    forge_.reset();
    images_.reset();
    iam_.reset();
    spool_.reset();
    database_.reset();
    containers::remove_tree(directory_);
  }

  void open_ci() {
    ci_.reset();
    ci::CiOptions options;
    options.directory = directory_ / "ci";
    options.url = [] { return std::string("http://127.0.0.1:4700"); };
    ci_ = std::make_unique<ci::Ci>(*database_, clock_, *forge_, *spool_, options);
    ci_->start();
  }

  // Commits these files, ".gitlab-ci.yml" among them; the pipeline that this makes.
  ci::Pipeline push(const std::vector<std::pair<std::string, std::string>>& files) {
    forge::CommitRequest request;
    request.branch = "main";
    request.message = "Change " + std::to_string(++commits_);
    for (const auto& [path, content] : files) {
      const bool is_there = commits_ > 1 && forge_->repository(project_.id).read("main", path);
      forge::FileChange change;
      change.action = is_there ? forge::FileAction::kUpdate : forge::FileAction::kCreate;
      change.path = path;
      change.content = content;
      request.changes.push_back(change);
    }
    const forge::Commit commit = forge_->commit(root_, project_.id, request);
    ci::PipelineFilter filter;
    filter.sha = commit.id;
    std::vector<ci::Pipeline> made;
    wait_until([&] {
      int total = 0;
      made = ci_->pipelines(project_.id, filter, &total);
      return !made.empty();
    });
    EXPECT_FALSE(made.empty());
    if (made.empty()) return {};
    EXPECT_TRUE(made[0].yaml_errors.empty()) << made[0].yaml_errors[0];
    return made[0];
  }

  ci::Job job(const ci::Pipeline& pipeline, const std::string& name) {
    for (ci::Job& each : ci_->jobs_of(pipeline.id)) {
      if (each.name() == name) return each;
    }
    ADD_FAILURE() << "no job " << name;
    return {};
  }
  ci::Status status_of(const ci::Pipeline& pipeline) { return ci_->pipeline(pipeline.id)->status; }
  std::string trace(const ci::Pipeline& pipeline, const std::string& name) {
    return ci_->trace(job(pipeline, name).id);
  }
  // Waits for the pipeline's end, and says what its jobs printed where it is another one.
  void expect_end(const ci::Pipeline& pipeline, ci::Status status) {
    const bool ended = wait_until([&] { return ci::is_complete(status_of(pipeline)); });
    if (ended && status_of(pipeline) == status) return;
    for (const ci::Job& each : ci_->jobs_of(pipeline.id)) {
      ADD_FAILURE() << each.name() << ": " << ci::text(each.status) << " " << each.failure_reason
                    << "\n"
                    << ci_->trace(each.id);
    }
    EXPECT_EQ(ci::text(status_of(pipeline)), ci::text(status));
  }

  base::SystemClock clock_;
  std::filesystem::path directory_;
  std::filesystem::path self_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<iam::Iam> iam_;
  std::unique_ptr<images::Images> images_;
  std::unique_ptr<forge::Forge> forge_;
  std::unique_ptr<ci::Ci> ci_;
  forge::Identity root_;
  forge::Project project_;
  int commits_ = 0;
};

}  // namespace slipway::runner
