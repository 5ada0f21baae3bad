#pragma once

// Trigger jobs: from a waiting bridge to its downstream pipeline, or to the reason why there is
// none.

#include <optional>
#include <string>

#include "ci/artifacts.h"
#include "ci/creation.h"
#include "ci/job_variables.h"
#include "ci/workshop.h"

namespace slipway::ci {

// Thread-safe; each bridge is one task of the worker.
class Bridges {
 public:
  Bridges(const Workshop& workshop, const Creation& creation, const JobVariables& variables,
          const Artifacts& artifacts)
      : workshop_(workshop), creation_(creation), variables_(variables), artifacts_(artifacts) {}

  // Repeatable: a bridge that has its pipeline, or waits no more, is left alone.
  void run(Id bridge) const;
  // The task failed too often.
  void give_up(Id bridge, const std::string& why) const;

 private:
  struct Plan;
  // The failure reason, or nothing.
  std::string obstacle(const Plan& plan) const;
  std::optional<std::string> read_artifact(Id pipeline, const std::string& job,
                                           const std::string& path) const;
  void fail(Id bridge, const std::string& reason, const std::string& message) const;

  const Workshop& workshop_;
  const Creation& creation_;
  const JobVariables& variables_;
  const Artifacts& artifacts_;
};

}  // namespace slipway::ci
