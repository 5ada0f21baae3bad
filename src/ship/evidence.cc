#include "ship/evidence.h"

#include <cstdio>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::ship {
namespace {
constexpr std::string_view kPrefix = "metric.";
}

Metrics metrics_of(const Json& report) {
  Metrics metrics;
  if (report.is_object())
    for (const auto& [group, members] : report.items()) {
      if (!members.is_object()) continue;
      for (const auto& [name, figure] : members.items())
        if (figure.is_object() && figure.contains("value") && figure["value"].is_number())
          metrics[name] = figure["value"].get<double>();
    }
  if (metrics.empty())
    throw Error("InvalidReport",
                "the evaluation report holds no figure; expected for example "
                R"({"regression_metrics": {"mse": {"value": 0.1}}})");
  return metrics;
}

std::vector<Difference> compare(const Metrics& now, const std::optional<Metrics>& live) {
  std::vector<Difference> result;
  for (const auto& [name, value] : now) {
    Difference difference{name, value, std::nullopt};
    if (live)
      if (const auto found = live->find(name); found != live->end())
        difference.live = found->second;
    result.push_back(difference);
  }
  return result;
}

bool is_better(const std::string& metric, Direction direction, const Metrics& now,
               const std::optional<Metrics>& live) {
  const auto mine = now.find(metric);
  if (mine == now.end()) return false;
  if (!live) return true;
  const auto theirs = live->find(metric);
  if (theirs == live->end()) return true;
  return direction == Direction::kMaximize ? mine->second > theirs->second
                                           : mine->second < theirs->second;
}

std::map<std::string, std::string> to_metadata(const Metrics& metrics) {
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : metrics) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.17g", value);
    result[std::string(kPrefix) + name] = text.data();
  }
  return result;
}

Metrics from_metadata(const Json& metadata) {
  Metrics metrics;
  if (metadata.is_object())
    for (const auto& [key, value] : metadata.items())
      if (key.starts_with(kPrefix) && value.is_string())
        if (const auto number = base::parse_number(value.get<std::string>()))
          metrics[key.substr(kPrefix.size())] = *number;
  return metrics;
}

}  // namespace slipway::ship
