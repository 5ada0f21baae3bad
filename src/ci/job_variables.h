#pragma once

// The variables of a job, put together from all their sources. Thread-safe.

#include <optional>
#include <string>

#include "ci/settings.h"
#include "ci/store.h"
#include "ci/workshop.h"

namespace slipway::ci {

class JobVariables {
 public:
  JobVariables(const Workshop& workshop, const Settings& settings)
      : workshop_(workshop), settings_(settings) {}

  // What rules, workflow and include may use, of a pipeline that is not there yet.
  Variables predefined(const forge::Project& project, const Pipeline& pipeline,
                       const forge::User& user) const;
  // Instance, groups, project without an environment, then the pipeline's own.
  Variables outer(const forge::Project& project, const Pipeline& pipeline) const;

  // In rising precedence, expanded. A bridge has no job's id, token or address.
  Variables of(const JobRow& row, const Pipeline& pipeline) const;
  // What a bridge passes to its downstream pipeline.
  Variables passed_on(const JobRow& bridge, const Pipeline& pipeline) const;

  // The job's environment, its name and address expanded; nothing where it has none.
  std::optional<Environment> environment_of(const Job& job, const Pipeline& pipeline) const;
  struct Sources {
    std::vector<Job> jobs;
    bool complete = true;  // false: a job that it needs elsewhere is not there
  };
  // Jobs whose archives and dotenv variables the job gets; of other projects too.
  Sources sources_of(const Job& job, const Pipeline& pipeline) const;

 private:
  // In rising precedence, not expanded.
  Variables raw(const JobRow& row, const Pipeline& pipeline) const;
  Variables known_early(const JobRow& row, const Pipeline& pipeline,
                        const forge::Project& project) const;
  Variables known_to_needs(const Job& job, const Pipeline& pipeline) const;
  std::optional<Job> find_elsewhere(const ci_config::Need& need, const Job& job,
                                    const Variables& known) const;
  Variables dotenv_of(const Job& job, const Pipeline& pipeline) const;

  const Workshop& workshop_;
  const Settings& settings_;
};

}  // namespace slipway::ci
