#include "jobs/store.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "jobs/record.h"
#include "store/outbox.h"

namespace slipway::jobs {
namespace {

const std::vector<std::string>& tables() {
  static const std::vector<std::string> statements{
      "create table if not exists metric_points ("
      " account text not null, metric_namespace text not null, dimensions text not null,"
      " metric text not null, at_second bigint not null, samples bigint not null,"
      " total double precision not null, minimum double precision not null,"
      " maximum double precision not null, latest double precision not null,"
      " latest_at bigint not null,"
      " primary key (account, metric_namespace, dimensions, metric, at_second))",
      "create index if not exists metric_points_by_time on metric_points (at_second)",
  };
  return statements;
}

std::string dimensions_of(const JobKey& job) {
  return std::string(names_of(job.kind).job) + "Name=" + job.name;
}

std::string resource_kind(const JobKey& key) { return std::string(names_of(key.kind).resource); }

[[noreturn]] void name_is_taken(const store::Resource& job) {
  throw Error("ResourceInUse",
              "Job name must be unique within an AWS account and region, and a job with this name "
              "already exists (" +
                  arn_of(job) + ")");
}

}  // namespace

JobStore::JobStore(store::Database& database, const base::Clock& clock, JobStoreOptions options)
    : database_(database), clock_(clock), options_(std::move(options)) {
  database_.migrate(tables());
}

std::optional<store::Resource> JobStore::find(const JobKey& key) const {
  return database_.read([&](store::Reader& reader) {
    return store::find(reader, key.account, resource_kind(key), key.name);
  });
}

std::vector<store::Resource> JobStore::unfinished() const {
  std::vector<store::Resource> jobs;
  database_.read([&](store::Reader& reader) {
    for (const Kind kind : kKinds) {
      auto found = store::with_status(reader, std::string(names_of(kind).resource),
                                      {"InProgress", "Stopping"});
      std::move(found.begin(), found.end(), std::back_inserter(jobs));
    }
  });
  std::stable_sort(jobs.begin(), jobs.end(), [](const auto& a, const auto& b) {
    const Phase first = record_of(a).phase;
    const Phase second = record_of(b).phase;
    return first != second ? first > second : a.created < b.created;
  });
  return jobs;
}

bool JobStore::create(const store::Resource& job, const store::Tags& tags) {
  return database_.write([&](store::Transaction& transaction) {
    const auto taken = store::find(transaction, job.account, job.kind, job.name);
    if (taken) {
      if (token_of(job).empty() || token_of(job) != token_of(*taken)) name_is_taken(*taken);
      return false;
    }
    store::create(transaction, job);
    if (!tags.empty()) store::set_tags(transaction, arn_of(job), tags);
    append_event(transaction, job);
    return true;
  });
}

bool JobStore::change(const store::Resource& seen, const Change& change) {
  return database_.write([&](store::Transaction& transaction) {
    auto job = store::find(transaction, seen.account, seen.kind, seen.name);
    if (!job || job->version != seen.version) return false;
    change(transaction, *job);
    store::update(transaction, *job);
    return true;
  });
}

void JobStore::change_now(const JobKey& key, const Change& change) {
  database_.write([&](store::Transaction& transaction) {
    auto job = store::find(transaction, key.account, resource_kind(key), key.name);
    if (!job) throw Error("ValidationException", "Requested resource not found.");
    change(transaction, *job);
    store::update(transaction, *job);
  });
}

void JobStore::finish(store::Transaction& transaction, store::Resource& job,
                      const Action& action) const {
  end(job, action, clock_.now());
  Json metrics = final_metrics(transaction, key_of(job));
  if (!metrics.empty()) job.document["FinalMetricDataList"] = std::move(metrics);
  append_event(transaction, job);
  transaction.execute("delete from metric_points where at_second < ?",
                      {(clock_.now() - options_.metric_retention) / 1000});
}

void JobStore::append_event(store::Transaction& transaction, const store::Resource& job) const {
  const std::string type = std::string(names_of(key_of(job).kind).job) + "." + job.status;
  store::append(transaction, {.at = clock_.now(),
                              .account = job.account,
                              .type = type,
                              .subject = arn_of(job),
                              .detail = described(job)});
  if (options_.events_written) transaction.after_commit(options_.events_written);
}

void record_metric(store::Transaction& transaction, const MetricPoint& point) {
  transaction.execute(
      "insert into metric_points (account, metric_namespace, dimensions, metric, at_second,"
      " samples, total, minimum, maximum, latest, latest_at)"
      " values (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)"
      " on conflict (account, metric_namespace, dimensions, metric, at_second) do update set"
      " samples = metric_points.samples + 1,"
      " total = metric_points.total + excluded.total,"
      " minimum = case when excluded.minimum < metric_points.minimum"
      "  then excluded.minimum else metric_points.minimum end,"
      " maximum = case when excluded.maximum > metric_points.maximum"
      "  then excluded.maximum else metric_points.maximum end,"
      " latest = excluded.latest, latest_at = excluded.latest_at",
      {point.job.account, std::string(names_of(point.job.kind).log_group), dimensions_of(point.job),
       point.metric, point.at / 1000, point.value, point.value, point.value, point.value,
       point.at});
}

Json final_metrics(store::Reader& reader, const JobKey& job) {
  Json list = Json::array();
  reader.query(
      "select metric, latest, latest_at from metric_points as each"
      " where account = ? and metric_namespace = ? and dimensions = ? and at_second ="
      " (select max(at_second) from metric_points as other where other.account = each.account"
      "  and other.metric_namespace = each.metric_namespace"
      "  and other.dimensions = each.dimensions and other.metric = each.metric)"
      " order by metric",
      {job.account, std::string(names_of(job.kind).log_group), dimensions_of(job)},
      [&](const store::Row& row) {
        list.push_back({{"MetricName", row.text(0)},
                        {"Value", row.number(1)},
                        {"Timestamp", base::epoch_seconds(row.integer(2))}});
      });
  return list;
}

}  // namespace slipway::jobs
