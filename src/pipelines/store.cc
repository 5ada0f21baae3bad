#include "pipelines/store.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "store/outbox.h"

namespace slipway::pipelines {
namespace {

// Executions removed in one transaction.
constexpr int kRemovedAtOnce = 100;

const std::vector<std::string>& tables() {
  static const std::vector<std::string> statements{
      "create table if not exists pipeline_versions (account text not null, pipeline text not "
      "null, version bigint not null, created bigint not null, definition text not null, "
      "document text not null, primary key (account, pipeline, version))",
      "create table if not exists pipeline_history (execution text not null, sequence bigint not "
      "null, at bigint not null, type text not null, step text not null, detail text not null, "
      "primary key (execution, sequence))",
      "create table if not exists pipeline_waits (subject text not null, execution text not null, "
      "step text not null, account text not null, attempt bigint not null, open bigint not null, "
      "primary key (subject, execution, step))",
      "create index if not exists pipeline_waits_by_execution on pipeline_waits (execution, step)",
      "create table if not exists pipeline_cache (account text not null, pipeline text not null, "
      "key text not null, execution text not null, step text not null, at bigint not null, "
      "primary key (account, pipeline, key))",
      "create table if not exists pipeline_tokens (account text not null, operation text not "
      "null, token text not null, pipeline text not null, answer text not null, "
      "primary key (account, operation, token))",
  };
  return statements;
}

bool ends_step(Happening what) {
  return what == Happening::kStepSucceeded || what == Happening::kStepFailed ||
         what == Happening::kStepStopped || what == Happening::kStepRetrying;
}

Wait wait_of(const store::Row& row) {
  return {.execution = {.account = row.text(0), .id = row.text(1)},
          .step = row.text(2),
          .attempt = static_cast<int>(row.integer(3)),
          .open = row.integer(4) != 0};
}

HistoryEvent event_of(const store::Row& row) {
  HistoryEvent event;
  event.sequence = row.integer(0);
  event.at = row.integer(1);
  const auto what = parse_happening(row.text(2));
  if (!what) base::throw_internal("an execution's history holds the unknown event " + row.text(2));
  event.what = *what;
  event.step = row.text(3);
  event.detail = base::parse_json(row.text(4), "a stored event of an execution");
  return event;
}

ExecutionInfo info_of(const store::Resource& execution) {
  const Json& document = execution.document;
  ExecutionInfo info;
  info.account = execution.account;
  info.id = execution.name;
  info.arn = base::text_or(document, "PipelineExecutionArn");
  info.pipeline = base::text_or(document, "PipelineName");
  info.pipeline_arn = base::text_or(document, "PipelineArn");
  info.pipeline_version = base::integer_or(document, "PipelineVersionId", 1);
  info.role = base::text_or(document, "RoleArn");
  info.started = execution.created;
  info.parameters = base::object_or_empty(document, "Parameters");
  info.parallelism = static_cast<int>(base::integer_or(
      base::object_or_empty(document, "ParallelismConfiguration"), "MaxParallelExecutionSteps", 0));
  const Json& selective = base::object_or_empty(document, "SelectiveExecutionConfig");
  for (const Json& step : base::array_or_empty(selective, "SelectedSteps")) {
    info.selected.push_back(base::text_or(step, "StepName"));
  }
  return info;
}

// Somebody is to answer a Callback step.
void append_question(store::Transaction& transaction, const Run& run, const HistoryEvent& event) {
  const Json& callback =
      base::object_or_empty(base::object_or_empty(event.detail, "Metadata"), "Callback");
  store::append(transaction,
                {.at = event.at,
                 .account = run.info.account,
                 .type = "PipelineExecution.CallbackWaiting",
                 .subject = run.info.arn,
                 .detail = {{"PipelineName", run.info.pipeline},
                            {"PipelineArn", run.info.pipeline_arn},
                            {"Step", event.step},
                            {"CallbackToken", base::text_or(callback, "CallbackToken")},
                            {"SqsQueueUrl", base::text_or(callback, "SqsQueueUrl")},
                            {"Arguments", event.detail["Arguments"]}}});
}

}  // namespace

PipelineStore::PipelineStore(store::Database& database, const base::Clock& clock)
    : database_(database), clock_(clock) {
  database_.migrate(tables());
}

std::optional<PipelineVersion> PipelineStore::version(store::Reader& reader,
                                                      const std::string& account,
                                                      const std::string& pipeline,
                                                      std::int64_t version) const {
  std::optional<PipelineVersion> found;
  reader.query(
      "select version, created, definition, document from pipeline_versions"
      " where account = ? and pipeline = ? and version = ?",
      {account, pipeline, version}, [&](const store::Row& row) {
        found = PipelineVersion{row.integer(0), row.integer(1), row.text(2),
                                base::parse_json(row.text(3), "a stored version of a pipeline")};
      });
  return found;
}

void PipelineStore::put_version(store::Transaction& transaction, const std::string& account,
                                const std::string& pipeline, const PipelineVersion& version) const {
  transaction.execute(
      "insert into pipeline_versions (account, pipeline, version, created, definition, document)"
      " values (?, ?, ?, ?, ?, ?) on conflict (account, pipeline, version)"
      " do update set document = excluded.document",
      {account, pipeline, version.version, version.created, version.definition,
       base::dump_json(version.document)});
}

std::optional<std::string> PipelineStore::answer(store::Reader& reader, const std::string& account,
                                                 const std::string& operation,
                                                 const std::string& token) const {
  std::optional<std::string> found;
  if (token.empty()) return found;
  reader.query(
      "select answer from pipeline_tokens where account = ? and operation = ? and token = ?",
      {account, operation, token}, [&](const store::Row& row) { found = row.text(0); });
  return found;
}

void PipelineStore::remember(store::Transaction& transaction, const std::string& account,
                             const std::string& operation, const std::string& token,
                             const std::string& pipeline, const std::string& answer) const {
  if (token.empty()) return;
  transaction.execute(
      "insert into pipeline_tokens (account, operation, token, pipeline, answer)"
      " values (?, ?, ?, ?, ?) on conflict (account, operation, token) do nothing",
      {account, operation, token, pipeline, answer});
}

bool PipelineStore::record(store::Transaction& transaction, const Run& run,
                           const Decision& decision) const {
  if (decision.events.empty()) return true;
  if (decision.status_changed) {
    auto execution = store::find(transaction, run.info.account, kExecutionKind, run.info.id);
    if (!execution) return false;
    record_status(transaction, run, std::move(*execution));
  }
  for (const HistoryEvent& event : decision.events) record_event(transaction, run, event);
  return true;
}

void PipelineStore::record_event(store::Transaction& transaction, const Run& run,
                                 const HistoryEvent& event) const {
  const ExecutionInfo& info = run.info;
  transaction.execute(
      "insert into pipeline_history (execution, sequence, at, type, step, detail)"
      " values (?, ?, ?, ?, ?, ?)",
      {info.id, event.sequence, event.at, std::string(text_of(event.what)), event.step,
       base::dump_json(event.detail)});
  if (event.step.empty()) return;
  const StepState& state = run.steps[info.definition->by_name.find(event.step)->second];
  const std::string subject = base::text_or(event.detail, "Subject");
  if (event.what == Happening::kStepStarted && !subject.empty()) {
    transaction.execute(
        "insert into pipeline_waits (subject, execution, step, account, attempt, open)"
        " values (?, ?, ?, ?, ?, 1) on conflict (subject, execution, step)"
        " do update set attempt = excluded.attempt, open = 1",
        {subject, info.id, event.step, info.account, state.attempt});
    if (event.detail.contains("Arguments")) append_question(transaction, run, event);
  }
  if (ends_step(event.what) && !state.subject.empty()) {
    transaction.execute("update pipeline_waits set open = 0 where execution = ? and step = ?",
                        {info.id, event.step});
  }
  if (event.what == Happening::kStepSucceeded && !state.cache_key.empty() &&
      state.cache_source.empty()) {
    transaction.execute(
        "insert into pipeline_cache (account, pipeline, key, execution, step, at)"
        " values (?, ?, ?, ?, ?, ?) on conflict (account, pipeline, key) do update set"
        " execution = excluded.execution, step = excluded.step, at = excluded.at",
        {info.account, base::lower(info.pipeline), state.cache_key, info.id, event.step, event.at});
  }
}

void PipelineStore::record_status(store::Transaction& transaction, const Run& run,
                                  store::Resource execution) const {
  const base::Millis now = clock_.now();
  execution.status = std::string(text_of(run.status));
  execution.modified = now;
  Json& document = execution.document;
  document.erase("FailureReason");
  document.erase("Ended");
  if (!run.failure_reason.empty()) document["FailureReason"] = run.failure_reason;
  if (run.ended) document["Ended"] = *run.ended;
  if (run.info.parallelism > 0) {
    document["ParallelismConfiguration"] = {{"MaxParallelExecutionSteps", run.info.parallelism}};
  }
  store::update(transaction, execution);
  if (run.status == RunStatus::kStopping) return;
  const bool resumed = run.status == RunStatus::kExecuting;
  append_event(transaction, run, document,
               "PipelineExecution." + (resumed ? "Started" : execution.status), now);
}

std::unique_ptr<Run> PipelineStore::load(const ExecutionKey& key) const {
  return database_.read([&](store::Reader& reader) { return load(reader, key); });
}

std::unique_ptr<Run> PipelineStore::load(store::Reader& reader, const ExecutionKey& key) const {
  const auto execution = store::find(reader, key.account, kExecutionKind, key.id);
  if (!execution) return nullptr;
  ExecutionInfo info = info_of(*execution);
  const std::string name = base::lower(info.pipeline);
  const std::string known_as =
      key.account + "/" + name + "/" + std::to_string(info.pipeline_version);
  info.definition = known(known_as);
  if (!info.definition) {
    const auto stored = version(reader, key.account, name, info.pipeline_version);
    if (!stored) return nullptr;  // the pipeline is being deleted
    info.definition = definition(key.account, name, info.pipeline_version, stored->definition);
  }
  auto run = std::make_unique<Run>(new_run(std::move(info)));
  const int parallelism = run->info.parallelism;
  reader.query(
      "select sequence, at, type, step, detail from pipeline_history where execution = ?"
      " order by sequence",
      {key.id}, [&](const store::Row& row) { apply(*run, event_of(row)); });
  // UpdatePipelineExecution may have changed it since the last retry: it is not in the history.
  run->info.parallelism = parallelism;
  return run;
}

std::vector<ExecutionKey> PipelineStore::unfinished() const {
  std::vector<ExecutionKey> keys;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select account, name from resources where kind = ? and status in ('Executing', "
        "'Stopping')",
        {kExecutionKind}, [&](const store::Row& row) {
          keys.push_back({row.text(0), row.text(1)});
        });
  });
  return keys;
}

