#include "runner/store.h"

#include <array>

namespace slipway::runner {
namespace {

constexpr std::array<std::string_view, 4> kPhases{"taken", "prepared", "started", "uploading"};
constexpr std::array<std::string_view, 6> kEndings{"success",  "script_failure", "timeout",
                                                   "canceled", "image_failure",  "system_failure"};

template <class Enum, std::size_t kCount>
Enum value_of(const std::array<std::string_view, kCount>& names, const std::string& name) {
  for (std::size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return static_cast<Enum>(0);
}

}  // namespace

std::string_view text(Phase phase) { return kPhases[static_cast<std::size_t>(phase)]; }

JobStore::JobStore(store::Database& database) : database_(database) {
  database_.migrate({
      "create table if not exists runner_jobs (job bigint primary key, project bigint not null,"
      " slot bigint not null, phase text not null, trace_at bigint not null,"
      " ending text not null, exit_code bigint not null, message text not null)",
      "create table if not exists runner_identity (name text primary key, runner bigint not null)",
  });
}

std::optional<Id> JobStore::runner() const {
  return database_.read([](store::Reader& reader) {
    std::optional<Id> id;
    reader.query("select runner from runner_identity where name = 'executor'", {},
                 [&](const store::Row& row) { id = row.integer(0); });
    return id;
  });
}

void JobStore::set_runner(Id id) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute(
        "insert into runner_identity (name, runner) values ('executor', ?)"
        " on conflict (name) do update set runner = excluded.runner",
        {id});
  });
}

std::vector<JobRow> JobStore::jobs() const {
  return database_.read([](store::Reader& reader) {
    std::vector<JobRow> rows;
    reader.query(
        "select job, project, slot, phase, trace_at, ending, exit_code,"
        " message from runner_jobs order by job",
        {}, [&](const store::Row& row) {
          JobRow job;
          job.job = row.integer(0);
          job.project = row.integer(1);
          job.slot = static_cast<int>(row.integer(2));
          job.phase = value_of<Phase>(kPhases, row.text(3));
          job.trace_at = static_cast<std::uint64_t>(row.integer(4));
          job.outcome = {value_of<Ending>(kEndings, row.text(5)), static_cast<int>(row.integer(6)),
                         row.text(7)};
          rows.push_back(std::move(job));
        });
    return rows;
  });
}

void JobStore::put(const JobRow& row) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute(
        "insert into runner_jobs (job, project, slot, phase, trace_at, ending, exit_code, message)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)"
        " on conflict (job) do update set phase = excluded.phase,"
        " trace_at = excluded.trace_at, ending = excluded.ending, exit_code = excluded.exit_code,"
        " message = excluded.message",
        {row.job, row.project, std::int64_t{row.slot}, std::string(text(row.phase)),
         static_cast<std::int64_t>(row.trace_at),
         std::string(kEndings[static_cast<std::size_t>(row.outcome.ending)]),
         std::int64_t{row.outcome.exit_code}, row.outcome.message});
  });
}

void JobStore::remove(Id job) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute("delete from runner_jobs where job = ?", {job});
  });
}

}  // namespace slipway::runner
