#include "ci/resources.h"

#include <utility>

#include "base/strings.h"

namespace slipway::ci {
namespace {

using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

constexpr const char* kColumns = "id, project, key, mode, created, updated";

ResourceGroup group_in(const Row& row) {
  ResourceGroup group;
  group.id = row.integer(0);
  group.project = row.integer(1);
  group.key = row.text(2);
  group.process_mode = row.text(3);
  group.created = row.integer(4);
  group.updated = row.integer(5);
  return group;
}

std::vector<ResourceGroup> groups_where(Reader& reader, const std::string& where,
                                        const std::vector<Value>& values) {
  std::vector<ResourceGroup> found;
  reader.query(std::string("select ") + kColumns + " from ci_resource_groups " + where, values,
               [&](const Row& row) { found.push_back(group_in(row)); });
  return found;
}

std::pair<Id, std::string> parts_of(const std::string& resource) {
  const std::size_t slash = resource.find('/');
  if (slash == std::string::npos) return {0, resource};
  return {base::parse_integer(std::string_view(resource).substr(0, slash)).value_or(0),
          resource.substr(slash + 1)};
}

// Within a pipeline whoever is ready comes first: the order of its jobs is its own.
std::string order_of(const std::string& mode) {
  const std::string ready = "status = 'waiting_for_resource'";
  const std::string or_later = "status in ('waiting_for_resource', 'created', 'scheduled')";
  const std::string within = ", case when " + ready + " then 0 else 1 end, id";
  if (mode == "oldest_first") return or_later + " order by pipeline" + within;
  if (mode == "newest_first") return or_later + " order by pipeline desc" + within;
  if (mode == "newest_ready_first") return ready + " order by pipeline desc, id";
  return ready + " order by id";
}

}  // namespace

std::string resource_of(Id project, std::string_view key) {
  return std::to_string(project) + "/" + std::string(key);
}

void note_resource_group(Transaction& transaction, const std::string& resource, base::Millis now) {
  if (find_resource_group(transaction, resource)) return;
  const auto [project, key] = parts_of(resource);
  transaction.execute(
      "insert into ci_resource_groups (id, project, key, mode, created, updated)"
      " values (?, ?, ?, 'unordered', ?, ?)",
      {next_number(transaction, "resource_group"), project, key, now, now});
}

std::vector<ResourceGroup> resource_groups(Reader& reader, Id project) {
  return groups_where(reader, "where project = ? order by id", {project});
}

std::optional<ResourceGroup> find_resource_group(Reader& reader, const std::string& resource) {
  const auto [project, key] = parts_of(resource);
  auto found = groups_where(reader, "where project = ? and key = ?", {project, key});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

void update(Transaction& transaction, const ResourceGroup& group) {
  transaction.execute("update ci_resource_groups set mode = ?, updated = ? where id = ?",
                      {group.process_mode, group.updated, group.id});
}

std::vector<JobRow> upcoming_jobs(Reader& reader, const std::string& resource, int limit) {
  const auto group = find_resource_group(reader, resource);
  return rows_where(reader,
                    "where resource = ? and retried = 0 and " +
                        order_of(group ? group->process_mode : "") + " limit ?",
                    {resource, std::int64_t{limit}});
}

std::optional<JobRow> current_job(Reader& reader, const std::string& resource) {
  auto found = rows_where(reader,
                          "where resource = ? and status in"
                          " ('pending', 'preparing', 'running', 'canceling') order by id limit 1",
                          {resource});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace slipway::ci
