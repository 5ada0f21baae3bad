#include <algorithm>

#include "base/strings.h"
#include "forge/git.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;
using forge::Ref;

constexpr const char* kHeads = "refs/heads/";
constexpr const char* kTags = "refs/tags/";

// GitLab's search: "^a" starts, "a$" ends, otherwise contains.
bool found_by(std::string_view name, std::string_view search) {
  if (search.starts_with('^')) return name.starts_with(search.substr(1));
  if (search.ends_with('$')) return name.ends_with(search.substr(0, search.size() - 1));
  return search.empty() || base::lower(name).find(base::lower(search)) != std::string::npos;
}

std::vector<Ref> refs_of(const Call& call, const forge::Project& project,
                         const std::string& prefix) {
  auto all = call.forge().repository(project.id).refs(prefix);
  const std::string search = call.parameters.text("search");
  std::erase_if(all, [&](const Ref& ref) {
    return !found_by(std::string_view(ref.name).substr(prefix.size()), search);
  });
  return all;
}

Ref one(const Call& call, const forge::Project& project, const std::string& name) {
  for (const Ref& ref : call.forge().repository(project.id).refs(name)) {
    if (ref.name == name) return ref;
  }
  not_found(name.starts_with(kTags) ? "Tag" : "Branch");
}

net::Response branches(Call& call) {
  const forge::Project project = call.project_with_code();
  Presenter present = presenter(call);
  return list(call, refs_of(call, project, kHeads),
              [&](const Ref& ref) { return present.branch(project, ref); });
}

net::Response branch(Call& call) {
  const forge::Project project = call.project_with_code();
  return json(200,
              presenter(call).branch(project, one(call, project, kHeads + call.value("name"))));
}

net::Response create_branch(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  call.parameters.require({"branch", "ref"});
  const std::string name = call.parameters.text("branch");
  const forge::Repository repository = call.forge().repository(project.id);
  const auto commit = repository.resolve(call.parameters.text("ref"));
  if (!commit)
    throw Error("Invalid", "Invalid reference name: " + call.parameters.text("ref"), 400);
  if (repository.resolve(kHeads + name)) throw Error("Invalid", "Branch already exists", 400);
  call.forge().set_ref(call.user(), project.id, kHeads + name, *commit);
  return json(201, presenter(call).branch(project, one(call, project, kHeads + name)));
}

net::Response remove_branch(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const Ref ref = one(call, project, kHeads + call.value("name"));
  if (call.value("name") == project.default_branch)
    throw Error("Invalid", "Cannot remove default branch", 400);
  call.forge().set_ref(call.user(), project.id, ref.name, forge::kNoCommit);
  return no_content();
}

net::Response tags(Call& call) {
  const forge::Project project = call.project_with_code();
  auto all = refs_of(call, project, kTags);
  std::reverse(all.begin(), all.end());
  Presenter present = presenter(call);
  return list(call, all, [&](const Ref& ref) { return present.tag(project, ref); });
}

net::Response tag(Call& call) {
  const forge::Project project = call.project_with_code();
  return json(200, presenter(call).tag(project, one(call, project, kTags + call.value("name"))));
}

// Makes the tag, which is there, an annotated one: its ref names a tag object with the message.
void annotate(const Call& call, const forge::Project& project, const std::string& commit,
              const std::string& name, const std::string& message) {
  const forge::User& user = call.user().user;
  std::string tagger = user.name + " <" + user.email + ">";
  tagger.erase(std::remove(tagger.begin(), tagger.end(), '\n'), tagger.end());
  const std::string object = "object " + commit + "\ntype commit\ntag " + name + "\ntagger " +
                             tagger + " " + std::to_string(call.services.clock.now() / 1000) +
                             " +0000\n\n" + message + "\n";
  const std::filesystem::path directory = call.forge().repository(project.id).directory();
  const std::string id = forge::git_output(
      directory, {.arguments = {"hash-object", "-t", "tag", "-w", "--stdin"}, .input = object});
  forge::move_ref(directory, kTags + name, commit, std::string(base::trim(id)));
}

net::Response create_tag(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  call.parameters.require({"tag_name", "ref"});
  const std::string name = call.parameters.text("tag_name");
  const std::string message = call.parameters.text("message");
  const forge::Repository repository = call.forge().repository(project.id);
  const auto commit = repository.resolve(call.parameters.text("ref"));
  if (!commit) throw Error("Invalid", "Target " + call.parameters.text("ref") + " is invalid", 400);
  if (repository.resolve(kTags + name))
    throw Error("Invalid", "Tag " + name + " already exists", 400);
  call.forge().set_ref(call.user(), project.id, kTags + name, *commit);
  if (!message.empty()) annotate(call, project, *commit, name, message);
  return json(201, presenter(call).tag(project, one(call, project, kTags + name)));
}

net::Response remove_tag(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const Ref ref = one(call, project, kTags + call.value("name"));
  call.forge().set_ref(call.user(), project.id, ref.name, forge::kNoCommit);
  return no_content();
}

constexpr auto kCode = Scope::kReadRepository;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/repository/branches", Who::kAnyone, kCode, branches},
    {"POST", "/projects/:id/repository/branches", Who::kUser, Scope::kApi, create_branch},
    {"GET", "/projects/:id/repository/branches/*name", Who::kAnyone, kCode, branch},
    {"DELETE", "/projects/:id/repository/branches/*name", Who::kUser, Scope::kApi, remove_branch},
    {"GET", "/projects/:id/repository/tags", Who::kAnyone, kCode, tags},
    {"POST", "/projects/:id/repository/tags", Who::kUser, Scope::kApi, create_tag},
    {"GET", "/projects/:id/repository/tags/*name", Who::kAnyone, kCode, tag},
    {"DELETE", "/projects/:id/repository/tags/*name", Who::kUser, Scope::kApi, remove_tag},
};

}  // namespace

std::vector<Route> ref_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
