#pragma once

// Training and processing jobs: one container run each, from input data in buckets to
// artifacts in buckets.
//
// Every step is recorded before it is done, so a server that was killed carries on where it was:
// containers go on running without it, downloads and uploads are repeated, nothing runs twice.
// The states are in README.md. A job's name is taken for ever in its account and kind.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "iam/iam.h"
#include "images/images.h"
#include "jobs/types.h"
#include "objects/objects.h"
#include "observe/logs.h"
#include "store/database.h"
#include "store/resources.h"
#include "wire/api.h"

namespace slipway::jobs {

struct JobsOptions {
  std::filesystem::path directory;  // <data>/jobs; a job's files lie there while it runs
  std::string region;               // of ARNs; the server's own where empty
  // Jobs whose container runs, or whose data is moved, at a time; others are Pending. 0: one for
  // each core. Each takes a thread.
  std::size_t max_running = 0;
  // Jobs that have not ended, together; one more is refused with ResourceLimitExceeded.
  std::size_t max_unfinished = 10'000;
  // From SIGTERM to SIGKILL when a job is stopped.
  std::chrono::milliseconds stop_grace{120'000};
  // How long points of algorithm metrics are kept.
  std::chrono::hours retention{455 * 24};
  // Called after a commit that wrote events (EventPump::wake); may be empty. Must not block.
  std::function<void()> events_written;
};

// Thread-safe.
class Jobs {
 public:
  // Creates the tables; nothing runs before start(). The arguments outlive the object.
  Jobs(store::Database& database, const base::Clock& clock, objects::Objects& objects,
       images::Images& images, containers::Engine& engine, containers::LogPump& pump,
       observe::Logs& logs, const iam::Iam& iam, JobsOptions options);
  ~Jobs();

  // Carries on with the jobs that have not ended and removes what ended jobs left behind.
  void start();
  // Waits for the threads. Containers go on running; a later start() finds them. Repeatable.
  void stop();

  // Accepts a job and returns its ARN. `request`: the input of Create…Job, checked against the
  // service's model. Throws Error: ValidationException for what cannot be done here (an image that
  // is not there, more than one instance, …), ResourceInUse where the name is taken,
  // ResourceLimitExceeded. With a `token`, a call repeated with the same name and token returns
  // the ARN of the job that the first one made.
  std::string create_job(Kind kind, const std::string& account, const Json& request,
                         const std::string& token = "");
  std::string create_training_job(const std::string& account, const Json& request,
                                  const std::string& token = "") {
    return create_job(Kind::kTraining, account, request, token);
  }
  std::string create_processing_job(const std::string& account, const Json& request,
                                    const std::string& token = "") {
    return create_job(Kind::kProcessing, account, request, token);
  }

  // The output of Describe…Job. Throws Error{ValidationException} where there is none.
  Json describe_job(Kind kind, const std::string& account, const std::string& name) const;

  // Asks a job to stop: SIGTERM, grace, SIGKILL; a training job's artifacts are still uploaded.
  // Throws Error{ValidationException} where there is none or it has ended; a job that is
  // stopping already is no error.
  void stop_job(Kind kind, const std::string& account, const std::string& name);

  // `query.account` and `query.kind` (names_of(kind).resource) must be set. Documents are the
  // outputs of Describe…Job.
  store::Page list_jobs(const store::ListQuery& query) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Create…, Describe…, Stop… and List… of TrainingJob and ProcessingJob (SageMaker).
void register_jobs_api(wire::Api& api, Jobs& jobs);

}  // namespace slipway::jobs
