#include "pipelines/executions.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "pipelines/deciding.h"

namespace slipway::pipelines {
namespace {

using base::text_or;

// Documents keep these beside what Describe… answers.
constexpr const char* kParameters = "Parameters";
constexpr const char* kEnded = "Ended";
constexpr const char* kRole = "RoleArn";

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

[[noreturn]] void not_found(const std::string& arn) {
  throw Error("ResourceNotFound", "Pipeline execution '" + arn + "' does not exist.");
}

void copy(const Json& from, Json& to, std::initializer_list<const char*> members) {
  for (const char* member : members) {
    if (from.contains(member)) to[member] = from[member];
  }
}

ExecutionKey key_of(const store::Resource& execution) {
  return {execution.account, execution.name};
}

std::string arn_in(const Json& input) { return text_or(input, "PipelineExecutionArn"); }

std::string joined(const std::vector<std::string>& names) { return base::join(names, ", "); }

ExecutionSummary summary_of(const store::Resource& execution) {
  const Json& document = execution.document;
  ExecutionSummary summary;
  summary.arn = text_or(document, "PipelineExecutionArn");
  summary.pipeline = text_or(document, "PipelineName");
  summary.display_name = text_or(document, "PipelineExecutionDisplayName");
  summary.status = execution.status;
  summary.failure_reason = text_or(document, "FailureReason");
  for (const auto& [name, value] : base::object_or_empty(document, kParameters).items()) {
    summary.parameters[name] = text_in_join(value);
  }
  summary.started = execution.created;
  summary.modified = execution.modified;
  if (document.contains(kEnded)) summary.ended = base::integer_or(document, kEnded, 0);
  return summary;
}

// PipelineExperimentConfig with its expressions resolved; null where it cannot be.
Json experiment_of(const Run& run, base::Millis now) {
  const Json& config = run.info.definition->experiment;
  if (!config.is_object()) return nullptr;
  try {
    return resolve(config, scope_of(run, 0, 1, now));
  } catch (const Error&) {
    return nullptr;
  }
}

const char* status_of(const StepState& state, StepType type) {
  switch (state.phase) {
    case Phase::kStarting:
      // A function is called, and files are read, while the step starts.
      return type == StepType::kLambda || type == StepType::kCondition ? "Executing" : "Starting";
    case Phase::kRunning:
    case Phase::kRetrying:
      return "Executing";
    case Phase::kStopping:
      return "Stopping";
    case Phase::kStopped:
      return "Stopped";
    case Phase::kFailed:
      return "Failed";
    default:
      return "Succeeded";
  }
}

StepSummary step_summary(const Step& step, const StepState& state) {
  StepSummary summary;
  summary.name = step.name;
  summary.type = std::string(text_of(step.type));
  summary.status = status_of(state, step.type);
  summary.failure_reason = state.reason;
  summary.attempts = std::max(1, state.attempt);
  summary.ready = state.ready;
  summary.started = state.first_started;
  summary.ended = state.ended;
  summary.metadata = state.metadata;
  return summary;
}

Json step_json(const Step& step, const StepState& state) {
  const StepSummary summary = step_summary(step, state);
  Json json{{"StepName", summary.name},
            {"StepStatus", summary.status},
            {"AttemptCount", summary.attempts}};
  if (!step.display_name.empty()) json["StepDisplayName"] = step.display_name;
  if (!step.description.empty()) json["StepDescription"] = step.description;
  if (summary.started) json["StartTime"] = base::epoch_seconds(*summary.started);
  if (summary.ended) json["EndTime"] = base::epoch_seconds(*summary.ended);
  if (!summary.failure_reason.empty()) json["FailureReason"] = summary.failure_reason;
  if (!summary.metadata.empty()) json["Metadata"] = summary.metadata;
  if (!state.cache_source.empty()) {
    const char* member =
        state.phase == Phase::kReused ? "SelectiveExecutionResult" : "CacheHitResult";
    json[member] = {{"SourcePipelineExecutionArn", state.cache_source}};
  }
  return json;
}

// Indices of the steps that have come to be, in their order.
std::vector<std::size_t> visible_steps(const Run& run) {
  std::vector<std::size_t> steps;
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    if (run.steps[i].phase != Phase::kWaiting) steps.push_back(i);
  }
  std::sort(steps.begin(), steps.end(),
            [&](std::size_t a, std::size_t b) { return run.steps[a].order < run.steps[b].order; });
  return steps;
}

}  // namespace

