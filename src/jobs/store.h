#pragma once

// Jobs and their metric points in the database. A job is a store::Resource of the kinds
// "training-job" and "processing-job".
//
// metric_points holds, for each second in which an algorithm printed a metric, a statistic set:
//   account, metric_namespace ("/aws/sagemaker/TrainingJobs"), dimensions
//   ("TrainingJobName=<name>"), metric, at_second (epoch s) | samples, total, minimum, maximum,
//   latest, latest_at (epoch ms)

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "jobs/decide.h"
#include "jobs/types.h"
#include "store/database.h"
#include "store/resources.h"

namespace slipway::jobs {

struct JobStoreOptions {
  base::Millis metric_retention = 0;
  std::function<void()> events_written;
};

// Thread-safe.
class JobStore {
 public:
  JobStore(store::Database& database, const base::Clock& clock, JobStoreOptions options);

  std::optional<store::Resource> find(const JobKey& key) const;
  // All that have not ended, those nearest to their end first.
  std::vector<store::Resource> unfinished() const;

  // Adds the job with its tags and its event. Returns false where the name is taken by a job
  // made with the same, non-empty token. Throws Error{ResourceInUse} where another has the name.
  bool create(const store::Resource& job, const store::Tags& tags);

  using Change = std::function<void(store::Transaction&, store::Resource&)>;
  // Stores `change` of the job, provided that nobody has changed it since `seen` was read;
  // false otherwise, and the caller decides anew.
  bool change(const store::Resource& seen, const Change& change);
  // Whatever is stored now. Throws Error{ValidationException} where there is no such job.
  void change_now(const JobKey& key, const Change& change);

  // Inside a Change: the terminal write's parts, with final metrics and event.
  void finish(store::Transaction& transaction, store::Resource& job, const Action& action) const;

 private:
  void append_event(store::Transaction& transaction, const store::Resource& job) const;

  store::Database& database_;
  const base::Clock& clock_;
  const JobStoreOptions options_;
};

// One value that a job's algorithm printed.
struct MetricPoint {
  JobKey job;
  std::string metric;
  double value = 0;
  base::Millis at = 0;
};
void record_metric(store::Transaction& transaction, const MetricPoint& point);
// The last value of each metric of a job: FinalMetricDataList.
Json final_metrics(store::Reader& reader, const JobKey& job);

}  // namespace slipway::jobs
