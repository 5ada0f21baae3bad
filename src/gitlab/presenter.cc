#include "gitlab/presenter.h"

#include <fstream>

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

// Whether a repository has a branch, without asking git: lists show it for every project.
bool has_branches(const std::filesystem::path& repository) {
  std::error_code error;
  const auto heads =
      std::filesystem::recursive_directory_iterator(repository / "refs/heads", error);
  if (!error) {
    for (const auto& entry : heads) {
      if (entry.is_regular_file(error)) return true;
    }
  }
  std::ifstream packed(repository / "packed-refs");
  for (std::string line; std::getline(packed, line);) {
    if (line.find(" refs/heads/") != std::string::npos) return true;
  }
  return false;
}

Json scopes_json(const std::set<std::string>& scopes) {
  Json all = Json::array();
  for (const std::string& scope : scopes) all.push_back(scope);
  return all;
}

std::string name_of_space(const std::string& full_path) {
  return base::replace_all(full_path, "/", " / ");
}

std::string access_text(Access access) {
  switch (access) {
    case Access::kMaintainer:
      return "Maintainers";
    case Access::kDeveloper:
      return "Developers + Maintainers";
    case Access::kNone:
      return "No one";
    default:
      return "Owners";
  }
}

}  // namespace

Json time_json(const std::optional<base::Millis>& at) {
  return at ? Json(base::iso8601_millis(*at)) : Json();
}

Json date_json(const std::optional<base::Millis>& at) {
  return at ? Json(base::iso8601(*at).substr(0, 10)) : Json();
}

Presenter::Presenter(const forge::Forge& forge, ci::Ci& ci, std::string url,
                     const forge::Identity* viewer, base::Millis now)
    : forge_(forge), ci_(ci), url_(std::move(url)), viewer_(viewer), now_(now) {}

Json Presenter::user(const forge::User& user) const {
  return {{"id", user.id},           {"username", user.username},
          {"public_email", nullptr}, {"name", user.name},
          {"state", "active"},       {"locked", false},
          {"avatar_url", nullptr},   {"web_url", url_ + "/" + user.username}};
}

Json Presenter::user(forge::Id id) {
  const auto known = users_.find(id);
  if (known != users_.end()) return known->second;
  const auto found = forge_.user(id);
  return users_[id] = found ? user(*found) : Json();
}

Json Presenter::own_user(const forge::User& account) const {
  Json all = user(account);
  all.update({{"created_at", base::iso8601_millis(account.created)},
              {"bio", ""},
              {"location", nullptr},
              {"organization", nullptr},
              {"job_title", ""},
              {"bot", false},
              {"email", account.email},
              {"commit_email", account.email},
              {"confirmed_at", base::iso8601_millis(account.created)},
              {"identities", Json::array()},
              {"can_create_group", true},
              {"can_create_project", true},
              {"projects_limit", 100000},
              {"two_factor_enabled", false},
              {"external", false},
              {"private_profile", false},
              {"is_admin", account.admin},
              {"namespace_id", nullptr}});
  if (const auto own = forge_.space_at(account.username)) all["namespace_id"] = own->id;
  return all;
}

Json Presenter::member(const forge::Member& member) const {
  Json all = user(member.user);
  all.update({{"access_level", static_cast<int>(member.access)},
              {"created_at", base::iso8601_millis(member.user.created)},
              {"expires_at", nullptr},
              {"membership_state", "active"}});
  return all;
}

Json Presenter::space(const forge::Namespace& space) const {
  return {{"id", space.id},
          {"name", space.name},
          {"path", space.path},
          {"kind", space.kind},
          {"full_path", space.full_path},
          {"parent_id", space.parent ? Json(*space.parent) : Json()},
          {"avatar_url", nullptr},
          {"web_url", url_ + (space.kind == "user" ? "/" : "/groups/") + space.full_path}};
}

