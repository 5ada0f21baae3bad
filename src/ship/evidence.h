#pragma once

// What an approver signs: the figures of a version and their difference to the live one.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "ship/model_spec.h"

namespace slipway::ship {

using Metrics = std::map<std::string, double>;

// The figures of an evaluation report: every {"<group>": {"<metric>": {"value": number}}} of
// SageMaker's model quality statistics. Throws Error where there is none.
Metrics metrics_of(const Json& report);

struct Difference {
  std::string metric;
  double now = 0;
  std::optional<double> live;  // nothing where the live version does not have it
};
std::vector<Difference> compare(const Metrics& now, const std::optional<Metrics>& live);

// Better in `metric`, or nothing to compare with. Equal is not better.
bool is_better(const std::string& metric, Direction direction, const Metrics& now,
               const std::optional<Metrics>& live);

// Metrics as model package metadata: "metric.f1" -> "0.951234", and back.
std::map<std::string, std::string> to_metadata(const Metrics& metrics);
Metrics from_metadata(const Json& metadata);

}  // namespace slipway::ship
