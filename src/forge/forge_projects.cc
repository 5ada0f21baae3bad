// The forge's projects and their protected branches and tags.

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/strings.h"
#include "forge/decide.h"
#include "forge/forge.h"
#include "forge/git.h"
#include "forge/limits.h"
#include "forge/refuse.h"
#include "forge/state.h"
#include "forge/store.h"
#include "store/files.h"

namespace slipway::forge {
namespace {

namespace fs = std::filesystem;

// "My Model!" becomes "my-model".
std::string path_from(const std::string& name) {
  std::string path;
  for (const char c : base::lower(name)) {
    const bool keeps = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (keeps) {
      path += c;
    } else if (!path.empty() && path.back() != '-') {
      path += '-';
    }
  }
  while (path.ends_with("-")) path.pop_back();
  return path;
}

void check(const Project& project) {
  if (const auto problem = path_problem(project.path)) refuse("path", *problem);
  if (project.name.size() > 255) refuse("name", "is too long (maximum is 255 characters)");
  if (project.description.size() > kLongestText) {
    refuse("description", "is too long (maximum is 2000 characters)");
  }
  if (!is_ref_name("refs/heads/" + project.default_branch)) {
    refuse("default_branch", "is not a valid branch name");
  }
  if (!project.ci_config_path.empty() && project.ci_config_path.size() > 255) {
    refuse("ci_config_path", "is too long (maximum is 255 characters)");
  }
  if (project.build_timeout < std::chrono::minutes(10) ||
      project.build_timeout > std::chrono::hours(24 * 30)) {
    refuse("build_timeout", "needs to be between 10 minutes and 1 month");
  }
  if (!project.settings.is_object()) base::throw_internal("a project's settings are an object");
}

// Sets the full path by the namespace's.
void place(Reader& reader, Project& project) {
  const auto space = find_space(reader, project.space);
  if (!space) refuse("namespace", "is not valid");
  project.full_path = space->full_path + "/" + project.path;
}

}  // namespace

void ForgeState::discard_repository(Id project) const {
  const fs::path repository = repository_of(project);
  fs::path removed = repository;
  removed += ".removed";
  std::error_code failed;
  fs::rename(repository, removed, failed);
  // What cannot be removed now is removed at the next start.
  if (!failed) fs::remove_all(removed, failed);
}

Project Forge::create_project(Project project, Id creator) {
  if (project.path.empty()) project.path = path_from(project.name);
  if (project.name.empty()) project.name = project.path;
  if (project.default_branch.empty()) project.default_branch = "main";
  check(project);
  project.creator = creator;
  project.created = project.last_activity = state_->clock.now();
  const auto owner = user(creator);
  if (!owner) throw_not_found("User");
  const auto take_place = [&](Transaction& transaction) {
    if (project.space == 0) {
      const auto own = space_of_user(transaction, creator);
      if (own) project.space = own->id;
    }
    place(transaction, project);
    if (path_taken(transaction, project.full_path)) {
      throw Error("Invalid", "Path has already been taken", 400,
                  {{"name", {"has already been taken"}}, {"path", {"has already been taken"}}});
    }
  };
  // The repository first, under an id that nobody else gets: a project always has one.
  state_->database.write([&](Transaction& transaction) {
    take_place(transaction);
    project.id = next_id(transaction, "projects");
  });
  make_repository(state_->repository_of(project.id), project.default_branch);
  try {
    const bool maintains = state_->role(*owner, project) >= Access::kMaintainer;
    state_->database.write([&](Transaction& transaction) {
      take_place(transaction);
      insert_project(transaction, project);
      store_protected_ref(transaction, project.id, {.name = project.default_branch});
      if (!maintains) {
        forge::set_member(transaction, project.id, true, creator, Access::kMaintainer);
      }
    });
  } catch (...) {
    state_->discard_repository(project.id);
    throw;
  }
  return project;
}

std::optional<Project> Forge::project(Id id) const {
  return state_->database.read([&](Reader& reader) { return find_project(reader, id); });
}

std::optional<Project> Forge::project_at(std::string_view full_path) const {
  return state_->database.read([&](Reader& reader) { return find_project_at(reader, full_path); });
}

std::vector<Project> Forge::projects() const {
  return state_->database.read([](Reader& reader) { return all_projects(reader); });
}

void Forge::update_project(const Project& project) {
  check(project);
  const auto before = this->project(project.id);
  if (!before) throw_not_found("Project");
  const bool moves_head = project.default_branch != before->default_branch;
  if (moves_head && !repository(project.id).refs("refs/heads/").empty() &&
      ref_value(state_->repository_of(project.id), "refs/heads/" + project.default_branch) ==
          kNoCommit) {
    refuse("base", "Could not set the default branch. Do you have a branch named '" +
                       project.default_branch + "' in your repository?");
  }
  state_->database.write([&](Transaction& transaction) {
    Project changed = project;
    place(transaction, changed);
    if (base::lower(changed.full_path) != base::lower(before->full_path) &&
        path_taken(transaction, changed.full_path)) {
      refuse("path", "has already been taken");
    }
    store_project(transaction, changed);
  });
  // start() does it where a crash comes between.
  if (moves_head) point_head(state_->repository_of(project.id), project.default_branch);
}

void Forge::remove_project(Id id) {
  state_->database.write([&](Transaction& transaction) {
    if (!find_project(transaction, id)) throw_not_found("Project");
    forge::remove_project(transaction, id);
  });
  state_->discard_repository(id);
}

std::vector<ProtectedRef> Forge::protected_refs(Id project) const {
  return state_->database.read([&](Reader& reader) { return protected_refs_of(reader, project); });
}

void Forge::protect(Id project, ProtectedRef ref) {
  if (base::trim(ref.name).empty()) refuse("name", "can't be blank");
  if (ref.name.size() > 255) refuse("name", "is too long (maximum is 255 characters)");
  state_->database.write([&](Transaction& transaction) {
    if (!find_project(transaction, project)) throw_not_found("Project");
    store_protected_ref(transaction, project, ref);
  });
}

void Forge::unprotect(Id project, const std::string& name, bool tag) {
  state_->database.write([&](Transaction& transaction) {
    if (!remove_protected_ref(transaction, project, name, tag)) {
      throw Error("NotFound", "404 Not found", 404);
    }
  });
}

}  // namespace slipway::forge
