#include "pipelines/run.h"

#include <algorithm>
#include <array>
#include <utility>

namespace slipway::pipelines {
namespace {

constexpr std::array<std::pair<RunStatus, std::string_view>, 5> kStatuses{{
    {RunStatus::kExecuting, "Executing"},
    {RunStatus::kStopping, "Stopping"},
    {RunStatus::kStopped, "Stopped"},
    {RunStatus::kFailed, "Failed"},
    {RunStatus::kSucceeded, "Succeeded"},
}};

constexpr std::array<std::pair<Happening, std::string_view>, 12> kHappenings{{
    {Happening::kExecutionStarted, "ExecutionStarted"},
    {Happening::kExecutionStopping, "ExecutionStopping"},
    {Happening::kExecutionRetried, "ExecutionRetried"},
    {Happening::kExecutionEnded, "ExecutionEnded"},
    {Happening::kStepStarting, "StepStarting"},
    {Happening::kStepStarted, "StepStarted"},
    {Happening::kStepRetrying, "StepRetrying"},
    {Happening::kStepStopping, "StepStopping"},
    {Happening::kStepStopped, "StepStopped"},
    {Happening::kStepSucceeded, "StepSucceeded"},
    {Happening::kStepFailed, "StepFailed"},
    {Happening::kStepReused, "StepReused"},
}};

template <class Table, class Value>
std::string_view text_in(const Table& table, Value value) {
  return std::find_if(table.begin(), table.end(),
                      [&](const auto& each) { return each.first == value; })
      ->second;
}

template <class Value, std::size_t count>
std::optional<Value> value_in(const std::array<std::pair<Value, std::string_view>, count>& table,
                              std::string_view text) {
  for (const auto& [value, known] : table) {
    if (known == text) return value;
  }
  return std::nullopt;
}

std::optional<base::Millis> time_in(const Json& detail, const char* member) {
  const auto found = detail.find(member);
  if (found == detail.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<base::Millis>();
}

void take_texts(StepState& state, const Json& detail) {
  if (detail.contains("Metadata")) state.metadata = detail["Metadata"];
  if (detail.contains("Output")) state.output = detail["Output"];
  if (detail.contains("CacheKey")) state.cache_key = base::text_or(detail, "CacheKey");
}

void end(StepState& state, Phase phase, const HistoryEvent& event) {
  state.phase = phase;
  state.ended = event.at;
  state.reason = base::text_or(event.detail, "Reason");
  take_texts(state, event.detail);
  state.busy = state.look_again = false;
}

int next_order(const Run& run) {
  int last = 0;
  for (const StepState& state : run.steps) last = std::max(last, state.order);
  return last + 1;
}

void begin(Run& run, StepState& state, const HistoryEvent& event) {
  if (state.order == 0) state.order = next_order(run);
  state.ready = time_in(event.detail, "Ready");
  state.started = time_in(event.detail, "Started").value_or(event.at);
  if (!state.first_started) state.first_started = state.started;
  state.ended.reset();
}

void apply_to_step(Run& run, StepState& state, const HistoryEvent& event) {
  const Json& detail = event.detail;
  switch (event.what) {
    case Happening::kStepStarting:
      begin(run, state, event);
      state.phase = Phase::kStarting;
      state.attempt = static_cast<int>(base::integer_or(detail, "Attempt", state.attempt + 1));
      state.name = base::text_or(detail, "Name");
      state.token = base::text_or(detail, "Token");
      state.subject.clear();
      state.reason.clear();
      state.metadata = Json::object();
      state.busy = state.look_again = state.watched = false;
      state.turn_at.reset();
      break;
    case Happening::kStepStarted:
      state.phase = Phase::kRunning;
      state.subject = base::text_or(detail, "Subject");
      take_texts(state, detail);
      break;
    case Happening::kStepRetrying:
      state.phase = Phase::kRetrying;
      ++state.retries;
      state.not_before = base::integer_or(detail, "NotBefore", event.at);
      state.reason = base::text_or(detail, "Reason");
      state.busy = state.look_again = false;
      break;
    case Happening::kStepStopping:
      state.phase = Phase::kStopping;
      break;
    case Happening::kStepStopped:
      end(state, Phase::kStopped, event);
      break;
    case Happening::kStepSucceeded:
    case Happening::kStepFailed:
      // Steps without anything to start have no event of their start.
      if (detail.contains("Started")) {
        begin(run, state, event);
        ++state.attempt;
      }
      end(state, event.what == Happening::kStepFailed ? Phase::kFailed : Phase::kSucceeded, event);
      state.cache_source = base::text_or(detail, "CacheSource");
      break;
    case Happening::kStepReused:
      begin(run, state, event);
      end(state, Phase::kReused, event);
      state.cache_source = base::text_or(detail, "Source");
      break;
    default:
      break;
  }
}

void resume(Run& run, const HistoryEvent& event) {
  run.status = RunStatus::kExecuting;
  run.resumed = event.at;
  run.ended.reset();
  run.failure_reason.clear();
  run.info.parallelism =
      static_cast<int>(base::integer_or(event.detail, "Parallelism", run.info.parallelism));
  for (StepState& state : run.steps) {
    if (state.phase != Phase::kFailed && state.phase != Phase::kStopped) continue;
    StepState fresh;
    fresh.attempt = state.attempt;  // names of jobs are never used again
    fresh.order = state.order;
    state = std::move(fresh);
  }
}

}  // namespace

std::string_view text_of(RunStatus status) { return text_in(kStatuses, status); }
std::optional<RunStatus> parse_run_status(std::string_view text) {
  return value_in(kStatuses, text);
}
std::string_view text_of(Happening happening) { return text_in(kHappenings, happening); }
std::optional<Happening> parse_happening(std::string_view text) {
  return value_in(kHappenings, text);
}

bool Run::has_ended() const {
  return status != RunStatus::kExecuting && status != RunStatus::kStopping;
}

Run new_run(ExecutionInfo info) {
  Run run;
  run.steps.resize(info.definition->steps.size());
  run.resumed = info.started;
  run.info = std::move(info);
  return run;
}

void apply(Run& run, const HistoryEvent& event) {
  run.sequence = event.sequence;
  switch (event.what) {
    case Happening::kExecutionStarted:
      run.resumed = event.at;
      return;
    case Happening::kExecutionStopping:
      run.status = RunStatus::kStopping;
      return;
    case Happening::kExecutionRetried:
      return resume(run, event);
    case Happening::kExecutionEnded:
      run.status = parse_run_status(base::text_or(event.detail, "Status")).value_or(run.status);
      run.failure_reason = base::text_or(event.detail, "FailureReason");
      run.ended = event.at;
      return;
    default:
      break;
  }
  const auto found = run.info.definition->by_name.find(event.step);
  if (found == run.info.definition->by_name.end()) return;
  apply_to_step(run, run.steps[found->second], event);
}

bool is_excluded(const Run& run, std::size_t step) {
  const auto& selected = run.info.selected;
  if (selected.empty()) return false;
  const auto& steps = run.info.definition->steps;
  for (std::optional<std::size_t> at = step; at; at = steps[*at].condition) {
    if (std::find(selected.begin(), selected.end(), steps[*at].name) != selected.end())
      return false;
  }
  return true;
}

bool is_skipped(const Run& run, std::size_t step) {
  const auto& steps = run.info.definition->steps;
  for (std::size_t at = step; steps[at].condition; at = *steps[at].condition) {
    const StepState& condition = run.steps[*steps[at].condition];
    if (condition.phase != Phase::kSucceeded && condition.phase != Phase::kReused) continue;
    const bool outcome = base::text_or(condition.output, "Outcome") == "True";
    if (outcome != steps[at].branch) return true;
  }
  return false;
}

}  // namespace slipway::pipelines