Json parameter_values(const Definition& definition, const Json& given) {
  std::map<std::string, Json> texts;
  for (const Json& each : given) texts[text_or(each, "Name")] = text_or(each, "Value");
  Json values = Json::object();
  std::vector<std::string> missing;
  for (const Parameter& parameter : definition.parameters) {
    const auto found = texts.find(parameter.name);
    if (found == texts.end()) {
      if (parameter.otherwise)
        values[parameter.name] = *parameter.otherwise;
      else
        missing.push_back(parameter.name);
      continue;
    }
    const auto typed = as_type(parameter.type, found->second);
    if (!typed) {
      refuse("The value '" + text_in_join(found->second) + "' of the parameter '" + parameter.name +
             "' is not of its declared type.");
    }
    const auto& allowed = parameter.values;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), *typed) == allowed.end()) {
      refuse("The value '" + text_in_join(found->second) + "' of the parameter '" + parameter.name +
             "' is not among its EnumValues.");
    }
    values[parameter.name] = *typed;
    texts.erase(found);
  }
  std::vector<std::string> unknown;
  for (const auto& [name, value] : texts) unknown.push_back(name);
  if (!unknown.empty()) {
    refuse("Assignment(s) provided for undefined parameter(s): [" + joined(unknown) + "]");
  }
  if (!missing.empty()) {
    refuse("Value(s) not provided for parameter(s): [" + joined(missing) + "]");
  }
  return values;
}

std::vector<StepSummary> step_summaries(const Run& run) {
  std::vector<StepSummary> summaries;
  for (const std::size_t index : visible_steps(run)) {
    summaries.push_back(step_summary(run.info.definition->steps[index], run.steps[index]));
  }
  return summaries;
}

Executions::Executions(const PipelineStore& store, const base::Clock& clock, const Catalog& catalog,
                       Executor& executor, std::size_t most_unfinished)
    : store_(store),
      clock_(clock),
      catalog_(catalog),
      executor_(executor),
      most_unfinished_(most_unfinished) {}

store::Resource Executions::find(store::Reader& reader, const std::string& account,
                                 const std::string& arn) const {
  const auto parsed = base::parse_arn(arn);
  auto found = parsed && parsed->account == account
                   ? store::find(reader, account, kExecutionKind, base::name_of(arn))
                   : std::nullopt;
  if (!found) not_found(arn);
  return std::move(*found);
}

std::string request_on(const std::string& operation, const std::string& what) {
  return operation + "/" + base::lower(base::name_of(what));
}

std::optional<std::string> Executions::answered(const std::string& account,
                                                const std::string& request,
                                                const Json& input) const {
  const std::string token = text_or(input, "ClientRequestToken");
  if (token.empty()) return std::nullopt;
  return store_.database().read(
      [&](store::Reader& reader) { return store_.answer(reader, account, request, token); });
}

std::unique_ptr<Run> Executions::load(const std::string& account, const std::string& arn) const {
  return store_.database().read([&](store::Reader& reader) {
    auto run = store_.load(reader, key_of(find(reader, account, arn)));
    if (!run) not_found(arn);
    return run;
  });
}

