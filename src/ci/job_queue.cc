#include "ci/job_queue.h"

#include <algorithm>
#include <regex>
#include <utility>

#include "base/digest.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "ci/coverage.h"
#include "ci/masker.h"
#include "ci/predefined.h"

namespace slipway::ci {
namespace {

constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::uint64_t kDotenvLimit = 64 * 1024;
constexpr std::uint64_t kCoverageLimit = 4u << 20;

bool is_live(Status status) { return status == Status::kRunning || status == Status::kCanceling; }

// As they are, and as a shell quotes them when it shows what it runs.
std::vector<std::string> secrets_in(const Variables& variables) {
  std::vector<std::string> secrets;
  for (const Variable& variable : variables) {
    if (!variable.masked || variable.value.empty()) continue;
    secrets.push_back(variable.value);
    if (variable.value.find('\'') == std::string::npos) continue;
    for (const char* quoted : {"'\\''", "'\"'\"'", "\\'"}) {
      secrets.push_back(base::replace_all(variable.value, "'", quoted));
    }
  }
  return secrets;
}

bool wants_debug(const Variables& variables) {
  for (const char* name : {"CI_DEBUG_TRACE", "CI_DEBUG_SERVICES"}) {
    const std::string value = base::lower(ci_config::value_of(variables, name));
    if (value == "true" || value == "1") return true;
  }
  return false;
}

bool is_pending_build(store::Reader& reader) {
  bool is = false;
  reader.query("select 1 from ci_jobs where status = 'pending' and kind = 'build' limit 1", {},
               [&](const store::Row&) { is = true; });
  return is;
}

}  // namespace

std::optional<JobRow> JobQueue::find(Id job) const {
  return workshop_.database.read([&](store::Reader& reader) { return find_job(reader, job); });
}

void JobQueue::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++generation_;
  }
  pending_.notify_all();
  const std::lock_guard lock(listener_mutex_);
  if (listener_) listener_();
}

void JobQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  pending_.notify_all();
}

void JobQueue::open() {
  const std::lock_guard lock(mutex_);
  closed_ = false;
}

void JobQueue::on_pending(std::function<void()> woken) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(woken);
}

std::optional<Assignment> JobQueue::take(Id id, const Json& info, std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  auto taker = runner(id);
  if (!taker) throw Error("Forbidden", "403 Forbidden", 403);
  note_runner(*taker, info);
  while (true) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return std::nullopt;
      seen = generation_;
    }
    if (!taker->paused &&
        workshop_.database.read([](store::Reader& reader) { return is_pending_build(reader); })) {
      const std::string token = "glcbt-64_" + base::random_text(24, kLetters);
      auto row = workshop_.change(
          [&](Machine& machine) { return machine.assign(*taker, token, workshop_.patience()); });
      if (row) {
        const Id job = row->job.id;
        note_contact(job);
        if (auto assignment = assignment_or_end(std::move(*row))) {
          if (assignment->complete) return assignment;
          give_up(job, "missing_dependency_failure");
        }
        continue;
      }
    }
    std::unique_lock lock(mutex_);
    if (!pending_.wait_until(lock, deadline, [&] { return closed_ || generation_ != seen; })) {
      return std::nullopt;
    }
    if (closed_) return std::nullopt;
  }
}

// Nothing where it cannot be made; the job has failed then.
std::optional<Assignment> JobQueue::assignment_or_end(JobRow row) {
  const Id job = row.job.id;
  try {
    return assignment_of(std::move(row));
  } catch (const std::exception& error) {
    log(Level::kError, "a job could not be handed out", {{"job", job}, {"reason", error.what()}});
    give_up(job, "data_integrity_failure");
    return std::nullopt;
  }
}

void JobQueue::give_up(Id job, const std::string& reason) {
  workshop_.change([&](Machine& machine, store::Transaction& transaction) {
    if (!find_job(transaction, job)) return;  // removed with its project
    machine.finish(
        job,
        {.status = Status::kFailed, .reason = reason, .message = "", .exit_code = std::nullopt});
  });
}

