#include "ci/decide.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <functional>
#include <map>
#include <set>
#include <string_view>

#include "base/strings.h"

namespace slipway::ci {
namespace {

using ci_config::When;

// What a set of jobs holds: a status each, or one of the two that failing jobs become where their
// failure is allowed.
constexpr std::size_t kWarnings = 12;  // failed or canceled, and allowed to
constexpr std::size_t kIgnored = 13;   // an optional manual job
using Seen = std::bitset<14>;

constexpr std::size_t bit(Status status) { return static_cast<std::size_t>(status); }

std::size_t kind_of(const Part& part) {
  if (part.allow_failure && (part.status == Status::kFailed || part.status == Status::kCanceled)) {
    return kWarnings;
  }
  if (part.allow_failure && part.status == Status::kManual) return kIgnored;
  return bit(part.status);
}

Seen set_of(std::initializer_list<std::size_t> bits) {
  Seen seen;
  for (const std::size_t each : bits) seen.set(each);
  return seen;
}

bool only(const Seen& seen, std::initializer_list<std::size_t> bits) {
  return (seen & ~set_of(bits)).none();
}

constexpr std::size_t kSuccess = bit(Status::kSuccess);
constexpr std::size_t kSkipped = bit(Status::kSkipped);
constexpr std::size_t kCreated = bit(Status::kCreated);
constexpr std::size_t kCanceled = bit(Status::kCanceled);
constexpr std::size_t kPending = bit(Status::kPending);

// The order matters: each line relies on what the lines above it have ruled out.
Status composite_of(const Seen& seen, bool dag) {
  if (seen.none()) return Status::kSuccess;
  if (dag && (seen[kSkipped] || seen[kIgnored])) return Status::kSkipped;
  if (dag && !only(seen, {kSuccess, bit(Status::kFailed), kCanceled, kSkipped, kWarnings})) {
    return Status::kPending;
  }
  if (only(seen, {kSkipped, kIgnored})) return Status::kSkipped;
  if (only(seen, {kSuccess, kSkipped, kWarnings, kIgnored})) return Status::kSuccess;
  if (only(seen, {kCreated, kWarnings, kIgnored})) return Status::kCreated;
  if (only(seen, {bit(Status::kPreparing), kWarnings, kIgnored})) return Status::kPreparing;
  if (only(seen, {kCanceled, kSuccess, kSkipped, kWarnings, kIgnored})) return Status::kCanceled;
  if (only(seen, {kPending, kCreated, kSkipped, kWarnings, kIgnored})) return Status::kPending;
  if (seen[bit(Status::kRunning)] || seen[kPending]) return Status::kRunning;
  for (const Status status :
       {Status::kWaitingForResource, Status::kManual, Status::kScheduled, Status::kPreparing}) {
    if (seen[bit(status)]) return status;
  }
  if (seen[kCreated]) return Status::kRunning;
  return seen[bit(Status::kCanceling)] ? Status::kCanceling : Status::kFailed;
}

template <class Match>
Status composite_where(const std::vector<Node>& nodes, bool dag, Match&& match) {
  Seen seen;
  for (const Node& node : nodes) {
    if (match(node)) seen.set(kind_of({node.status, node.allow_failure}));
  }
  return composite_of(seen, dag);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Created jobs, a job after those of its own stage that it needs.
std::vector<std::size_t> in_order(const std::vector<Node>& nodes) {
  std::map<std::string, std::size_t, std::less<>> by_name;
  for (std::size_t i = 0; i < nodes.size(); ++i) by_name[nodes[i].name] = i;
  std::vector<std::size_t> stages(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) stages[i] = i;
  std::stable_sort(stages.begin(), stages.end(), [&](std::size_t one, std::size_t other) {
    return nodes[one].stage < nodes[other].stage;
  });
  std::vector<std::size_t> order;
  std::vector<bool> visited(nodes.size());
  const std::function<void(std::size_t)> visit = [&](std::size_t index) {
    if (visited[index]) return;
    visited[index] = true;
    if (nodes[index].needs) {
      for (const std::string& name : *nodes[index].needs) {
        const auto found = by_name.find(name);
        if (found != by_name.end() && nodes[found->second].stage == nodes[index].stage) {
          visit(found->second);
        }
      }
    }
    if (nodes[index].status == Status::kCreated) order.push_back(index);
  };
  for (const std::size_t index : stages) visit(index);
  return order;
}

bool may_run(const Node& node, Status before) {
  switch (node.when) {
    case When::kOnSuccess:
    case When::kManual:
    case When::kDelayed:
      return before == Status::kSuccess || (!node.needs && before == Status::kSkipped);
    case When::kOnFailure:
      return before == Status::kFailed;
    case When::kAlways:
      return before != Status::kCanceled;
    case When::kNever:
      return false;
  }
  return false;
}

Next next_of(const Node& node, Status before) {
  if (!may_run(node, before)) return Next::kSkip;
  if (!node.immediate && node.when == When::kDelayed) return Next::kDelay;
  if (!node.immediate && node.when == When::kManual) return Next::kWaitForHuman;
  return Next::kEnqueue;
}

Status status_after(Next next, const Node& node) {
  switch (next) {
    case Next::kSkip:
      return Status::kSkipped;
    case Next::kWaitForHuman:
      return Status::kManual;
    case Next::kDelay:
      return Status::kScheduled;
    case Next::kEnqueue:
      return node.has_resource ? Status::kWaitingForResource : Status::kPending;
  }
  return Status::kSkipped;
}

// A job that a repetition cannot help.
constexpr std::array<std::string_view, 5> kNeverRetried{
    "missing_dependency_failure", "no_matching_runner", "ci_quota_exceeded",
    "forward_deployment_failure", "environment_creation_failure"};

}  // namespace

Status composite(const std::vector<Part>& parts, bool dag) {
  Seen seen;
  for (const Part& part : parts) seen.set(kind_of(part));
  return composite_of(seen, dag);
}

Node node_of(const Job& job) {
  Node node{.name = job.spec.name,
            .stage = job.spec.stage_index,
            .status = job.status,
            .allow_failure = job.spec.allow_failure,
            .when = job.spec.when,
            .immediate = job.immediate,
            .has_resource = !job.spec.resource_group.empty(),
            .needs = std::nullopt};
  if (job.spec.needs) {
    node.needs.emplace();
    for (const ci_config::Need& need : *job.spec.needs) {
      if (need.project.empty() && need.pipeline.empty()) node.needs->push_back(need.job);
    }
  }
  return node;
}

std::vector<Step> process(std::vector<Node> nodes) {
  std::vector<Step> steps;
  for (const std::size_t index : in_order(nodes)) {
    Node& node = nodes[index];
    const Status before =
        node.needs
            ? composite_where(nodes, true,
                              [&](const Node& each) { return contains(*node.needs, each.name); })
            : composite_where(nodes, false,
                              [&](const Node& each) { return each.stage < node.stage; });
    if (!is_complete(before)) continue;
    const Next next = next_of(node, before);
    node.status = status_after(next, node);
    steps.push_back({index, next});
  }
  return steps;
}

Status pipeline_status(Status now, const std::vector<Node>& nodes) {
  const Status next = composite_where(nodes, false, [](const Node&) { return true; });
  if (next == Status::kCreated) return now;
  const bool has_run = now == Status::kRunning || now == Status::kSuccess ||
                       now == Status::kFailed || now == Status::kCanceled;
  return next == Status::kPending && has_run ? Status::kRunning : next;
}

Status stage_status(Status now, const std::vector<Node>& nodes, int stage) {
  const Status next =
      composite_where(nodes, false, [&](const Node& node) { return node.stage == stage; });
  return next == Status::kCreated ? now : next;
}

std::vector<std::size_t> to_reset(const std::vector<Node>& nodes, std::size_t node) {
  std::set<std::string> reached{nodes[node].name};
  for (bool grew = true; grew;) {
    grew = false;
    for (const Node& each : nodes) {
      if (!each.needs || reached.contains(each.name)) continue;
      if (std::any_of(each.needs->begin(), each.needs->end(),
                      [&](const std::string& need) { return reached.contains(need); })) {
        grew = reached.insert(each.name).second;
      }
    }
  }
  std::vector<std::size_t> reset;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (i == node || nodes[i].status != Status::kSkipped) continue;
    if (nodes[i].stage > nodes[node].stage || reached.contains(nodes[i].name)) reset.push_back(i);
  }
  return reset;
}

bool is_cancelable(Status status) {
  return !is_complete(status) && status != Status::kManual && status != Status::kCanceling;
}

bool is_playable(const Job& job) {
  // A bridge with a pipeline mirrors its status: there is nothing to start.
  if (job.retried || job.external || job.downstream) return false;
  return job.status == Status::kManual || job.status == Status::kScheduled;
}

bool is_retryable(const Job& job) {
  if (job.retried || job.external) return false;
  if (job.is_bridge() && (job.failure_reason == "pipeline_loop_detected" ||
                          job.failure_reason == "reached_max_descendant_pipelines_depth")) {
    return false;
  }
  return job.status == Status::kSuccess || job.status == Status::kFailed ||
         job.status == Status::kCanceled;
}

bool retries_itself(const ci_config::Retry& retry, int attempt, const std::string& reason,
                    std::optional<int> exit_code) {
  if (std::find(kNeverRetried.begin(), kNeverRetried.end(), reason) != kNeverRetried.end()) {
    return false;
  }
  if (attempt > retry.max) return false;
  if (exit_code && std::find(retry.exit_codes.begin(), retry.exit_codes.end(), *exit_code) !=
                       retry.exit_codes.end()) {
    return true;
  }
  if (retry.when.empty()) return retry.exit_codes.empty();
  return contains(retry.when, "always") || contains(retry.when, reason);
}

bool is_forgiven(const ci_config::JobSpec& spec, std::optional<int> exit_code) {
  const auto& codes = spec.allow_failure_exit_codes;
  return exit_code && std::find(codes.begin(), codes.end(), *exit_code) != codes.end();
}

std::optional<Status> inherited(const std::string& strategy, Status downstream) {
  if (strategy != "depend" && strategy != "mirror") return std::nullopt;
  const bool mirror = strategy == "mirror";
  switch (downstream) {
    case Status::kSuccess:
    case Status::kCanceled:
    case Status::kFailed:
      return downstream;
    case Status::kSkipped:
      return mirror ? Status::kSkipped : Status::kFailed;
    case Status::kManual:
      if (mirror) return Status::kManual;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::vector<std::size_t> redundant(const std::string& mode, const std::vector<Job>& jobs) {
  if (mode == "none") return {};
  const bool conservative = mode != "interruptible";
  std::vector<std::size_t> cancel;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (conservative && jobs[i].started && !jobs[i].spec.interruptible) return {};
    if (!is_cancelable(jobs[i].status) || jobs[i].external) continue;
    if (conservative || jobs[i].spec.interruptible) cancel.push_back(i);
  }
  return cancel;
}

bool fits(const Runner& runner, const Job& job, bool ref_protected) {
  if (runner.paused || (runner.only_protected && !ref_protected)) return false;
  if (runner.type == "project_type" && runner.project && *runner.project != job.project) {
    return false;
  }
  if (job.spec.tags.empty()) return runner.run_untagged;
  return std::all_of(job.spec.tags.begin(), job.spec.tags.end(),
                     [&](const std::string& tag) { return contains(runner.tags, tag); });
}

std::string why_stuck(const std::vector<Runner>& runners, const Job& job, bool ref_protected) {
  const bool has_runner = std::any_of(runners.begin(), runners.end(), [&](const Runner& runner) {
    return fits(runner, job, ref_protected);
  });
  if (has_runner) return "";
  if (job.spec.tags.empty()) return "no active runner may take it";
  return "no active runner has the tags " + base::join(job.spec.tags, ", ");
}

base::Millis stuck_at(base::Millis queued, bool has_runner) {
  constexpr base::Millis kHour = 3'600'000;
  return queued + (has_runner ? 24 * kHour : kHour);
}

std::vector<std::size_t> artifact_sources(const std::vector<Job>& jobs, const Job& of) {
  std::vector<std::size_t> sources;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Job& job = jobs[i];
    if (job.id == of.id || job.retried || job.external || job.is_bridge()) continue;
    bool wanted = false;
    if (of.spec.needs) {
      for (const ci_config::Need& need : *of.spec.needs) {
        if (need.project.empty() && need.pipeline.empty() && need.job == job.spec.name) {
          wanted = need.artifacts;
        }
      }
    } else {
      wanted = job.spec.stage_index < of.spec.stage_index;
    }
    if (wanted && of.spec.dependencies) {
      wanted = contains(*of.spec.dependencies, job.spec.name) ||
               contains(*of.spec.dependencies, job.spec.base_name);
    }
    if (wanted) sources.push_back(i);
  }
  std::stable_sort(sources.begin(), sources.end(), [&](std::size_t one, std::size_t other) {
    const auto& first = jobs[one].spec;
    const auto& second = jobs[other].spec;
    return first.stage_index < second.stage_index;
  });
  return sources;
}

base::Millis overdue_at(const Liveness& job) {
  return std::min(job.started + job.timeout + job.grace, job.contacted + job.heartbeat);
}

std::optional<Overdue> overdue(const Liveness& job, base::Millis now) {
  if (now >= job.started + job.timeout + job.grace) return Overdue{"job_execution_timeout"};
  if (now >= job.contacted + job.heartbeat) return Overdue{"stuck_or_timeout_failure"};
  return std::nullopt;
}

}  // namespace slipway::ci
