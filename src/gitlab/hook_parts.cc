#include "gitlab/hook_parts.h"

namespace slipway::gitlab {

Json project_json(const forge::Project& project, const std::string& url) {
  const std::string address = url + "/" + project.full_path;
  const int level = project.visibility == forge::Visibility::kPrivate    ? 0
                    : project.visibility == forge::Visibility::kInternal ? 10
                                                                         : 20;
  return {{"id", project.id},
          {"name", project.name},
          {"description", project.description},
          {"web_url", address},
          {"avatar_url", nullptr},
          {"git_ssh_url", nullptr},
          {"git_http_url", address + ".git"},
          {"namespace", project.namespace_path()},
          {"visibility_level", level},
          {"path_with_namespace", project.full_path},
          {"default_branch", project.default_branch},
          {"ci_config_path", project.ci_config_path}};
}

Json user_json(const std::optional<forge::User>& user) {
  if (!user) return nullptr;
  return {{"id", user->id},
          {"name", user->name},
          {"username", user->username},
          {"avatar_url", nullptr},
          {"email", "[REDACTED]"}};
}

Json commit_json(const forge::Commit& commit, const std::string& address) {
  return {{"id", commit.id},
          {"message", commit.message},
          {"title", commit.title()},
          {"timestamp", base::iso8601(commit.author.at)},
          {"url", address + "/-/commit/" + commit.id},
          {"author", {{"name", commit.author.name}, {"email", commit.author.email}}}};
}

}  // namespace slipway::gitlab