Json Executions::start(const std::string& account, const Json& input, const Json& creator) {
  const std::string token = text_or(input, "ClientRequestToken");
  const std::string request = request_on("StartPipelineExecution", text_or(input, "PipelineName"));
  if (const auto before = answered(account, request, input)) {
    return {{"PipelineExecutionArn", *before}};
  }
  if (executor_.unfinished() >= most_unfinished_) {
    throw Error("ResourceLimitExceeded", "The limit of " + std::to_string(most_unfinished_) +
                                             " pipeline executions that have not ended is reached");
  }
  const base::Millis now = clock_.now();
  store::Resource execution;
  execution.account = account;
  execution.kind = kExecutionKind;
  execution.name = base::random_text(12, "abcdefghijklmnopqrstuvwxyz0123456789");
  execution.status = "Executing";
  execution.created = execution.modified = now;
  Json& document = execution.document;
  document = Json::object();

  ExecutionInfo info;
  store_.database().read([&](store::Reader& reader) {
    const store::Resource pipeline = catalog_.find(reader, account, text_or(input, "PipelineName"));
    execution.parent = pipeline.name;
    copy(pipeline.document, document,
         {"PipelineArn", "PipelineName", kRole, "ParallelismConfiguration"});
    info.pipeline_version = base::integer_or(input, "PipelineVersionId",
                                             base::integer_or(pipeline.document, kLastVersion, 1));
    const auto version = store_.version(reader, account, pipeline.name, info.pipeline_version);
    if (!version) {
      throw Error("ResourceNotFound", "Pipeline '" + text_or(document, "PipelineArn") +
                                          "' has no version " +
                                          std::to_string(info.pipeline_version) + ".");
    }
    info.definition =
        store_.definition(account, pipeline.name, info.pipeline_version, version->definition);
  });
  copy(input, document,
       {"PipelineExecutionDescription", "ParallelismConfiguration", "SelectiveExecutionConfig"});
  info.account = account;
  info.id = execution.name;
  info.pipeline = text_or(document, "PipelineName");
  info.pipeline_arn = text_or(document, "PipelineArn");
  info.arn = info.pipeline_arn + "/execution/" + info.id;
  info.role = text_or(document, kRole);
  info.started = now;
  info.parameters =
      parameter_values(*info.definition, base::array_or_empty(input, "PipelineParameters"));
  info.parallelism = static_cast<int>(base::integer_or(
      base::object_or_empty(document, "ParallelismConfiguration"), "MaxParallelExecutionSteps", 0));
  const Json selective = base::object_or_empty(input, "SelectiveExecutionConfig");
  for (const Json& step : base::array_or_empty(selective, "SelectedSteps")) {
    info.selected.push_back(text_or(step, "StepName"));
  }

  auto run = std::make_unique<Run>(new_run(std::move(info)));
  document["PipelineExecutionArn"] = run->info.arn;
  document["PipelineExecutionDisplayName"] =
      text_or(input, "PipelineExecutionDisplayName", "execution-" + std::to_string(now));
  document["PipelineVersionId"] = run->info.pipeline_version;
  document[kParameters] = run->info.parameters;
  if (creator.is_object()) document["CreatedBy"] = creator;
  const Json experiment = experiment_of(*run, now);
  if (experiment.is_object()) document["PipelineExperimentConfig"] = experiment;

  Decision decision;
  Recorder(*run, now, decision).record(Happening::kExecutionStarted, "", Json::object());
  if (!run->info.selected.empty()) {
    const std::string source_arn = text_or(selective, "SourcePipelineExecutionArn");
    const auto source = source_arn.empty() ? nullptr : load(account, source_arn);
    if (source && source->info.pipeline_arn != run->info.pipeline_arn) {
      refuse("SourcePipelineExecutionArn names an execution of another pipeline.");
    }
    if (source && !source->has_ended()) {
      refuse(
          "SourcePipelineExecutionArn names an execution that has not ended: its results may "
          "still change.");
    }
    reuse_steps(*run, source.get(), now, decision);
  }

  const std::string arn = run->info.arn;
  const std::string recorded = store_.database().write([&](store::Transaction& transaction) {
    if (const auto before = store_.answer(transaction, account, request, token)) {
      return *before;
    }
    store::Resource pipeline = catalog_.find(transaction, account, run->info.pipeline);
    pipeline.document["LastRunTime"] = base::epoch_seconds(now);
    pipeline.document[kLastExecutions][std::to_string(run->info.pipeline_version)] = arn;
    store::update(transaction, pipeline);
    store::create(transaction, execution);
    store_.record(transaction, *run, decision);
    store_.remember(transaction, account, request, token, execution.parent, arn);
    append_event(transaction, *run, document, "PipelineExecution.Started", now);
    return arn;
  });
  if (recorded == arn) executor_.begin(std::move(run));
  return {{"PipelineExecutionArn", recorded}};
}

Json Executions::describe(const std::string& account, const Json& input) const {
  const store::Resource execution = store_.database().read(
      [&](store::Reader& reader) { return find(reader, account, arn_in(input)); });
  Json output = execution.document;
  for (const char* member : {kParameters, kEnded, kRole, "PipelineName"}) output.erase(member);
  output["PipelineExecutionStatus"] = execution.status;
  output["CreationTime"] = base::epoch_seconds(execution.created);
  output["LastModifiedTime"] = base::epoch_seconds(execution.modified);
  if (output.contains("CreatedBy") && !output.contains("LastModifiedBy")) {
    output["LastModifiedBy"] = output["CreatedBy"];
  }
  return output;
}

Json Executions::list(const std::string& account, const Json& input) const {
  return store_.database().read([&](store::Reader& reader) {
    const store::Resource pipeline = catalog_.find(reader, account, text_or(input, "PipelineName"));
    store::ListQuery query = list_query(account, kExecutionKind, input);
    query.parent = pipeline.name;
    const store::Page page = store::list(reader, query);
    Json summaries = Json::array();
    for (const store::Resource& execution : page.items) {
      Json summary{{"StartTime", base::epoch_seconds(execution.created)},
                   {"PipelineExecutionStatus", execution.status}};
      copy(
          execution.document, summary,
          {"PipelineExecutionArn", "PipelineExecutionDescription", "PipelineExecutionDisplayName"});
      if (execution.document.contains("FailureReason")) {
        summary["PipelineExecutionFailureReason"] = execution.document["FailureReason"];
      }
      summaries.push_back(std::move(summary));
    }
    Json output{{"PipelineExecutionSummaries", std::move(summaries)}};
    if (!page.next_token.empty()) output["NextToken"] = page.next_token;
    return output;
  });
}