Assignment JobQueue::assignment_of(JobRow row) const {
  Assignment assignment;
  auto pipeline = workshop_.database.read(
      [&](store::Reader& reader) { return find_pipeline(reader, row.job.pipeline); });
  auto project = workshop_.forge.project(row.job.project);
  if (!pipeline || !project) throw Error("NotFound", "the job's project is gone", 404);
  const auto environment = variables_.environment_of(row.job, *pipeline);
  if (environment) {
    const Json& given = row.job.spec.environment;
    const std::string action = given.is_object() ? base::text_or(given, "action") : "";
    const Environment now = settings_.deploy(row.job.project, environment->name, environment->url,
                                             environment->tier, action, row.job.id);
    if (action.empty() || action == "start") row.job.environment_id = now.id;
  }
  assignment.variables = variables_.of(row, *pipeline);
  const std::vector<std::string> secrets = secrets_in(assignment.variables);
  row.job.debug_trace = wants_debug(assignment.variables);
  // Before the runner knows them.
  workshop_.database.write([&](store::Transaction& transaction) {
    auto there = find_job(transaction, row.job.id);
    // Cancelled since it was assigned: nobody would forget them.
    if (!there || is_complete(there->job.status)) return;
    remember_secrets(transaction, row.job.id, secrets);
    there->job.debug_trace = row.job.debug_trace;
    there->job.environment_id = row.job.environment_id;
    ci::update(transaction, *there);
  });
  traces_.add_secrets(row.job.id, secrets);
  auto sources = variables_.sources_of(row.job, *pipeline);
  assignment.complete = sources.complete;
  for (Job& source : sources.jobs) {
    if (artifacts_.path(source, "archive")) assignment.dependencies.push_back(std::move(source));
  }
  assignment.token = row.token;
  assignment.timeout = std::chrono::seconds(row.timeout / 1000);
  assignment.pipeline = std::move(*pipeline);
  assignment.project = std::move(*project);
  assignment.job = std::move(row.job);
  return assignment;
}

std::optional<Job> JobQueue::job_of(std::string_view token) const {
  if (token.empty()) return std::nullopt;
  auto rows = workshop_.database.read([&](store::Reader& reader) {
    return rows_where(reader, "where token_hash = ?", {base::sha256_hex(token)});
  });
  if (rows.empty() || !is_live(rows[0].job.status)) return std::nullopt;
  if (!base::equals_in_constant_time(rows[0].token, token)) return std::nullopt;
  return std::move(rows[0].job);
}

std::vector<Assignment> JobQueue::held_by(Id id) {
  auto rows = workshop_.database.read([&](store::Reader& reader) {
    return rows_where(reader,
                      "where runner = ? and kind = 'build' and status in ('running', 'canceling')"
                      " order by id",
                      {id});
  });
  std::vector<Assignment> held;
  for (JobRow& row : rows) {
    note_contact(row.job.id);
    if (auto assignment = assignment_or_end(std::move(row))) held.push_back(std::move(*assignment));
  }
  return held;
}

void JobQueue::note_contact(Id job) {
  const base::Millis now = workshop_.clock.now();
  const std::lock_guard lock(mutex_);
  contacts_[job] = now;
}

std::optional<base::Millis> JobQueue::contacted(Id job) const {
  const std::lock_guard lock(mutex_);
  const auto found = contacts_.find(job);
  if (found == contacts_.end()) return std::nullopt;
  return found->second;
}

TraceResult JobQueue::append_trace(Id job, std::uint64_t offset, std::string_view bytes) {
  const auto row = find(job);
  if (!row) return {.outcome = TraceResult::Outcome::kGone, .size = 0, .status = {}};
  if (!is_live(row->job.status)) {
    return {.outcome = TraceResult::Outcome::kForbidden,
            .size = row->job.trace_size,
            .status = row->job.status};
  }
  note_contact(job);
  const Traces::Appended appended = traces_.append(job, offset, bytes);
  if (appended.ended) {
    return {
        .outcome = TraceResult::Outcome::kForbidden, .size = appended.size, .status = status(job)};
  }
  return {
      .outcome = appended.fits ? TraceResult::Outcome::kAccepted : TraceResult::Outcome::kMismatch,
      .size = appended.size,
      .status = row->job.status};
}

UpdateOutcome JobQueue::update(Id job, const JobUpdate& update) {
  const auto row = find(job);
  if (!row) return UpdateOutcome::kGone;
  if (!is_live(row->job.status)) return UpdateOutcome::kForbidden;
  note_contact(job);
  if (update.state != "success" && update.state != "failed") return UpdateOutcome::kDone;
  if (!traces_.is_complete(job, update.checksum, update.bytes)) {
    return UpdateOutcome::kTraceIncomplete;
  }
  end(*row, update);
  return UpdateOutcome::kDone;
}

