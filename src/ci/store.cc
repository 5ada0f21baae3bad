#include "ci/store.h"

#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "ci/record.h"

namespace slipway::ci {
namespace {

using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

const std::vector<std::string>& statements() {
  static const std::vector<std::string> all{
      "create table if not exists ci_numbers (name text primary key, value bigint not null)",
      "create table if not exists ci_pipelines ("
      " id bigint primary key, iid bigint not null, project bigint not null,"
      " user_id bigint not null, ref text not null, sha text not null, source text not null,"
      " status text not null, name text not null, tag bigint not null, schedule bigint,"
      " upstream_job bigint, parent bigint, once text unique, prepared bigint not null, created "
      "bigint not null,"
      " updated bigint not null, document text not null)",
      "create index if not exists ci_pipelines_by_project on ci_pipelines (project, id)",
      "create index if not exists ci_pipelines_by_ref on ci_pipelines (project, ref, id)",
      "create index if not exists ci_pipelines_by_sha on ci_pipelines (project, sha)",
      "create index if not exists ci_pipelines_by_status on ci_pipelines (status)",
      "create index if not exists ci_pipelines_by_parent on ci_pipelines (parent)",
      "create table if not exists ci_jobs ("
      " id bigint primary key, pipeline bigint not null, project bigint not null,"
      " name text not null, stage_index bigint not null, kind text not null,"
      " status text not null, retried bigint not null, resource text not null, runner bigint,"
      " token text, token_hash text unique, timeout bigint not null, due bigint, expires bigint,"
      " document text not null, spec text not null)",
      "create index if not exists ci_jobs_by_pipeline on ci_jobs (pipeline, retried)",
      "create index if not exists ci_jobs_by_status on ci_jobs (status, kind, id)",
      "create index if not exists ci_jobs_by_project on ci_jobs (project, id)",
      "create index if not exists ci_jobs_by_resource on ci_jobs (resource)",
      "create index if not exists ci_jobs_by_due on ci_jobs (due)",
      "create index if not exists ci_jobs_by_expiry on ci_jobs (expires)",
      "create table if not exists ci_tasks (key text primary key, sequence bigint not null,"
      " kind text not null, attempts bigint not null, document text not null)",
      "create table if not exists ci_runners (id bigint primary key, token_hash text unique,"
      " contacted bigint, document text not null)",
      "create table if not exists ci_job_secrets (job bigint not null, value text not null,"
      " primary key (job, value))",
      "create table if not exists ci_secrets (name text primary key, value text not null)",
      "create table if not exists ci_triggers (id bigint primary key, project bigint not null,"
      " token_hash text unique, document text not null)",
      "create table if not exists ci_schedules (id bigint primary key, project bigint not null,"
      " next_run bigint, document text not null)",
      "create index if not exists ci_schedules_by_time on ci_schedules (next_run)",
      "create table if not exists ci_variables (owner text not null, owner_id bigint not null,"
      " key text not null, scope text not null, document text not null,"
      " primary key (owner, owner_id, key, scope))",
      "create table if not exists ci_environments (id bigint primary key,"
      " project bigint not null, name text not null, document text not null,"
      " unique (project, name))",
      "create table if not exists ci_resource_groups (id bigint primary key,"
      " project bigint not null, key text not null, mode text not null, created bigint not null,"
      " updated bigint not null, unique (project, key))",
  };
  return all;
}

template <class T>
Value value_of(const std::optional<T>& value) {
  if (!value) return nullptr;
  return static_cast<std::int64_t>(*value);
}
Value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return text;
}
std::optional<Id> number_in(const Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

constexpr const char* kPipelineColumns =
    "id, iid, project, user_id, ref, sha, source, status, name, schedule, upstream_job, parent,"
    " created, updated, document";

Pipeline pipeline_in(const Row& row) {
  Pipeline pipeline;
  pipeline.id = row.integer(0);
  pipeline.iid = row.integer(1);
  pipeline.project = row.integer(2);
  pipeline.user = row.integer(3);
  pipeline.ref = row.text(4);
  pipeline.sha = row.text(5);
  pipeline.source = row.text(6);
  pipeline.status = status_of(row.text(7)).value_or(Status::kFailed);
  pipeline.schedule = number_in(row, 9);
  pipeline.upstream_job = number_in(row, 10);
  pipeline.parent = number_in(row, 11);
  pipeline.created = row.integer(12);
  pipeline.updated = row.integer(13);
  read_into(base::parse_json(row.text(14), "pipeline"), pipeline);
  return pipeline;
}

constexpr const char* kJobColumns =
    "id, pipeline, project, status, retried, resource, runner, token, timeout, due, expires,"
    " document, spec";

JobRow job_in(const Row& row) {
  JobRow made;
  Job& job = made.job;
  job.id = row.integer(0);
  job.pipeline = row.integer(1);
  job.project = row.integer(2);
  job.status = status_of(row.text(3)).value_or(Status::kFailed);
  job.retried = row.integer(4) != 0;
  made.resource = row.text(5);
  job.runner = number_in(row, 6);
  made.token = row.is_null(7) ? "" : row.text(7);
  made.timeout = row.integer(8);
  made.due = number_in(row, 9);
  made.expires = number_in(row, 10);
  job.spec = spec_of(base::parse_json(row.text(12), "job"));
  read_into(base::parse_json(row.text(11), "job"), job);
  return made;
}

std::string kind_of(const Job& job) {
  if (job.external) return "external";
  return job.is_bridge() ? "bridge" : "build";
}

Value hash_of(const std::string& token) {
  if (token.empty()) return nullptr;
  return base::sha256_hex(token);
}

}  // namespace

void migrate_tables(store::Database& database) { database.migrate(statements()); }

Id next_number(Transaction& transaction, const std::string& name) {
  transaction.execute(
      "insert into ci_numbers (name, value) values (?, 1)"
      " on conflict (name) do update set value = ci_numbers.value + 1",
      {name});
  return last_number(transaction, name);
}

Id last_number(Reader& reader, const std::string& name) {
  Id number = 0;
  reader.query("select value from ci_numbers where name = ?", {name},
               [&](const Row& row) { number = row.integer(0); });
  return number;
}

void insert(Transaction& transaction, const Pipeline& pipeline, const std::string& once,
            bool prepared) {
  transaction.execute(
      "insert into ci_pipelines (id, iid, project, user_id, ref, sha, source, status, name,"
      " tag, schedule, upstream_job, parent, once, prepared, created, updated, document)"
      " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {pipeline.id, pipeline.iid, pipeline.project, pipeline.user, pipeline.ref, pipeline.sha,
       pipeline.source, std::string(text(pipeline.status)), pipeline.name,
       static_cast<std::int64_t>(pipeline.tag), value_of(pipeline.schedule),
       value_of(pipeline.upstream_job), value_of(pipeline.parent), text_or_null(once),
       static_cast<std::int64_t>(prepared), pipeline.created, pipeline.updated,
       base::dump_json(json_of(pipeline))});
}