std::vector<Wait> PipelineStore::waits_for(const std::string& subject) const {
  std::vector<Wait> waits;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select account, execution, step, attempt, open from pipeline_waits where subject = ?",
        {subject}, [&](const store::Row& row) { waits.push_back(wait_of(row)); });
  });
  return waits;
}

std::vector<Wait> PipelineStore::open_waits() const {
  std::vector<Wait> waits;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select account, execution, step, attempt, open from pipeline_waits where open = 1", {},
        [&](const store::Row& row) { waits.push_back(wait_of(row)); });
  });
  return waits;
}

std::optional<CachedResult> PipelineStore::cached(const std::string& account,
                                                  const std::string& pipeline,
                                                  const std::string& key,
                                                  std::optional<base::Millis> not_before) const {
  return database_.read([&](store::Reader& reader) {
    std::optional<CachedResult> found;
    std::string execution;
    std::string step;
    reader.query(
        "select execution, step from pipeline_cache"
        " where account = ? and pipeline = ? and key = ? and at >= ?",
        {account, base::lower(pipeline), key, not_before.value_or(0)}, [&](const store::Row& row) {
          execution = row.text(0);
          step = row.text(1);
        });
    if (execution.empty()) return found;
    const auto source = load(reader, {account, execution});
    if (!source) return found;
    const auto index = source->info.definition->by_name.find(step);
    if (index == source->info.definition->by_name.end()) return found;
    const StepState& state = source->steps[index->second];
    if (state.phase == Phase::kSucceeded) {
      found = CachedResult{source->info.arn, state.output, state.metadata};
    }
    return found;
  });
}

