#pragma once

// CI: pipelines and their jobs, from a push or a schedule to the last status.
//
// Every change of state is one transaction that also decides what follows from it (decide.h is
// pure), so a crash between two lines leaves nothing half decided; what needs doing outside (a
// downstream pipeline, a timeout) is found again from the records at start.
//
// Events in the outbox: Pipeline.Created, Pipeline.Finished, Job.Finished (subject
// "<project path>#<id>", detail: ids, ref, sha, status, source, name, failure_reason).

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "ci/queue.h"
#include "ci/requests.h"
#include "ci/types.h"
#include "forge/forge.h"
#include "store/database.h"
#include "store/files.h"

namespace slipway::ci {

struct CiOptions {
  std::filesystem::path directory;       // <data>/ci: traces/, artifacts/
  std::string account = "123456789012";  // of events
  std::function<std::string()> url;      // the server's address, "http://127.0.0.1:4700"
  // Variables of every job below the project's own, e.g. AWS_ENDPOINT_URL; may be empty.
  std::function<Variables(const Job&)> job_variables;
  std::chrono::seconds heartbeat{120};  // a running job unheard of for so long has failed
  std::chrono::hours artifact_days{30 * 24};
  std::uint64_t trace_limit = 16u << 20;  // bytes
  std::size_t unfinished_pipelines = 10'000;
};

// Thread-safe. What is refused is an Error as in forge.h: "NotFound", "Forbidden", "Invalid" with
// GitLab's words in detail, or in message where GitLab sends a plain one.
class Ci {
 public:
  Ci(store::Database& database, const base::Clock& clock, forge::Forge& forge, store::Spool& spool,
     CiOptions options);
  ~Ci();
  // Carries on with what is unfinished; runs schedules, delayed jobs, timeouts. stop(): repeatable.
  void start();
  void stop();

  // Does now what is due by the clock: schedules, delayed jobs, timeouts, expiry. Between start()
  // and stop() it is called in time.
  void run_due();

  // For Forge::on_push: makes the pipeline and returns the lines for the person who pushes.
  std::vector<std::string> pushed(const forge::Push& push);

  // Without it no branch has open merge requests. At most one.
  void open_merge_requests_by(OpenMergeRequests find);

  // Broken configuration makes a failed pipeline with yaml_errors. Throws Error{Invalid} with
  // {"base": [...]} where there is no ref, no file, or nothing to run.
  Pipeline create_pipeline(const forge::User& user, const NewPipeline& request);
  // By a trigger token or a job token; source "trigger" or "pipeline".
  Pipeline trigger_pipeline(Id project, const std::string& token, const std::string& ref,
                            const Variables& variables, const std::string& payload);

  std::optional<Pipeline> pipeline(Id id) const;
  std::optional<Pipeline> latest_pipeline(Id project, const std::string& ref) const;
  std::vector<Pipeline> pipelines(Id project, const PipelineFilter& filter, int* total) const;
  std::vector<Job> jobs_of(Id pipeline, bool with_retried = false) const;  // builds and bridges
  std::vector<Job> jobs_of_project(Id project, int offset, int limit, int* total) const;
  std::optional<Job> job(Id id) const;

  Pipeline retry_pipeline(Id id, const forge::User& user);
  Pipeline cancel_pipeline(Id id);
  void delete_pipeline(Id id);
  Pipeline rename_pipeline(Id id, const std::string& name);
  // The forge has this project no more: ends and removes what is here of it, soon and whatever
  // crashes. A call that a crash has prevented is made up for by start().
  void project_removed(Id project);
  Job play(Id job, const forge::User& user, const Variables& variables);  // manual, scheduled
  Job retry(Id job, const forge::User& user);                             // the new job
  Job cancel(Id job);
  Job erase(Id job);

  std::string trace(Id job) const;
  std::string trace_from(Id job, std::uint64_t offset, std::size_t limit) const;
  std::optional<std::filesystem::path> artifact_path(Id job, const std::string& type) const;
  // The job of that name in the latest successful pipeline on the ref.
  std::optional<Job> latest_job(Id project, const std::string& ref, const std::string& name) const;
  void keep_artifacts(Id job);
  void delete_artifacts(Id job);

  // What is wrong with a configuration, and its jobs, whatever their rules say. A dry run is what
  // a push to `ref` would give: with the user's rights, its rules, and errors where nothing would
  // run.
  ci_config::Result lint(const forge::User& user, Id project, const std::string& content,
                         const std::string& ref, bool dry_run);

  // The variables of a job as its runner gets them, in rising precedence, expanded.
  Variables variables_of(const Job& job) const;

  // For Forge::job_tokens_by: the user of the running job that has this token.
  std::optional<forge::Identity> identity_of(std::string_view job_token) const;
  // The job queue: what runners, in this process or elsewhere, ask and tell.
  Queue& queue();

  std::vector<StoredVariable> variables(Owner owner, Id id) const;
  void set_variable(Owner owner, Id id, const StoredVariable& variable, bool must_be_new);
  void remove_variable(Owner owner, Id id, const std::string& key, const std::string& scope);

  std::vector<Trigger> triggers(Id project) const;
  Trigger save_trigger(Trigger trigger);  // id 0: a new one, with a token
  void remove_trigger(Id project, Id id);

  std::vector<Schedule> schedules(Id project) const;
  std::optional<Schedule> schedule(Id id) const;
  Schedule save_schedule(Schedule schedule);  // id 0: a new one; throws Error{Invalid} for its cron
  void remove_schedule(Id id);
  Pipeline play_schedule(Id id, const forge::User& user);

  std::vector<Environment> environments(Id project) const;
  // Jobs that went to an environment, the newest first: at most 10'000.
  std::vector<Job> deployments(Id project) const;

  std::vector<ResourceGroup> resource_groups(Id project) const;
  std::optional<ResourceGroup> resource_group(Id project, const std::string& key) const;
  // Throws Error{NotFound}. The mode is one of ResourceGroup's.
  ResourceGroup set_process_mode(Id project, const std::string& key, const std::string& mode);
  // In the order in which they get it: at most 1,000.
  std::vector<Job> upcoming_jobs(Id project, const std::string& key) const;
  std::optional<Job> current_job(Id project, const std::string& key) const;

  // A status from outside, in a pipeline of the commit: POST /statuses/:sha.
  Job set_commit_status(const forge::User& user, Id project, const std::string& sha,
                        const Json& status);
  std::vector<Job> commit_statuses(Id project, const std::string& sha) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::ci
