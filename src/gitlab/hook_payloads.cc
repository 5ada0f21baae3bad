#include "gitlab/hook_payloads.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "forge/git.h"
#include "gitlab/hook_parts.h"
#include "gitlab/presenter.h"

namespace slipway::gitlab {
namespace {

constexpr int kMostCommits = 20;
constexpr int kMostCounted = 1000;
constexpr std::size_t kMostPaths = 1000;  // of one commit; a payload has a bound

// What the push brought, the newest first.
std::vector<forge::Commit> commits_of(const forge::Repository& repository,
                                      const forge::Push& push) {
  if (push.after == forge::kNoCommit) return {};
  if (push.before == forge::kNoCommit) {
    auto last = repository.commit(push.after);
    return last ? std::vector<forge::Commit>{*last} : std::vector<forge::Commit>{};
  }
  const auto common = repository.merge_base(push.before, push.after);
  std::set<std::string> known;
  for (const forge::Commit& commit : repository.history(push.before, "", 0, kMostCounted))
    known.insert(commit.id);
  std::vector<forge::Commit> all;
  for (forge::Commit& commit : repository.history(push.after, "", 0, kMostCounted)) {
    if (common && commit.id == *common) break;
    if (!known.contains(commit.id)) all.push_back(std::move(commit));
  }
  return all;
}

// The commit's "added", "modified" and "removed": receivers look there for what concerns them.
Json paths_of(const forge::Repository& repository, const std::string& commit) {
  Json paths{{"added", Json::array()}, {"modified", Json::array()}, {"removed", Json::array()}};
  const std::string output =
      forge::git_output(repository.directory(),
                        {.arguments = {"diff-tree", "--no-commit-id", "--root", "-r", "-z", "-m",
                                       "--first-parent", "--no-renames", "--name-status", commit}});
  // "A" NUL path NUL …
  const auto words = base::split(output, '\0');
  const std::size_t end = std::min(words.size(), 2 * kMostPaths);
  for (std::size_t at = 0; at + 1 < end; at += 2) {
    const std::string& status = words[at];
    paths[status == "A"   ? "added"
          : status == "D" ? "removed"
                          : "modified"]
        .push_back(words[at + 1]);
  }
  return paths;
}

Json sha_or_null(const std::string& sha) { return sha == forge::kNoCommit ? Json() : Json(sha); }

Json seconds(const std::optional<base::Millis>& from, const std::optional<base::Millis>& to) {
  if (!from || !to) return nullptr;
  return static_cast<double>(*to - *from) / 1000.0;
}

// Of pipelines: clients in Go take no others.
Json whole_seconds(const std::optional<base::Millis>& from, const std::optional<base::Millis>& to) {
  if (!from || !to) return nullptr;
  return (*to - *from) / 1000;
}

Json runner_json(ci::Ci& ci, const ci::Job& job) {
  const auto runner = job.runner ? ci.queue().runner(*job.runner) : std::nullopt;
  if (!runner) return nullptr;
  return {{"id", runner->id},
          {"description", runner->description},
          {"runner_type", runner->type},
          {"active", !runner->paused},
          {"is_shared", runner->type == "instance_type"},
          {"tags", runner->tags}};
}

Json build_json(const forge::Forge& forge, ci::Ci& ci, const ci::Job& job) {
  const auto archive =
      std::find_if(job.artifacts.begin(), job.artifacts.end(),
                   [](const ci::Artifact& each) { return each.type == "archive"; });
  Json file{{"filename", nullptr}, {"size", nullptr}};
  if (archive != job.artifacts.end())
    file = {{"filename", archive->filename}, {"size", archive->size}};
  return {{"id", job.id},
          {"stage", job.stage()},
          {"name", job.name()},
          {"status", text(job.status)},
          {"created_at", time_json(job.created)},
          {"started_at", time_json(job.started)},
          {"finished_at", time_json(job.finished)},
          {"duration", seconds(job.started, job.finished)},
          {"queued_duration", seconds(job.queued, job.started)},
          {"failure_reason", job.failure_reason.empty() ? Json() : Json(job.failure_reason)},
          {"when", ci_config::text(job.spec.when)},
          {"manual", job.spec.when == ci_config::When::kManual},
          {"allow_failure", job.spec.allow_failure},
          {"user", user_json(forge.user(job.user))},
          {"runner", runner_json(ci, job)},
          {"artifacts_file", file},
          {"environment", job.spec.environment}};
}

}  // namespace

Json push_payload(const forge::Forge& forge, const std::string& url, const forge::Project& project,
                  const forge::Push& push) {
  const bool tag = push.ref.starts_with("refs/tags/");
  const std::string kind = tag ? "tag_push" : "push";
  const std::string address = url + "/" + project.full_path;
  const auto user = forge.user(push.user);
  const forge::Repository repository = forge.repository(project.id);
  const auto brought = commits_of(repository, push);
  Json commits = Json::array();
  const auto shown = std::min<std::size_t>(brought.size(), kMostCommits);
  for (std::size_t i = shown; i-- > 0;) {
    commits.push_back(commit_json(brought[i], address));
    commits.back().update(paths_of(repository, brought[i].id));
  }
  return {{"object_kind", kind},
          {"event_name", kind},
          {"before", push.before},
          {"after", push.after},
          {"ref", push.ref},
          {"ref_protected", forge.is_protected(project, push.ref)},
          {"checkout_sha", sha_or_null(push.after)},
          {"message", nullptr},
          {"user_id", push.user},
          {"user_name", user ? user->name : ""},
          {"user_username", user ? user->username : ""},
          {"user_email", user ? user->email : ""},
          {"user_avatar", nullptr},
          {"project_id", project.id},
          {"project", project_json(project, url)},
          {"commits", commits},
          {"total_commits_count", brought.size()},
          {"push_options", push.options},
          {"repository",
           {{"name", project.name},
            {"url", address + ".git"},
            {"description", project.description},
            {"homepage", address},
            {"git_http_url", address + ".git"}}}};
}

Json pipeline_payload(const forge::Forge& forge, ci::Ci& ci, const std::string& url,
                      const forge::Project& project, const ci::Pipeline& pipeline) {
  const std::string address = url + "/" + project.full_path;
  Json variables = Json::array();
  for (const ci::Variable& each : pipeline.variables)
    variables.push_back(
        {{"key", each.key}, {"value", each.masked ? std::string("[MASKED]") : each.value}});
  Json builds = Json::array();
  for (const ci::Job& job : ci.jobs_of(pipeline.id)) {
    if (!job.is_bridge()) builds.push_back(build_json(forge, ci, job));
  }
  const Json status = detailed_status(pipeline.status, "");
  const auto commit = forge.repository(project.id).commit(pipeline.sha);
  return {{"object_kind", "pipeline"},
          {"object_attributes",
           {{"id", pipeline.id},
            {"iid", pipeline.iid},
            {"name", pipeline.name.empty() ? Json() : Json(pipeline.name)},
            {"ref", pipeline.ref},
            {"tag", pipeline.tag},
            {"sha", pipeline.sha},
            {"before_sha", pipeline.before_sha.empty() ? forge::kNoCommit : pipeline.before_sha},
            {"source", pipeline.source},
            {"status", text(pipeline.status)},
            {"detailed_status", status["label"]},
            {"stages", pipeline.stages},
            {"created_at", time_json(pipeline.created)},
            {"finished_at", time_json(pipeline.finished)},
            {"duration", whole_seconds(pipeline.started, pipeline.finished)},
            {"queued_duration", whole_seconds(pipeline.created, pipeline.started)},
            {"variables", variables},
            {"url", address + "/-/pipelines/" + std::to_string(pipeline.id)}}},
          {"merge_request", nullptr},
          {"user", user_json(forge.user(pipeline.user))},
          {"project", project_json(project, url)},
          {"commit", commit ? commit_json(*commit, address) : Json()},
          {"builds", builds}};
}

Json job_payload(const forge::Forge& forge, ci::Ci& ci, const std::string& url,
                 const forge::Project& project, const ci::Job& job) {
  const std::string address = url + "/" + project.full_path;
  const auto pipeline = ci.pipeline(job.pipeline);
  const std::string sha = pipeline ? pipeline->sha : "";
  const auto commit = pipeline ? forge.repository(project.id).commit(sha) : std::nullopt;
  Json about{{"id", job.pipeline}, {"sha", sha}};
  if (pipeline) {
    about["name"] = pipeline->name.empty() ? Json() : Json(pipeline->name);
    about["status"] = text(pipeline->status);
    about["started_at"] = time_json(pipeline->started);
    about["finished_at"] = time_json(pipeline->finished);
  }
  if (commit) {
    about["message"] = commit->message;
    about["author_name"] = commit->author.name;
    about["author_email"] = commit->author.email;
    about["author_url"] = nullptr;
  }
  return {
      {"object_kind", "build"},
      {"ref", pipeline ? pipeline->ref : ""},
      {"tag", pipeline && pipeline->tag},
      {"before_sha",
       pipeline && !pipeline->before_sha.empty() ? pipeline->before_sha : forge::kNoCommit},
      {"sha", sha},
      {"retries_count", job.attempt - 1},
      {"build_id", job.id},
      {"build_name", job.name()},
      {"build_stage", job.stage()},
      {"build_status", text(job.status)},
      {"build_created_at", time_json(job.created)},
      {"build_started_at", time_json(job.started)},
      {"build_finished_at", time_json(job.finished)},
      {"build_duration", seconds(job.started, job.finished)},
      {"build_queued_duration", seconds(job.queued, job.started)},
      {"build_allow_failure", job.spec.allow_failure},
      {"build_failure_reason", job.failure_reason.empty() ? "unknown_failure" : job.failure_reason},
      {"pipeline_id", job.pipeline},
      {"project_id", project.id},
      {"project_name", project.full_path},
      {"user", user_json(forge.user(job.user))},
      {"commit", about},
      {"repository",
       {{"name", project.name},
        {"url", address + ".git"},
        {"description", project.description},
        {"homepage", address},
        {"git_http_url", address + ".git"}}},
      {"runner", runner_json(ci, job)},
      {"environment", job.spec.environment},
      {"project", project_json(project, url)}};
}

}  // namespace slipway::gitlab
