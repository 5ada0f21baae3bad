#pragma once

// CI's tables. Functions on a snapshot or in a transaction; what they decide nothing of is in
// decide.h, what changes together in machine.h.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ci/types.h"
#include "store/database.h"

namespace slipway::ci {

void migrate_tables(store::Database& database);

// 1, 2, 3, … for each name, never the same again.
Id next_number(store::Transaction& transaction, const std::string& name);
Id last_number(store::Reader& reader, const std::string& name);  // 0 before the first

// A job with what only CI itself looks at.
struct JobRow {
  Job job;
  std::string resource;                 // the expanded resource group, "<project>/<name>"
  std::string token;                    // while it runs
  base::Millis timeout = 0;             // of a running job: how long it may take
  std::optional<base::Millis> due;      // when to look at it again: delayed, running
  std::optional<base::Millis> expires;  // the first of its artifacts
};

// `prepared`: its commit is kept and its jobs may start.
void insert(store::Transaction& transaction, const Pipeline& pipeline, const std::string& once,
            bool prepared);
void update(store::Transaction& transaction, const Pipeline& pipeline);
void set_prepared(store::Transaction& transaction, Id pipeline);
bool is_prepared(store::Reader& reader, Id pipeline);
void erase_pipeline(store::Transaction& transaction, Id pipeline);
std::optional<Pipeline> find_pipeline(store::Reader& reader, Id id);
std::optional<Pipeline> pipeline_made_once(store::Reader& reader, const std::string& once);
// `where`: conditions on the table's columns, and an order; "" for all.
std::vector<Pipeline> pipelines_where(store::Reader& reader, const std::string& where,
                                      const std::vector<store::Value>& values);

void insert(store::Transaction& transaction, const JobRow& row);
void update(store::Transaction& transaction, const JobRow& row);
std::optional<JobRow> find_job(store::Reader& reader, Id id);
std::vector<JobRow> rows_where(store::Reader& reader, const std::string& where,
                               const std::vector<store::Value>& values);
// By stage, then id.
std::vector<JobRow> rows_of(store::Reader& reader, Id pipeline, bool with_retried);
// Of the latest successful pipeline on the ref that has such a job.
std::optional<Job> find_latest_job(store::Reader& reader, Id project, const std::string& ref,
                                   const std::string& name);
// What must not show in a job's trace: every value that was handed out with it, for as long as it
// runs. A value that was changed meanwhile, or made anew after a restart, is still known to the
// job.
void remember_secrets(store::Transaction& transaction, Id job,
                      const std::vector<std::string>& values);
void forget_secrets(store::Transaction& transaction, Id job);
std::vector<std::string> secrets_of(store::Reader& reader, Id job);
std::int64_t count(store::Reader& reader, const std::string& from_where,
                   const std::vector<store::Value>& values);

void insert(store::Transaction& transaction, const Runner& runner, const std::string& token);
void update(store::Transaction& transaction, const Runner& runner);
std::optional<Runner> find_runner(store::Reader& reader, Id id);
// `where`: as above.
std::vector<Runner> runners_where(store::Reader& reader, const std::string& where,
                                  const std::vector<store::Value>& values);

// Work outside the database, recorded with what made it necessary and done by the worker. The
// same key is one task.
struct Task {
  std::string key;
  std::string kind;  // "prepare", "bridge", "schedule", "files"
  Json document = Json::object();
  int attempts = 0;
};
void insert(store::Transaction& transaction, const Task& task);
std::vector<Task> tasks(store::Reader& reader, int limit);
void remove_task(store::Transaction& transaction, const std::string& key);

}  // namespace slipway::ci