bool PipelineStore::remove_executions(const std::string& account,
                                      const std::string& pipeline) const {
  return database_.write([&](store::Transaction& transaction) {
    std::vector<std::string> ids;
    transaction.query(
        "select name from resources where account = ? and kind = ? and parent = ? limit ?",
        {account, kExecutionKind, pipeline, static_cast<std::int64_t>(kRemovedAtOnce)},
        [&](const store::Row& row) { ids.push_back(row.text(0)); });
    for (const std::string& id : ids) {
      store::remove(transaction, account, kExecutionKind, id);
      transaction.execute("delete from pipeline_history where execution = ?", {id});
      transaction.execute("delete from pipeline_waits where execution = ?", {id});
    }
    return !ids.empty();
  });
}

void PipelineStore::remove_pipeline(const std::string& account, const std::string& pipeline,
                                    const std::string& arn) const {
  database_.write([&](store::Transaction& transaction) {
    for (const char* table : {"pipeline_versions", "pipeline_cache", "pipeline_tokens"}) {
      transaction.execute(
          std::string("delete from ") + table + " where account = ? and pipeline = ?",
          {account, pipeline});
    }
    store::remove(transaction, account, kPipelineKind, pipeline);
    store::remove_all_tags(transaction, arn);
  });
  // A pipeline that is created under this name later has versions of its own.
  const std::string prefix = account + "/" + pipeline + "/";
  const std::lock_guard lock(mutex_);
  std::erase_if(definitions_, [&](const auto& each) { return each.first.starts_with(prefix); });
}