Json Executions::list_steps(const std::string& account, const Json& input) const {
  const auto run = load(account, arn_in(input));
  std::vector<std::size_t> steps = visible_steps(*run);
  const bool ascending = text_or(input, "SortOrder", "Descending") == "Ascending";
  if (!ascending) std::reverse(steps.begin(), steps.end());
  const std::string what = "steps/" + run->info.id + (ascending ? "/up" : "/down");
  const Slice slice = slice_of(steps.size(), what, input, 100);
  Json output{{"PipelineExecutionSteps", Json::array()}};
  for (std::size_t i = slice.begin; i < slice.end; ++i) {
    output["PipelineExecutionSteps"].push_back(
        step_json(run->info.definition->steps[steps[i]], run->steps[steps[i]]));
  }
  if (!slice.next_token.empty()) output["NextToken"] = slice.next_token;
  return output;
}

Json Executions::list_parameters(const std::string& account, const Json& input) const {
  const store::Resource execution = store_.database().read(
      [&](store::Reader& reader) { return find(reader, account, arn_in(input)); });
  Json all = Json::array();
  for (const auto& [name, value] : base::object_or_empty(execution.document, kParameters).items()) {
    all.push_back({{"Name", name}, {"Value", text_in_join(value)}});
  }
  const Slice slice = slice_of(all.size(), "parameters/" + execution.name, input, 100);
  Json output{{"PipelineParameters", Json::array()}};
  for (std::size_t i = slice.begin; i < slice.end; ++i) {
    output["PipelineParameters"].push_back(all[i]);
  }
  if (!slice.next_token.empty()) output["NextToken"] = slice.next_token;
  return output;
}

Json Executions::describe_definition(const std::string& account, const Json& input) const {
  return store_.database().read([&](store::Reader& reader) -> Json {
    const store::Resource execution = find(reader, account, arn_in(input));
    const auto version =
        store_.version(reader, account, execution.parent,
                       base::integer_or(execution.document, "PipelineVersionId", 1));
    if (!version) not_found(arn_in(input));
    return {{"PipelineDefinition", version->definition},
            {"CreationTime", base::epoch_seconds(version->created)}};
  });
}

std::optional<ExecutionSummary> Executions::summary(const std::string& account,
                                                    const std::string& arn) const {
  const auto found = store_.database().read([&](store::Reader& reader) {
    return store::find(reader, account, kExecutionKind, base::name_of(arn));
  });
  if (!found) return std::nullopt;
  return summary_of(*found);
}

std::vector<ExecutionSummary> Executions::summaries(const std::string& account,
                                                    const std::string& pipeline, int limit) const {
  const store::Page page = store_.database().read([&](store::Reader& reader) {
    store::ListQuery query = list_query(account, kExecutionKind, Json::object());
    query.parent = base::lower(base::name_of(pipeline));
    query.limit = limit;
    return store::list(reader, query);
  });
  std::vector<ExecutionSummary> found;
  for (const store::Resource& execution : page.items) found.push_back(summary_of(execution));
  return found;
}

std::size_t Executions::count(const std::string& account, const std::string& pipeline) const {
  std::int64_t count = 0;
  store_.database().read([&](store::Reader& reader) {
    reader.query("select count(*) from resources where account = ? and kind = ? and parent = ?",
                 {account, kExecutionKind, base::lower(base::name_of(pipeline))},
                 [&](const store::Row& row) { count = row.integer(0); });
  });
  return static_cast<std::size_t>(count);
}

std::vector<StepSummary> Executions::steps(const std::string& account,
                                           const std::string& arn) const {
  return step_summaries(*load(account, arn));
}

std::vector<StepSummary> Executions::steps_ahead(const std::string& account,
                                                 const std::string& arn) const {
  const auto run = load(account, arn);
  std::vector<StepSummary> ahead;
  for (std::size_t i = 0; i < run->steps.size(); ++i) {
    if (run->steps[i].phase != Phase::kWaiting) continue;
    const Step& step = run->info.definition->steps[i];
    StepSummary summary;
    summary.name = step.name;
    summary.type = std::string(text_of(step.type));
    summary.attempts = 0;
    if (is_skipped(*run, i) || is_excluded(*run, i)) {
      summary.status = "Skipped";
    } else {
      summary.status = run->has_ended() ? "Unreached" : "Waiting";
    }
    ahead.push_back(std::move(summary));
  }
  return ahead;
}

}  // namespace slipway::pipelines
