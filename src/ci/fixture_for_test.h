#pragma once

// For the tests of this room: CI over a real forge, with a project and a runner, in a directory of
// its own.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "ci/ci.h"
#include "forge/forge.h"
#include "iam/iam.h"
#include "store/files.h"
#include "store/outbox.h"

namespace slipway::ci {

class CiTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ci-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    data_ = directory_ / "data";
    std::filesystem::create_directories(data_);
    open();
    root_ = forge_->user(1).value();
    project_ = make_project("tumour");
    runner_ = ci_->queue().add_runner({.description = "test"}).first.id;
  }
  void TearDown() override {
    close();
    std::filesystem::remove_all(directory_);
  }

  void close() {
    ci_.reset();
    forge_.reset();
    iam_.reset();
    database_.reset();
  }
  // As a new process on the same data.
  void open() {
    database_ = store::Database::open(data_ / "slipway.db", {.synchronous = false});
    store::migrate_outbox(*database_);
    iam_ = std::make_unique<iam::Iam>(*database_, clock_,
                                      iam::IamOptions{.credentials_file = data_ / "credentials"});
    spool_ = std::make_unique<store::Spool>(data_ / "spool");
    forge_ = std::make_unique<forge::Forge>(*database_, clock_, *iam_, forge::ForgeOptions{data_});
    options_.directory = data_ / "ci";
    options_.url = [] { return std::string("http://ci.test:4700"); };
    ci_ = std::make_unique<Ci>(*database_, clock_, *forge_, *spool_, options_);
    forge_->on_push([this](const forge::Push& push) { return lines_ = ci_->pushed(push); });
    forge_->job_tokens_by([this](std::string_view token) { return ci_->identity_of(token); });
  }

  forge::Project make_project(const std::string& path) {
    forge::Project project;
    project.path = project.name = path;
    return forge_->create_project(project, 1);
  }
  forge::Identity identity() const {
    forge::Identity identity;
    identity.user = root_;
    identity.scopes = {"api"};
    return identity;
  }
  // One commit on main (or another branch) with these files; runs what a push runs.
  forge::Commit push(const forge::Project& project, const std::map<std::string, std::string>& files,
                     const std::string& message = "change", const std::string& branch = "main") {
    forge::CommitRequest request;
    request.branch = branch;
    request.message = message;
    const auto repository = forge_->repository(project.id);
    const auto head = repository.resolve("refs/heads/" + branch);
    if (!head && repository.resolve("refs/heads/main")) request.start = "main";
    const std::string base = head ? *head : repository.resolve("refs/heads/main").value_or("");
    for (const auto& [path, content] : files) {
      const bool there = !base.empty() && repository.read(base, path).has_value();
      request.changes.push_back(
          {.action = there ? forge::FileAction::kUpdate : forge::FileAction::kCreate,
           .path = path,
           .content = content});
    }
    return forge_->commit(identity(), project.id, request);
  }
  Pipeline push_config(const std::string& yaml) {
    push(project_, {{".gitlab-ci.yml", yaml + "# " + base::random_hex(8) + "\n"}});
    return latest();
  }
  Pipeline latest() const { return ci_->latest_pipeline(project_.id, "main").value(); }
  Pipeline again(const Pipeline& pipeline) const { return ci_->pipeline(pipeline.id).value(); }
  Job job(const Pipeline& pipeline, const std::string& name) const {
    for (const Job& each : ci_->jobs_of(pipeline.id)) {
      if (each.spec.name == name) return each;
    }
    ADD_FAILURE() << "no job " << name;
    return {};
  }
  std::string status(const Pipeline& pipeline, const std::string& name) const {
    return std::string(text(job(pipeline, name).status));
  }
  std::string status(const Pipeline& pipeline) const {
    return std::string(text(again(pipeline).status));
  }

  Queue& queue() { return ci_->queue(); }
  std::optional<Assignment> take() { return queue().take(runner_, {}, {}); }
  void finish(Id job, const std::string& state = "success", std::optional<int> code = {}) {
    JobUpdate update;
    update.state = state;
    update.exit_code = code;
    ASSERT_EQ(queue().update(job, update), UpdateOutcome::kDone);
  }
  // Takes the next job, which must be this one, and ends it.
  Assignment run(const std::string& name, const std::string& state = "success",
                 std::optional<int> code = {}) {
    auto assignment = take();
    EXPECT_TRUE(assignment) << "nothing to run instead of " << name;
    if (!assignment) return {};
    EXPECT_EQ(assignment->job.spec.name, name);
    finish(assignment->job.id, state, code);
    return *assignment;
  }
  std::filesystem::path file(const std::string& content) {
    const auto path = data_ / "spool" / base::random_hex(12);
    store::write_atomically(store::system_disk(), path, content);
    return path;
  }
  void add_dotenv(Id job, const std::string& content) {
    Artifact artifact;
    artifact.type = "dotenv";
    artifact.format = "raw";
    queue().add_artifact(job, artifact, file(content));
  }

  // Waits for what another thread brings about.
  static bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      never.wait_for(lock, std::chrono::milliseconds(5));
    }
    return true;
  }
  std::vector<std::string> events() const {
    std::vector<std::string> types;
    database_->read([&](store::Reader& reader) {
      for (const store::Event& event : store::events_after(reader, 0, 1000)) {
        if (event.type.starts_with("Pipeline.") || event.type.starts_with("Job.")) {
          types.push_back(event.type + " " + base::text_or(event.detail, "status"));
        }
      }
    });
    return types;
  }
  static std::string value(const Assignment& assignment, const std::string& key) {
    return ci_config::value_of(assignment.variables, key, "(none)");
  }

  std::filesystem::path directory_, data_;
  base::FakeClock clock_;
  CiOptions options_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<iam::Iam> iam_;
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<forge::Forge> forge_;
  std::unique_ptr<Ci> ci_;
  forge::User root_;
  forge::Project project_;
  Id runner_ = 0;
  std::vector<std::string> lines_;  // of the last push
};

}  // namespace slipway::ci