std::shared_ptr<const Definition> PipelineStore::known(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = definitions_.find(key);
  return found == definitions_.end() ? nullptr : found->second.lock();
}

std::shared_ptr<const Definition> PipelineStore::definition(const std::string& account,
                                                            const std::string& pipeline,
                                                            std::int64_t version,
                                                            const std::string& text) const {
  const std::string key = account + "/" + pipeline + "/" + std::to_string(version);
  if (auto parsed = known(key)) return parsed;
  auto parsed = std::make_shared<const Definition>(parse_definition(text, Reading::kStored));
  const std::lock_guard lock(mutex_);
  std::erase_if(definitions_, [](const auto& each) { return each.second.expired(); });
  definitions_[key] = parsed;
  return parsed;
}

void append_event(store::Transaction& transaction, const Run& run, const Json& document,
                  const std::string& type, base::Millis at) {
  Json detail = {{"PipelineName", run.info.pipeline},
                 {"PipelineArn", run.info.pipeline_arn},
                 {"DisplayName", base::text_or(document, "PipelineExecutionDisplayName")},
                 {"Parameters", run.info.parameters}};
  if (run.status == RunStatus::kFailed) {
    detail["FailureReason"] = run.failure_reason;
    std::optional<base::Millis> first;
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
      const StepState& state = run.steps[i];
      if (state.phase != Phase::kFailed || (first && *first <= state.ended.value_or(0))) continue;
      first = state.ended;
      detail["Step"] = run.info.definition->steps[i].name;
    }
  }
  store::append(transaction, {.at = at,
                              .account = run.info.account,
                              .type = type,
                              .subject = run.info.arn,
                              .detail = std::move(detail)});
}

}  // namespace slipway::pipelines
