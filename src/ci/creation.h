#pragma once

// From a request to a pipeline: its commit, its configuration, its jobs.

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "ci/ci.h"
#include "ci/job_variables.h"
#include "ci/workshop.h"

namespace slipway::ci {

// What only CI's own parts ask for.
struct Making {
  NewPipeline request;
  bool may_skip = true;     // by the commit's message or a push option
  bool skip = false;        // the push option ci.skip
  bool authorized = false;  // who pushed may also run
  // Of a child pipeline: files of its parent's artifacts, which the configuration may include.
  std::function<std::optional<std::string>(const std::string& job, const std::string& path)>
      read_artifact;
};

// Thread-safe.
class Creation {
 public:
  Creation(const Workshop& workshop, const Settings& settings, const JobVariables& variables)
      : workshop_(workshop), settings_(settings), variables_(variables) {}

  // Throws Error{Invalid} with {"base": […]}, also where nothing is to run.
  Pipeline create(const forge::User& user, const Making& making) const;
  // Keeps the commit and starts the jobs. Repeatable.
  void prepare(Id pipeline) const;

  ci_config::Result lint(const forge::User& user, Id project, const std::string& content,
                         const std::string& ref, bool dry_run) const;

  // As Ci::open_merge_requests_by().
  void open_merge_requests_by(OpenMergeRequests find);

 private:
  struct Draft;
  void find_commit(Draft& draft) const;
  void note_merge_requests(Draft& draft) const;
  void check_rights(const Draft& draft) const;
  bool may_use_ref(const Draft& draft) const;  // false: it is protected, and not for this user
  void compile(Draft& draft) const;
  void compile_text(Draft& draft, const std::string& text, bool every_job) const;
  std::vector<JobRow> rows_of_plan(const Draft& draft) const;
  Pipeline store(Draft& draft) const;

  const Workshop& workshop_;
  const Settings& settings_;
  const JobVariables& variables_;
  mutable std::mutex mutex_;
  OpenMergeRequests open_merge_requests_;  // guarded by mutex_
};

}  // namespace slipway::ci