void JobQueue::end(const JobRow& row, const JobUpdate& update) {
  const Id job = row.job.id;
  const std::uint64_t size = traces_.finish(job);
  std::optional<double> coverage;
  if (!row.job.spec.coverage.empty()) {
    const std::uint64_t from = size > kCoverageLimit ? size - kCoverageLimit : 0;
    coverage = coverage_in(traces_.read(job, from, kCoverageLimit), row.job.spec.coverage);
  }
  const bool succeeded = update.state == "success";
  workshop_.change([&](Machine& machine, store::Transaction& transaction) {
    if (auto now = find_job(transaction, job); now && is_live(now->job.status)) {
      now->job.trace_size = size;
      now->job.coverage = coverage;
      ci::update(transaction, *now);
    }
    machine.finish(job, {.status = succeeded ? Status::kSuccess : Status::kFailed,
                         .reason = succeeded                       ? ""
                                   : update.failure_reason.empty() ? "script_failure"
                                                                   : update.failure_reason,
                         .message = "",
                         .exit_code = update.exit_code});
  });
  {
    const std::lock_guard lock(mutex_);
    contacts_.erase(job);
  }
  // An address that only the job knew, from its dotenv report.
  if (!succeeded || row.job.spec.environment.is_null()) return;
  const auto ended = find(job);
  const auto pipeline = workshop_.database.read(
      [&](store::Reader& reader) { return find_pipeline(reader, row.job.pipeline); });
  if (!ended || !pipeline || ended->job.dotenv.empty()) return;
  if (const auto environment = variables_.environment_of(ended->job, *pipeline)) {
    settings_.deploy(row.job.project, environment->name, environment->url, environment->tier,
                     "access", job);
  }
}

void JobQueue::settle_trace(Id job) {
  {
    const std::lock_guard lock(mutex_);
    contacts_.erase(job);
  }
  const std::uint64_t size = traces_.finish(job);
  traces_.forget(job);
  workshop_.database.write([&](store::Transaction& transaction) {
    auto row = find_job(transaction, job);
    if (!row || row->job.trace_size == size || row->job.erased) return;
    row->job.trace_size = size;
    ci::update(transaction, *row);
  });
}

Artifact JobQueue::add_artifact(Id job, Artifact artifact, const std::filesystem::path& file) {
  static const std::regex type_form("[a-z0-9_]{1,64}");
  const auto row = find(job);
  if (!row) throw Error("NotFound", "404 Not found", 404);
  if (!is_live(row->job.status))
    throw Error("Forbidden", "403 Forbidden - Job is not running", 403);
  note_contact(job);
  if (artifact.type.empty()) artifact.type = "archive";
  if (!std::regex_match(artifact.type, type_form)) {
    throw Error("Invalid", "artifact_type does not have a valid value", 400);
  }
  if (artifact.type == "archive" && artifact.format != "raw") check_archive(file);
  Json dotenv;
  if (artifact.type == "dotenv") {
    dotenv = parse_dotenv(artifact.format == "raw" ? store::read_file(file, kDotenvLimit)
                                                   : read_gzip(file, kDotenvLimit));
  }
  const base::Millis now = workshop_.clock.now();
  if (!artifact.expires) {
    const std::string given =
        base::text_or(base::object_or_empty(row->job.spec.options, "artifacts"), "expire_in");
    std::optional<std::chrono::seconds> lasts =
        std::chrono::duration_cast<std::chrono::seconds>(workshop_.options.artifact_days);
    if (!given.empty()) lasts = ci_config::parse_duration(given);
    if (lasts) artifact.expires = now + lasts->count() * 1000;
  }
  artifact = artifacts_.adopt(job, std::move(artifact), file);
  workshop_.database.write([&](store::Transaction& transaction) {
    auto there = find_job(transaction, job);
    if (!there || !is_live(there->job.status)) {
      throw Error("Forbidden", "403 Forbidden - Job is not running", 403);
    }
    std::erase_if(there->job.artifacts,
                  [&](const Artifact& each) { return each.type == artifact.type; });
    there->job.artifacts.push_back(artifact);
    if (dotenv.is_object()) {
      there->job.dotenv = dotenv;
      there->job.secret_dotenv.clear();
      const auto secrets = secrets_of(transaction, job);
      for (const auto& [key, value] : dotenv.items()) {
        if (shows_secret(value.get<std::string>(), secrets))
          there->job.secret_dotenv.push_back(key);
      }
    }
    there->expires.reset();
    for (const Artifact& each : there->job.artifacts) {
      if (each.expires && (!there->expires || *each.expires < *there->expires)) {
        there->expires = each.expires;
      }
    }
    ci::update(transaction, *there);
    transaction.after_commit(workshop_.wakes.due);
  });
  return artifact;
}

Status JobQueue::status(Id job) const {
  const auto row = find(job);
  return row ? row->job.status : Status::kCanceled;
}

}  // namespace slipway::ci