Json Presenter::group(const forge::Namespace& group) {
  return {{"id", group.id},
          {"name", group.name},
          {"path", group.path},
          {"full_name", name_of_space(group.full_path)},
          {"full_path", group.full_path},
          {"description", group.description},
          {"visibility", text(group.visibility)},
          {"parent_id", group.parent ? Json(*group.parent) : Json()},
          {"created_at", base::iso8601_millis(group.created)},
          {"web_url", url_ + "/groups/" + group.full_path},
          {"avatar_url", nullptr},
          {"share_with_group_lock", false},
          {"project_creation_level", "developer"},
          {"subgroup_creation_level", "maintainer"},
          {"lfs_enabled", false},
          {"request_access_enabled", false}};
}

std::string Presenter::web_url(const forge::Project& project, const std::string& rest) const {
  return url_ + "/" + project.full_path + rest;
}

Json Presenter::project(const forge::Project& project, bool simple) {
  const auto space = forge_.space(project.space);
  const std::string host = url_.substr(std::min(url_.size(), url_.find("://") + 3));
  Json all{
      {"id", project.id},
      {"description", project.description},
      {"name", project.name},
      {"name_with_namespace", name_of_space(project.namespace_path()) + " / " + project.name},
      {"path", project.path},
      {"path_with_namespace", project.full_path},
      {"created_at", base::iso8601_millis(project.created)},
      {"default_branch", project.default_branch},
      {"tag_list", Json::array()},
      {"topics", Json::array()},
      {"ssh_url_to_repo", nullptr},  // this server speaks no SSH
      {"http_url_to_repo", web_url(project, ".git")},
      {"web_url", web_url(project)},
      {"readme_url", nullptr},
      {"forks_count", 0},
      {"avatar_url", nullptr},
      {"star_count", 0},
      {"last_activity_at", base::iso8601_millis(std::max(project.created, project.last_activity))},
      {"visibility", text(project.visibility)},
      {"namespace", space ? this->space(*space) : Json()}};
  if (simple) return all;
  for (const auto& [name, value] : project.settings.items()) all[name] = value;
  all.erase("ci_job_token_allowlist");
  const auto setting = [&](const char* name, const Json& otherwise) {
    all[name] = project.settings.value(name, otherwise);
  };
  setting("ci_default_git_depth", 20);
  setting("ci_job_token_scope_enabled", false);
  setting("ci_forward_deployment_enabled", true);
  setting("public_jobs", true);
  setting("auto_cancel_pending_pipelines", "enabled");
  setting("build_git_strategy", "fetch");
  setting("shared_runners_enabled", true);
  setting("only_allow_merge_if_pipeline_succeeds", false);
  setting("keep_latest_artifact", true);
  setting("merge_method", "merge");
  Json permissions{{"project_access", nullptr}, {"group_access", nullptr}};
  const Access access = viewer_ ? forge_.access(*viewer_, project) : Access::kNone;
  if (access > Access::kNone) {
    permissions["project_access"] = {{"access_level", static_cast<int>(access)},
                                     {"notification_level", 3}};
  }
  all.update({{"_links", {{"self", url_ + "/api/v4/projects/" + std::to_string(project.id)}}},
              {"container_registry_image_prefix", host + "/" + project.full_path},
              {"container_registry_enabled", true},
              {"packages_enabled", false},
              {"empty_repo", !has_branches(forge_.repository(project.id).directory())},
              {"archived", project.archived},
              {"issues_enabled", false},
              {"merge_requests_enabled", true},
              {"wiki_enabled", false},
              {"snippets_enabled", false},
              {"jobs_enabled", true},
              {"builds_access_level", "enabled"},
              {"creator_id", project.creator},
              {"import_status", "none"},
              {"open_issues_count", 0},
              {"ci_config_path", project.ci_config_path},
              {"build_timeout", project.build_timeout.count()},
              {"lfs_enabled", false},
              {"permissions", permissions}});
  return all;
}

