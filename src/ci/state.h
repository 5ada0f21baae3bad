#pragma once

// All parts of CI, in the order in which they need each other.

#include "ci/artifacts.h"
#include "ci/bridges.h"
#include "ci/caretaker.h"
#include "ci/ci.h"
#include "ci/creation.h"
#include "ci/job_queue.h"
#include "ci/job_variables.h"
#include "ci/settings.h"
#include "ci/trace.h"
#include "ci/workshop.h"

namespace slipway::ci {

struct Ci::State {
  State(store::Database& database, const base::Clock& clock, forge::Forge& forge,
        store::Spool& spool, CiOptions options);

  Pipeline pipeline(Id id) const;
  JobRow row(Id id) const;
  // Throws Error{Forbidden} where the user may not run jobs of the pipeline.
  void check_may_run(const forge::User& user, const Pipeline& pipeline) const;
  void drop_artifacts(Id job, bool with_trace);

  Workshop workshop;
  Settings settings;
  JobVariables variables;
  Artifacts artifacts;
  Traces traces;
  Creation creation;
  Bridges bridges;
  JobQueue queue;
  Caretaker caretaker;
};

}  // namespace slipway::ci
