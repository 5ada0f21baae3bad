// The tables of namespaces and projects.

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "forge/store.h"

namespace slipway::forge {
namespace {

using store::Row;
using store::Value;

constexpr const char* kSpace =
    "select id, name, path, full_path, kind, parent, description, visibility, created "
    "from forge_spaces ";
constexpr const char* kProject =
    "select id, path, full_path, space_id, creator, created, last_activity, document "
    "from forge_projects ";
// A loop among parents cannot be made; should one be there, it does not hang a request.
constexpr std::size_t kDeepest = 64;

Namespace space_of(const Row& row) {
  Namespace space;
  space.id = row.integer(0);
  space.name = row.text(1);
  space.path = row.text(2);
  space.full_path = row.text(3);
  space.kind = row.text(4);
  if (!row.is_null(5)) space.parent = row.integer(5);
  space.description = row.text(6);
  space.visibility = visibility_of(row.text(7)).value_or(Visibility::kPrivate);
  space.created = row.integer(8);
  return space;
}

std::string document_of(const Project& project) {
  return base::dump_json({{"name", project.name},
                          {"description", project.description},
                          {"visibility", text(project.visibility)},
                          {"default_branch", project.default_branch},
                          {"ci_config_path", project.ci_config_path},
                          {"build_timeout", project.build_timeout.count()},
                          {"archived", project.archived},
                          {"settings", project.settings}});
}

Project project_of(const Row& row) {
  Project project;
  project.id = row.integer(0);
  project.path = row.text(1);
  project.full_path = row.text(2);
  project.space = row.integer(3);
  project.creator = row.integer(4);
  project.created = row.integer(5);
  project.last_activity = row.integer(6);
  const Json document = base::parse_json(row.text(7), "a project's document");
  project.name = base::text_or(document, "name");
  project.description = base::text_or(document, "description");
  project.visibility =
      visibility_of(base::text_or(document, "visibility")).value_or(Visibility::kPrivate);
  project.default_branch = base::text_or(document, "default_branch", "main");
  project.ci_config_path = base::text_or(document, "ci_config_path");
  project.build_timeout = std::chrono::seconds(base::integer_or(document, "build_timeout", 3600));
  project.archived = base::boolean_or(document, "archived", false);
  project.settings = base::object_or_empty(document, "settings");
  return project;
}

template <class Result>
std::vector<Result> all(Reader& reader, const std::string& sql, const std::vector<Value>& values,
                        Result (*read)(const Row&)) {
  std::vector<Result> results;
  reader.query(sql, values, [&](const Row& row) { results.push_back(read(row)); });
  return results;
}

template <class Result>
std::optional<Result> first(Reader& reader, const std::string& sql,
                            const std::vector<Value>& values, Result (*read)(const Row&)) {
  std::vector<Result> results = all<Result>(reader, sql, values, read);
  if (results.empty()) return std::nullopt;
  return std::move(results.front());
}

Id id_of(const Row& row) { return row.integer(0); }

}  // namespace

void insert_space(Transaction& transaction, const Namespace& space, Id owner) {
  transaction.execute(
      "insert into forge_spaces (id, name, path, full_path, path_key, kind, parent, owner_id, "
      "description, visibility, created) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {space.id, space.name, space.path, space.full_path, base::lower(space.full_path), space.kind,
       space.parent ? Value(*space.parent) : Value(nullptr), owner, space.description,
       std::string(text(space.visibility)), space.created});
}

std::optional<Namespace> find_space(Reader& reader, Id id) {
  return first<Namespace>(reader, std::string(kSpace) + "where id = ?", {id}, space_of);
}

std::optional<Namespace> find_space_at(Reader& reader, std::string_view full_path) {
  return first<Namespace>(reader, std::string(kSpace) + "where path_key = ?",
                          {base::lower(full_path)}, space_of);
}

std::vector<Namespace> all_spaces(Reader& reader) {
  return all<Namespace>(reader, std::string(kSpace) + "order by id", {}, space_of);
}

std::optional<Namespace> space_of_user(Reader& reader, Id user) {
  return first<Namespace>(reader, std::string(kSpace) + "where kind = 'user' and owner_id = ?",
                          {user}, space_of);
}

bool owns_space(Reader& reader, Id user, Id space) {
  return first<Id>(reader,
                   "select id from forge_spaces where id = ? and owner_id = ? and kind = 'user'",
                   {space, user}, id_of)
      .has_value();
}

std::vector<Id> lineage(Reader& reader, Id space) {
  std::vector<Id> ids;
  std::optional<Namespace> current = find_space(reader, space);
  while (current && ids.size() < kDeepest) {
    ids.push_back(current->id);
    current = current->parent ? find_space(reader, *current->parent) : std::nullopt;
  }
  return ids;
}

std::vector<Id> descendants(Reader& reader, Id space) {
  std::vector<Id> ids = {space};
  for (std::size_t at = 0; at < ids.size(); ++at) {
    const std::vector<Id> children = all<Id>(
        reader, "select id from forge_spaces where parent = ? order by id", {ids[at]}, id_of);
    ids.insert(ids.end(), children.begin(), children.end());
  }
  return ids;
}

void remove_space(Transaction& transaction, Id id) {
  transaction.execute("delete from forge_members where target_id = ? and of_project = 0", {id});
  transaction.execute("delete from forge_spaces where id = ?", {id});
}

bool path_taken(Reader& reader, std::string_view full_path) {
  const std::string key = base::lower(full_path);
  return first<Id>(reader, "select id from forge_spaces where path_key = ?", {key}, id_of) ||
         first<Id>(reader, "select id from forge_projects where path_key = ?", {key}, id_of);
}

void insert_project(Transaction& transaction, const Project& project) {
  transaction.execute(
      "insert into forge_projects (id, path, full_path, path_key, space_id, creator, created, "
      "last_activity, document) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {project.id, project.path, project.full_path, base::lower(project.full_path), project.space,
       project.creator, project.created, project.last_activity, document_of(project)});
}

void store_project(Transaction& transaction, const Project& project) {
  const auto changed = transaction.execute(
      "update forge_projects set path = ?, full_path = ?, path_key = ?, space_id = ?, "
      "document = ? where id = ?",
      {project.path, project.full_path, base::lower(project.full_path), project.space,
       document_of(project), project.id});
  if (changed == 0) throw Error("NotFound", "404 Project Not Found", 404);
}

std::optional<Project> find_project(Reader& reader, Id id) {
  return first<Project>(reader, std::string(kProject) + "where id = ?", {id}, project_of);
}

std::optional<Project> find_project_at(Reader& reader, std::string_view full_path) {
  return first<Project>(reader, std::string(kProject) + "where path_key = ?",
                        {base::lower(full_path)}, project_of);
}

std::vector<Project> all_projects(Reader& reader) {
  return all<Project>(reader, std::string(kProject) + "order by id", {}, project_of);
}

std::vector<Id> projects_in(Reader& reader, Id space) {
  return all<Id>(reader, "select id from forge_projects where space_id = ? order by id", {space},
                 id_of);
}

void remove_project(Transaction& transaction, Id id) {
  for (const char* sql : {"delete from forge_members where target_id = ? and of_project = 1",
                          "delete from forge_protected where project_id = ?",
                          "delete from forge_tokens where project_id = ?",
                          "delete from forge_pushes where project_id = ?",
                          "delete from forge_projects where id = ?"}) {
    transaction.execute(sql, {id});
  }
}

void note_activity(Transaction& transaction, Id project, base::Millis at) {
  transaction.execute("update forge_projects set last_activity = ? where id = ?", {at, project});
}

}  // namespace slipway::forge
