#pragma once

// Pipelines, their versions and their executions in the database.
//
// A pipeline is a store::Resource of kind "pipeline" by its name in lower case, an execution one of
// kind "pipeline-execution" by its id; their documents are what Describe… answers. Tables:
//   pipeline_versions  account, pipeline, version | created, definition, document
//   pipeline_history   execution, sequence | at, type, step, detail: append-only
//   pipeline_waits     subject (an ARN, or "callback/<token>"), execution, step | account, attempt,
//   open pipeline_cache     account, pipeline, key | execution, step, at: the newest result of a
//   step pipeline_tokens    account, operation, token | pipeline, answer: requests made already

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pipelines/decide.h"
#include "pipelines/run.h"
#include "store/database.h"
#include "store/resources.h"

namespace slipway::pipelines {

inline constexpr const char* kPipelineKind = "pipeline";
inline constexpr const char* kExecutionKind = "pipeline-execution";

struct ExecutionKey {
  std::string account;
  std::string id;
  auto operator<=>(const ExecutionKey&) const = default;
};

struct PipelineVersion {
  std::int64_t version = 0;
  base::Millis created = 0;
  std::string definition;
  Json document;  // PipelineVersionDisplayName, PipelineVersionDescription, LastExecution…Arn
};

// A step that waits for something.
struct Wait {
  ExecutionKey execution;
  std::string step;
  int attempt = 0;
  bool open = true;
};

struct CachedResult {
  std::string execution_arn;
  Json output;
  Json metadata;
};

// Thread-safe.
class PipelineStore {
 public:
  PipelineStore(store::Database& database, const base::Clock& clock);

  store::Database& database() const { return database_; }

  // Inside the caller's transaction or snapshot.
  std::optional<PipelineVersion> version(store::Reader& reader, const std::string& account,
                                         const std::string& pipeline, std::int64_t version) const;
  void put_version(store::Transaction& transaction, const std::string& account,
                   const std::string& pipeline, const PipelineVersion& version) const;
  std::optional<std::string> answer(store::Reader& reader, const std::string& account,
                                    const std::string& operation, const std::string& token) const;
  void remember(store::Transaction& transaction, const std::string& account,
                const std::string& operation, const std::string& token, const std::string& pipeline,
                const std::string& answer) const;

  // Writes what was decided: history, waits, results for the cache, the status with its event.
  // False, and nothing is written, where the execution is gone.
  bool record(store::Transaction& transaction, const Run& run, const Decision& decision) const;

  // The execution as its history tells it; nothing where there is none.
  std::unique_ptr<Run> load(const ExecutionKey& key) const;
  std::unique_ptr<Run> load(store::Reader& reader, const ExecutionKey& key) const;
  std::vector<ExecutionKey> unfinished() const;

  std::vector<Wait> waits_for(const std::string& subject) const;
  std::vector<Wait> open_waits() const;

  std::optional<CachedResult> cached(const std::string& account, const std::string& pipeline,
                                     const std::string& key,
                                     std::optional<base::Millis> not_before) const;

  // Removes some of a pipeline's executions; false where none is left.
  bool remove_executions(const std::string& account, const std::string& pipeline) const;
  // Removes the pipeline itself with its versions, tokens and results.
  void remove_pipeline(const std::string& account, const std::string& pipeline,
                       const std::string& arn) const;

  // Parsed once for all executions that run on it.
  std::shared_ptr<const Definition> definition(const std::string& account,
                                               const std::string& pipeline, std::int64_t version,
                                               const std::string& text) const;

 private:
  void record_event(store::Transaction& transaction, const Run& run,
                    const HistoryEvent& event) const;
  void record_status(store::Transaction& transaction, const Run& run,
                     store::Resource execution) const;
  std::shared_ptr<const Definition> known(const std::string& key) const;

  store::Database& database_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::weak_ptr<const Definition>> definitions_;  // guarded by mutex_
};

// The outbox event of an execution's present status.
void append_event(store::Transaction& transaction, const Run& run, const Json& document,
                  const std::string& type, base::Millis at);

}  // namespace slipway::pipelines