void update(Transaction& transaction, const Pipeline& pipeline) {
  transaction.execute(
      "update ci_pipelines set status = ?, name = ?, updated = ?, document = ? where id = ?",
      {std::string(text(pipeline.status)), pipeline.name, pipeline.updated,
       base::dump_json(json_of(pipeline)), pipeline.id});
}

void set_prepared(Transaction& transaction, Id pipeline) {
  transaction.execute("update ci_pipelines set prepared = 1 where id = ?", {pipeline});
}

bool is_prepared(Reader& reader, Id pipeline) {
  return count(reader, "ci_pipelines where id = ? and prepared = 1", {pipeline}) > 0;
}

void erase_pipeline(Transaction& transaction, Id pipeline) {
  transaction.execute("delete from ci_jobs where pipeline = ?", {pipeline});
  transaction.execute("delete from ci_pipelines where id = ?", {pipeline});
}

std::vector<Pipeline> pipelines_where(Reader& reader, const std::string& where,
                                      const std::vector<Value>& values) {
  std::vector<Pipeline> found;
  reader.query(std::string("select ") + kPipelineColumns + " from ci_pipelines " + where, values,
               [&](const Row& row) { found.push_back(pipeline_in(row)); });
  return found;
}

std::optional<Pipeline> find_pipeline(Reader& reader, Id id) {
  auto found = pipelines_where(reader, "where id = ?", {id});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::optional<Pipeline> pipeline_made_once(Reader& reader, const std::string& once) {
  if (once.empty()) return std::nullopt;
  auto found = pipelines_where(reader, "where once = ?", {once});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

void insert(Transaction& transaction, const JobRow& row) {
  const Job& job = row.job;
  transaction.execute(
      "insert into ci_jobs (id, pipeline, project, name, stage_index, kind, status, retried,"
      " resource, runner, token, token_hash, timeout, due, expires, document, spec)"
      " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {job.id, job.pipeline, job.project, job.spec.name,
       static_cast<std::int64_t>(job.spec.stage_index), kind_of(job), std::string(text(job.status)),
       static_cast<std::int64_t>(job.retried), row.resource, value_of(job.runner),
       text_or_null(row.token), hash_of(row.token), row.timeout, value_of(row.due),
       value_of(row.expires), base::dump_json(json_of(job)), base::dump_json(json_of(job.spec))});
}

void update(Transaction& transaction, const JobRow& row) {
  const Job& job = row.job;
  transaction.execute(
      "update ci_jobs set status = ?, retried = ?, resource = ?, runner = ?, token = ?,"
      " token_hash = ?, timeout = ?, due = ?, expires = ?, document = ? where id = ?",
      {std::string(text(job.status)), static_cast<std::int64_t>(job.retried), row.resource,
       value_of(job.runner), text_or_null(row.token), hash_of(row.token), row.timeout,
       value_of(row.due), value_of(row.expires), base::dump_json(json_of(job)), job.id});
}

std::vector<JobRow> rows_where(Reader& reader, const std::string& where,
                               const std::vector<Value>& values) {
  std::vector<JobRow> found;
  reader.query(std::string("select ") + kJobColumns + " from ci_jobs " + where, values,
               [&](const Row& row) { found.push_back(job_in(row)); });
  return found;
}

std::optional<JobRow> find_job(Reader& reader, Id id) {
  auto found = rows_where(reader, "where id = ?", {id});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<JobRow> rows_of(Reader& reader, Id pipeline, bool with_retried) {
  return rows_where(reader,
                    with_retried ? "where pipeline = ? order by stage_index, id"
                                 : "where pipeline = ? and retried = 0 order by stage_index, id",
                    {pipeline});
}

std::optional<Job> find_latest_job(Reader& reader, Id project, const std::string& ref,
                                   const std::string& name) {
  auto rows = rows_where(
      reader,
      "where name = ? and retried = 0 and kind = 'build' and status = 'success' and pipeline ="
      " (select max(p.id) from ci_pipelines p join ci_jobs j on j.pipeline = p.id where"
      " p.project = ? and p.ref = ? and p.status = 'success' and p.parent is null and j.name = ?)",
      {name, project, ref, name});
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front().job);
}

void remember_secrets(Transaction& transaction, Id job, const std::vector<std::string>& values) {
  for (const std::string& value : values)
    transaction.execute(
        "insert into ci_job_secrets (job, value) values (?, ?) on conflict do nothing",
        {job, value});
}

void forget_secrets(Transaction& transaction, Id job) {
  transaction.execute("delete from ci_job_secrets where job = ?", {job});
}

std::vector<std::string> secrets_of(Reader& reader, Id job) {
  std::vector<std::string> values;
  reader.query("select value from ci_job_secrets where job = ?", {job},
               [&](const Row& row) { values.push_back(row.text(0)); });
  return values;
}

std::int64_t count(Reader& reader, const std::string& from_where,
                   const std::vector<Value>& values) {
  std::int64_t counted = 0;
  reader.query("select count(*) from " + from_where, values,
               [&](const Row& row) { counted = row.integer(0); });
  return counted;
}

void insert(Transaction& transaction, const Runner& runner, const std::string& token) {
  transaction.execute(
      "insert into ci_runners (id, token_hash, contacted, document) values (?, ?, ?, ?)",
      {runner.id, hash_of(token), value_of(runner.contacted), base::dump_json(json_of(runner))});
}

void update(Transaction& transaction, const Runner& runner) {
  transaction.execute("update ci_runners set contacted = ?, document = ? where id = ?",
                      {value_of(runner.contacted), base::dump_json(json_of(runner)), runner.id});
}

std::vector<Runner> runners_where(Reader& reader, const std::string& where,
                                  const std::vector<Value>& values) {
  std::vector<Runner> found;
  reader.query("select id, contacted, document from ci_runners " + where, values,
               [&](const Row& row) {
                 Runner runner = runner_of_json(base::parse_json(row.text(2), "runner"));
                 runner.id = row.integer(0);
                 runner.contacted = number_in(row, 1);
                 found.push_back(std::move(runner));
               });
  return found;
}

std::optional<Runner> find_runner(Reader& reader, Id id) {
  auto found = runners_where(reader, "where id = ?", {id});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

void insert(Transaction& transaction, const Task& task) {
  transaction.execute(
      "insert into ci_tasks (key, sequence, kind, attempts, document) values (?, ?, ?, ?, ?)"
      " on conflict (key) do update set attempts = excluded.attempts",
      {task.key, next_number(transaction, "task"), task.kind,
       static_cast<std::int64_t>(task.attempts), base::dump_json(task.document)});
}

std::vector<Task> tasks(Reader& reader, int limit) {
  std::vector<Task> found;
  reader.query("select key, kind, attempts, document from ci_tasks order by sequence limit ?",
               {static_cast<std::int64_t>(limit)}, [&](const Row& row) {
                 found.push_back({.key = row.text(0),
                                  .kind = row.text(1),
                                  .document = base::parse_json(row.text(3), "task"),
                                  .attempts = static_cast<int>(row.integer(2))});
               });
  return found;
}

void remove_task(Transaction& transaction, const std::string& key) {
  transaction.execute("delete from ci_tasks where key = ?", {key});
}

}  // namespace slipway::ci
