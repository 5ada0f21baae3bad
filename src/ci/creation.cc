#include "ci/creation.h"

#include <algorithm>
#include <regex>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "ci/masker.h"
#include "ci/merge_request.h"
#include "ci/predefined.h"
#include "ci/resources.h"
#include "ci/source.h"

namespace slipway::ci {
namespace {

bool asks_to_skip(const std::string& message) {
  static const std::regex form(R"(\[(ci[ _-]skip|skip[ _-]ci)\])", std::regex::icase);
  return std::regex_search(message, form);
}

std::string path_of_configuration(const forge::Project& project) {
  return project.ci_config_path.empty() ? ".gitlab-ci.yml" : project.ci_config_path;
}

std::string iid_name(Id project) { return "pipeline/" + std::to_string(project); }

// Whether a job of the configuration, or its being there, may depend on the number. What the
// workflow has filtered out has none, as in GitLab.
bool asks_for_iid(const ci_config::Result& result) {
  const bool may_run =
      result.plan || (result.filtered && result.filter_reason.starts_with("The resulting"));
  return may_run && result.merged_yaml.find("CI_PIPELINE_IID") != std::string::npos;
}

// What is told of includes has their variables expanded.
void hide_secrets(ci_config::Result& result, const Variables& outer) {
  std::vector<std::string> secrets;
  for (const Variable& each : outer) {
    if (each.masked) secrets.push_back(each.value);
  }
  const auto hide = [&](std::string& text) {
    if (!shows_secret(text, secrets)) return;
    Masker masker(secrets);
    std::string shown = masker.feed(text);
    shown += masker.flush();
    text = std::move(shown);
  };
  for (std::string& each : result.errors) hide(each);
  for (std::string& each : result.warnings) hide(each);
  for (ci_config::Where& each : result.error_places) hide(each.file);
  for (Json& include : result.includes) {
    for (Json& each : include) {
      if (each.is_string()) hide(each.get_ref<std::string&>());
    }
  }
}

std::string keeper(Id pipeline) { return "refs/pipelines/" + std::to_string(pipeline); }

}  // namespace

struct Creation::Draft {
  const Making& making;
  const forge::User& user;
  forge::Project project;
  forge::Repository repository;
  Pipeline pipeline;
  ci_config::Result result;
  std::string configuration_path;
};

void Creation::find_commit(Draft& draft) const {
  const NewPipeline& request = draft.making.request;
  Pipeline& pipeline = draft.pipeline;
  std::string ref = request.ref;
  bool only_tag = false;
  bool only_branch = false;
  for (const auto& [prefix, flag] :
       {std::pair{"refs/heads/", &only_branch}, std::pair{"refs/tags/", &only_tag}}) {
    if (ref.starts_with(prefix)) {
      ref = ref.substr(std::string_view(prefix).size());
      *flag = true;
    }
  }
  std::optional<std::string> sha;
  if (!only_tag) sha = draft.repository.resolve("refs/heads/" + ref);
  if (!sha && !only_branch) {
    sha = draft.repository.resolve("refs/tags/" + ref);
    pipeline.tag = sha.has_value();
  }
  // A child runs on its parent's commit, and a merge request's pipeline on the one that was pushed,
  // wherever the branch is now.
  if (!sha && (request.parent || is_merge_request_ref(ref)) && !request.sha.empty()) {
    pipeline.tag = only_tag;
    sha = request.sha;
  }
  if (ref.empty() || !sha) refuse("Reference not found");
  pipeline.ref = ref;
  pipeline.sha = request.sha.empty() ? *sha : request.sha;
  const auto commit = draft.repository.commit(pipeline.sha);
  if (!commit) refuse("Commit not found");
  pipeline.before_sha = request.before_sha.empty() ? forge::kNoCommit : request.before_sha;
  std::string tag_message;
  if (pipeline.tag) {
    for (const forge::Ref& each : draft.repository.refs("refs/tags/" + ref)) {
      if (each.name == "refs/tags/" + ref) tag_message = each.message;
    }
  }
  pipeline.context = {
      {"path", draft.project.full_path},
      {"protected", workshop_.forge.is_protected(draft.project, full_ref(ref, pipeline.tag))},
      {"timeout", draft.project.build_timeout.count()},
      {"commit",
       {{"message", commit->message},
        {"author", commit->author.name + " <" + commit->author.email + ">"},
        {"timestamp", base::iso8601(commit->author.at)},
        {"tag_message", tag_message}}}};
  note_merge_requests(draft);
}

void Creation::note_merge_requests(Draft& draft) const {
  Pipeline& pipeline = draft.pipeline;
  const Json& facts = draft.making.request.merge_request;
  if (facts.is_object()) pipeline.context["merge_request"] = facts;
  if (pipeline.tag) return;
  OpenMergeRequests open;
  {
    const std::lock_guard lock(mutex_);
    open = open_merge_requests_;
  }
  const std::string found = open ? open(pipeline.project, source_ref(pipeline)) : "";
  if (!found.empty()) pipeline.context["open_merge_requests"] = found;
}

void Creation::open_merge_requests_by(OpenMergeRequests find) {
  const std::lock_guard lock(mutex_);
  open_merge_requests_ = std::move(find);
}

void Creation::check_rights(const Draft& draft) const {
  if (draft.making.authorized) return;
  const forge::Identity identity = identity_of_user(draft.user);
  if (workshop_.forge.access(identity, draft.project) < forge::Access::kDeveloper) {
    refuse("Insufficient permissions to create a new pipeline");
  }
  if (!may_use_ref(draft)) {
    refuse("You do not have sufficient permission to run a pipeline on '" + draft.pipeline.ref +
           "'. Please select a different branch or contact your administrator for assistance.");
  }
}

bool Creation::may_use_ref(const Draft& draft) const {
  const std::string ref = full_ref(draft.pipeline.ref, draft.pipeline.tag);
  return !base::boolean_or(draft.pipeline.context, "protected", false) ||
         workshop_.forge.can_push(identity_of_user(draft.user), draft.project, ref);
}

void Creation::compile(Draft& draft) const {
  const NewPipeline& request = draft.making.request;
  std::optional<std::string> text = request.configuration;
  if (!text) text = draft.repository.read(draft.pipeline.sha, draft.configuration_path);
  if (!text) refuse("Missing CI config file");
  compile_text(draft, *text, false);
  // The number within the project is known to rules, and is spent only where they ask for it.
  if (draft.pipeline.iid == 0 && asks_for_iid(draft.result)) {
    draft.pipeline.iid = workshop_.database.write([&](store::Transaction& transaction) {
      return next_number(transaction, iid_name(draft.project.id));
    });
    compile_text(draft, *text, false);
  }
  if (draft.result.filtered) refuse(draft.result.filter_reason);
  if (!draft.result.plan) {
    draft.pipeline.yaml_errors = draft.result.errors;
    for (const ci_config::Where& where : draft.result.error_places) {
      // A child's own configuration is in no file.
      const bool in_file = !request.configuration || where.file != draft.configuration_path;
      draft.pipeline.yaml_error_places.push_back(
          where.line > 0 && in_file ? where.file + ":" + std::to_string(where.line) : "");
    }
    if (draft.pipeline.yaml_errors.empty()) draft.pipeline.yaml_errors = {"Invalid configuration"};
    return;
  }
  ci_config::Plan& plan = *draft.result.plan;
  Variables known = variables_.predefined(draft.project, draft.pipeline, draft.user);
  known.insert(known.end(), plan.variables.begin(), plan.variables.end());
  const Variables outer = variables_.outer(draft.project, draft.pipeline);
  known.insert(known.end(), outer.begin(), outer.end());
  draft.pipeline.name = ci_config::expand(plan.name, ci_config::expand_all(known), false);
  draft.pipeline.stages = plan.stages;
  draft.pipeline.context["auto_cancel"] = plan.auto_cancel;
  draft.pipeline.context["on_job_failure"] = plan.on_job_failure;
  draft.pipeline.context["cancels_older"] =
      base::text_or(draft.project.settings, "auto_cancel_pending_pipelines") != "disabled";
}

void Creation::compile_text(Draft& draft, const std::string& text, bool every_job) const {
  ci_config::Context context;
  context.file = draft.configuration_path;
  context.pipeline_source = draft.pipeline.source;
  context.ref = draft.pipeline.ref;
  context.tag = draft.pipeline.tag;
  context.predefined = variables_.predefined(draft.project, draft.pipeline, draft.user);
  context.outer = variables_.outer(draft.project, draft.pipeline);
  context.every_job = every_job;
  // What a merge request changes is all that it brings, and not its last push alone.
  const std::string before =
      base::text_or(merge_request_of(draft.pipeline), "base_sha", draft.pipeline.before_sha);
  ForgeSource source(workshop_.forge, identity_of_user(draft.user), draft.project,
                     draft.pipeline.sha, before);
  source.artifacts_by(draft.making.read_artifact);
  draft.result = ci_config::compile(text, context, source);
  hide_secrets(draft.result, context.outer);
}

std::vector<JobRow> Creation::rows_of_plan(const Draft& draft) const {
  std::vector<JobRow> rows;
  if (!draft.result.plan) return rows;
  const Variables around = variables_.predefined(draft.project, draft.pipeline, draft.user);
  const Variables outer = variables_.outer(draft.project, draft.pipeline);
  for (const ci_config::JobSpec& spec : draft.result.plan->jobs) {
    JobRow row;
    row.job.project = draft.project.id;
    row.job.user = draft.user.id;
    row.job.spec = spec;
    row.job.created = draft.pipeline.created;
    const bool has_variable =
        std::any_of(spec.tags.begin(), spec.tags.end(),
                    [](const std::string& tag) { return tag.find('$') != std::string::npos; });
    if (has_variable || !spec.resource_group.empty()) {
      Variables known = around;
      const Variables own = job_variables(row.job);
      known.insert(known.end(), own.begin(), own.end());
      known.insert(known.end(), spec.variables.begin(), spec.variables.end());
      known.insert(known.end(), outer.begin(), outer.end());
      known = ci_config::expand_all(known);
      for (std::string& tag : row.job.spec.tags) tag = ci_config::expand(tag, known);
      if (!spec.resource_group.empty()) {
        row.resource = resource_of(draft.project.id, ci_config::expand(spec.resource_group, known));
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Pipeline Creation::create(const forge::User& user, const Making& making) const {
  const NewPipeline& request = making.request;
  if (!request.once.empty()) {
    const auto made = workshop_.database.read(
        [&](store::Reader& reader) { return pipeline_made_once(reader, request.once); });
    if (made) return *made;
  }
  auto project = workshop_.forge.project(request.project);
  if (!project) throw Error("NotFound", "404 Project Not Found", 404);
  Draft draft{.making = making,
              .user = user,
              .project = *project,
              .repository = workshop_.forge.repository(request.project),
              .pipeline = {},
              .result = {},
              .configuration_path = path_of_configuration(*project)};
  Pipeline& pipeline = draft.pipeline;
  pipeline.project = request.project;
  pipeline.user = user.id;
  pipeline.source = request.source;
  pipeline.variables = request.variables;
  pipeline.schedule = request.schedule;
  pipeline.upstream_job = request.upstream_job;
  pipeline.parent = request.parent;
  pipeline.created = pipeline.updated = workshop_.clock.now();
  find_commit(draft);
  check_rights(draft);
  const Json& commit = base::object_or_empty(pipeline.context, "commit");
  const bool skip =
      making.may_skip && (making.skip || asks_to_skip(base::text_or(commit, "message")));
  if (skip) {
    if (!draft.repository.read(pipeline.sha, draft.configuration_path)) {
      refuse("Missing CI config file");
    }
    pipeline.status = Status::kSkipped;
  } else {
    compile(draft);
    if (!pipeline.yaml_errors.empty()) pipeline.status = Status::kFailed;
  }
  const Pipeline stored = store(draft);
  if (is_complete(stored.status)) return stored;
  try {
    prepare(stored.id);
  } catch (const std::exception& error) {
    // The worker tries again: what the person asked for is recorded.
    log(Level::kWarning, "pipeline could not be prepared at once",
        {{"pipeline", stored.id}, {"reason", error.what()}});
    workshop_.wakes.work();
  }
  return workshop_.database.read(
      [&](store::Reader& reader) { return find_pipeline(reader, stored.id).value_or(stored); });
}

Pipeline Creation::store(Draft& draft) const {
  std::vector<JobRow> rows = rows_of_plan(draft);
  const NewPipeline& request = draft.making.request;
  return workshop_.change([&](Machine& machine, store::Transaction& transaction) {
    if (auto made = pipeline_made_once(transaction, request.once)) return *made;
    if (count(transaction,
              "ci_pipelines where status not in ('success', 'failed', 'canceled', 'skipped')",
              {}) >= static_cast<std::int64_t>(workshop_.options.unfinished_pipelines)) {
      throw Error("TooManyRequests", "Too many pipelines are unfinished", 429);
    }
    Pipeline& pipeline = draft.pipeline;
    const bool complete = is_complete(pipeline.status);
    pipeline.id = next_number(transaction, "pipeline");
    if (pipeline.iid == 0) pipeline.iid = next_number(transaction, iid_name(pipeline.project));
    if (complete) pipeline.finished = pipeline.created;
    insert(transaction, pipeline, request.once, complete);
    for (JobRow& row : rows) {
      row.job.pipeline = pipeline.id;
      row.job.id = next_number(transaction, "job");
      if (!row.resource.empty()) note_resource_group(transaction, row.resource, pipeline.created);
      insert(transaction, row);
    }
    if (!complete) {
      insert(transaction, Task{.key = "prepare:" + std::to_string(pipeline.id),
                               .kind = "prepare",
                               .document = {{"pipeline", pipeline.id}}});
    }
    machine.tell_created(pipeline);
    if (complete) machine.tell_finished(pipeline);
    if (pipeline.upstream_job) machine.link(*pipeline.upstream_job, pipeline);
    return pipeline;
  });
}

void Creation::prepare(Id id) const {
  const auto pipeline =
      workshop_.database.read([&](store::Reader& reader) { return find_pipeline(reader, id); });
  if (!pipeline) return;
  workshop_.forge.repository(pipeline->project).keep(keeper(id), pipeline->sha);
  workshop_.change([&](Machine& machine) { machine.begin(id); });
}

ci_config::Result Creation::lint(const forge::User& user, Id project_id, const std::string& content,
                                 const std::string& ref, bool dry_run) const {
  const auto project = workshop_.forge.project(project_id);
  if (!project) throw Error("NotFound", "404 Project Not Found", 404);
  Making making;
  making.request.ref = ref.empty() ? project->default_branch : ref;
  Draft draft{.making = making,
              .user = user,
              .project = *project,
              .repository = workshop_.forge.repository(project_id),
              .pipeline = {},
              .result = {},
              .configuration_path = path_of_configuration(*project)};
  draft.pipeline.project = project_id;
  draft.pipeline.source = "push";
  draft.pipeline.created = workshop_.clock.now();
  draft.pipeline.ref = making.request.ref;
  draft.pipeline.before_sha = forge::kNoCommit;
  try {
    // A project without a commit has no files to include, and can be linted all the same.
    if (dry_run || draft.repository.resolve(making.request.ref)) find_commit(draft);
    if (dry_run) check_rights(draft);
  } catch (const Error& error) {
    if (error.code() != "Invalid") throw;
    draft.result.errors = {error.message()};
    return draft.result;
  }
  // What includes and rules make of the variables tells their values.
  if (!may_use_ref(draft)) draft.pipeline.context["protected"] = false;
  if (dry_run) {
    draft.pipeline.iid = 1 + workshop_.database.read([&](store::Reader& reader) {
      return last_number(reader, iid_name(project_id));
    });
  }
  compile_text(draft, content, !dry_run);
  if (dry_run && draft.result.filtered) draft.result.errors = {draft.result.filter_reason};
  return draft.result;
}

}  // namespace slipway::ci