Json Presenter::access_token(const forge::AccessToken& token) const {
  const bool expired = token.expires && *token.expires <= now_;
  return {{"id", token.id},
          {"name", token.name},
          {"description", nullptr},
          {"revoked", token.revoked},
          {"created_at", base::iso8601_millis(token.created)},
          {"scopes", scopes_json(token.scopes)},
          {"user_id", token.user},
          {"last_used_at", time_json(token.last_used)},
          {"active", !token.revoked && !expired},
          {"expires_at", date_json(token.expires)}};
}

Json Presenter::protected_ref(const forge::ProtectedRef& ref) const {
  const auto levels = [](Access access) {
    Json level{{"access_level", static_cast<int>(access)},
               {"access_level_description", access_text(access)},
               {"user_id", nullptr},
               {"group_id", nullptr}};
    return Json::array({level});
  };
  if (ref.tag) return {{"name", ref.name}, {"create_access_levels", levels(ref.push)}};
  return {{"name", ref.name},
          {"push_access_levels", levels(ref.push)},
          {"merge_access_levels", levels(ref.merge)},
          {"allow_force_push", ref.force_push},
          {"code_owner_approval_required", false}};
}

Json Presenter::commit(const forge::Project& project, const forge::Commit& commit) const {
  return {{"id", commit.id},
          {"short_id", commit.id.substr(0, 8)},
          {"created_at", base::iso8601_millis(commit.committer.at)},
          {"parent_ids", commit.parents},
          {"title", commit.title()},
          {"message", commit.message},
          {"author_name", commit.author.name},
          {"author_email", commit.author.email},
          {"authored_date", base::iso8601_millis(commit.author.at)},
          {"committer_name", commit.committer.name},
          {"committer_email", commit.committer.email},
          {"committed_date", base::iso8601_millis(commit.committer.at)},
          {"trailers", Json::object()},
          {"extended_trailers", Json::object()},
          {"web_url", web_url(project, "/-/commit/" + commit.id)}};
}

Json Presenter::commit(const forge::Project& project, const std::string& id) {
  const auto key = std::make_pair(project.id, id);
  const auto known = commits_.find(key);
  if (known != commits_.end()) return known->second;
  const auto found = forge_.repository(project.id).commit(id);
  return commits_[key] = found ? commit(project, *found) : Json();
}

Json Presenter::commit_detail(const forge::Project& project, const forge::Commit& found) {
  Json all = commit(project, found);
  ci::PipelineFilter filter;
  filter.sha = found.id;
  filter.limit = 1;
  int total = 0;
  const auto last = ci_.pipelines(project.id, filter, &total);
  all["project_id"] = project.id;
  all["status"] = last.empty() ? Json() : Json(text(last.front().status));
  all["last_pipeline"] = last.empty() ? Json() : pipeline(last.front());
  return all;
}

Json Presenter::branch(const forge::Project& project, const forge::Ref& ref) {
  const std::string name = ref.name.substr(std::string_view("refs/heads/").size());
  return {{"name", name},
          {"commit", commit(project, ref.commit)},
          {"merged", false},
          {"protected", forge_.is_protected(project, ref.name)},
          {"developers_can_push", false},
          {"developers_can_merge", false},
          {"can_push", viewer_ != nullptr && forge_.can_push(*viewer_, project, ref.name)},
          {"default", name == project.default_branch},
          {"web_url", web_url(project, "/-/tree/" + name)}};
}

Json Presenter::tag(const forge::Project& project, const forge::Ref& ref) {
  return {{"name", ref.name.substr(std::string_view("refs/tags/").size())},
          {"message", base::trim(ref.message)},
          {"target", ref.object},
          {"commit", commit(project, ref.commit)},
          {"release", nullptr},
          {"protected", forge_.is_protected(project, ref.name)},
          {"created_at", nullptr}};
}

const forge::Project& Presenter::project_of(forge::Id id) {
  const auto known = projects_.find(id);
  if (known != projects_.end()) return known->second;
  auto found = forge_.project(id);
  return projects_[id] = found ? std::move(*found) : forge::Project{};
}

}  // namespace slipway::gitlab
