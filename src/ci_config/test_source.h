#pragma once

// A project in memory, and short ways to compile a file of it.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "ci_config/ci_config.h"

namespace slipway::ci_config {

struct FakeProjects {
  // By "path@ref"; the ref is empty for the default branch.
  std::map<std::string, std::map<std::string, std::string>> files;
  std::map<std::string, std::string> remote;
  std::map<std::string, std::string> artifacts;  // by "job:path"
  std::map<std::string, std::optional<std::vector<std::string>>> changed{{"", std::nullopt}};
};

class FakeSource final : public Source {
 public:
  explicit FakeSource(const FakeProjects& projects, std::string key = "@")
      : projects_(projects), key_(std::move(key)) {}

  std::optional<std::string> local(const std::string& path) override {
    const auto project = projects_.files.find(key_);
    if (project == projects_.files.end()) return std::nullopt;
    const auto file = project->second.find(path);
    if (file == project->second.end()) return std::nullopt;
    return file->second;
  }
  std::vector<std::string> paths() override {
    std::vector<std::string> paths;
    const auto project = projects_.files.find(key_);
    if (project == projects_.files.end()) return paths;
    for (const auto& [path, text] : project->second) paths.push_back(path);
    return paths;
  }
  std::unique_ptr<Source> project(const std::string& path, const std::string& ref) override {
    const std::string key = path + "@" + ref;
    if (!projects_.files.contains(key)) {
      throw base::Error("NotFound", "Project `" + path +
                                        "` not found or access denied! Make sure any includes in "
                                        "the pipeline configuration are correctly defined.");
    }
    return std::make_unique<FakeSource>(projects_, key);
  }
  std::optional<std::string> remote(const std::string& url) override {
    const auto found = projects_.remote.find(url);
    if (url.ends_with("404.yml")) throw base::Error("HttpStatus", "404");
    if (url.ends_with("slow.yml")) throw base::Error("ConnectionError", "Operation timed out");
    if (url.ends_with("gone.yml")) throw base::Error("ConnectionError", "Connection refused");
    return found == projects_.remote.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::vector<std::string>> changed_paths(const std::string& compare_to) override {
    const auto found = projects_.changed.find(compare_to);
    if (found == projects_.changed.end()) {
      throw base::Error("InvalidRef", "rules:changes:compare_to is not a valid ref");
    }
    return found->second;
  }
  std::optional<std::string> artifact(const std::string& job, const std::string& path) override {
    const auto found = projects_.artifacts.find(job + ":" + path);
    return found == projects_.artifacts.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  const FakeProjects& projects_;
  std::string key_;
};

inline Context on_branch(const std::string& branch, const std::string& source = "push") {
  return {.pipeline_source = source,
          .ref = branch,
          .predefined = {{.key = "CI_COMMIT_REF_NAME", .value = branch},
                         {.key = "CI_COMMIT_BRANCH", .value = branch},
                         {.key = "CI_DEFAULT_BRANCH", .value = "main"},
                         {.key = "CI_PIPELINE_SOURCE", .value = source},
                         {.key = "CI_PROJECT_PATH", .value = "group/project"},
                         {.key = "CI_PROJECT_ID", .value = "7"}}};
}

inline Context on_tag(const std::string& tag) {
  return {.ref = tag,
          .tag = true,
          .predefined = {{.key = "CI_COMMIT_REF_NAME", .value = tag},
                         {.key = "CI_COMMIT_TAG", .value = tag},
                         {.key = "CI_PIPELINE_SOURCE", .value = "push"}}};
}

inline Result compiled(const std::string& text, const FakeProjects& projects = {},
                       const Context& context = on_branch("main")) {
  FakeSource source(projects);
  return compile(text, context, source);
}

// The plan; the test fails where there are errors.
inline Plan plan_of(const std::string& text, const FakeProjects& projects = {},
                    const Context& context = on_branch("main")) {
  Result result = compiled(text, projects, context);
  EXPECT_THAT(result.errors, testing::IsEmpty()) << text;
  EXPECT_TRUE(result.plan.has_value()) << text << result.filter_reason;
  return result.plan ? std::move(*result.plan) : Plan{};
}

inline std::vector<std::string> names_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const JobSpec& job : plan.jobs) names.push_back(job.name);
  return names;
}

inline const JobSpec& job_of(const Plan& plan, const std::string& name) {
  for (const JobSpec& job : plan.jobs) {
    if (job.name == name) return job;
  }
  static const JobSpec kNone;
  ADD_FAILURE() << "no job '" << name << "'";
  return kNone;
}

}  // namespace slipway::ci_config
