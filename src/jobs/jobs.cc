#include "jobs/jobs.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "jobs/processing.h"
#include "jobs/record.h"
#include "jobs/runner.h"
#include "jobs/store.h"
#include "jobs/training.h"
#include "jobs/transfer.h"

namespace slipway::jobs {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void not_found() {
  throw Error("ValidationException", "Requested resource not found.");
}

std::string name_in(Kind kind, const Json& request) {
  return base::text_or(request, std::string(names_of(kind).job) + "Name");
}

std::string image_in(Kind kind, const Json& request) {
  if (kind == Kind::kTraining) {
    return base::text_or(base::object_or_empty(request, "AlgorithmSpecification"), "TrainingImage");
  }
  return base::text_or(base::object_or_empty(request, "AppSpecification"), "ImageUri");
}

void validate(Kind kind, const std::string& account, const Json& request) {
  if (kind == Kind::kTraining) return validate_training(account, request);
  validate_processing(account, request);
}

Json document_of(Kind kind, const Json& request, const std::string& arn) {
  return kind == Kind::kTraining ? training_document(request, arn)
                                 : processing_document(request, arn);
}

store::Tags tags_in(const Json& request) {
  store::Tags tags;
  for (const Json& tag : base::array_or_empty(request, "Tags")) {
    tags[base::text_or(tag, "Key")] = base::text_or(tag, "Value");
  }
  return tags;
}

bool is_container_of_jobs(const std::string& id) {
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&](Kind kind) { return id.starts_with(names_of(kind).container); });
}

}  // namespace

struct Jobs::State {
  State(store::Database& the_database, const base::Clock& the_clock, objects::Objects& objects,
        images::Images& the_images, containers::Engine& engine, containers::LogPump& pump,
        observe::Logs& logs, const std::string& region, const JobsOptions& options)
      : database(the_database),
        max_unfinished(options.max_unfinished),
        store(the_database, the_clock,
              {.metric_retention =
                   std::chrono::duration_cast<std::chrono::milliseconds>(options.retention).count(),
               .events_written = options.events_written}),
        workshop{.clock = the_clock,
                 .store = store,
                 .objects = objects,
                 .images = the_images,
                 .engine = engine,
                 .pump = pump,
                 .logs = logs,
                 .directory = options.directory,
                 .region = region,
                 .places = options.max_running,
                 .machine = size_of_this_machine(),
                 .stop_grace = options.stop_grace},
        runner(workshop) {
    if (workshop.places == 0) workshop.places = static_cast<std::size_t>(workshop.machine.cpus);
    fs::create_directories(workshop.directory);
    fs::permissions(workshop.directory, fs::perms::owner_all);
  }

  store::Database& database;
  const std::size_t max_unfinished;
  JobStore store;
  Workshop workshop;  // constant after construction
  Runner runner;
};

Jobs::Jobs(store::Database& database, const base::Clock& clock, objects::Objects& objects,
           images::Images& images, containers::Engine& engine, containers::LogPump& pump,
           observe::Logs& logs, const iam::Iam& iam, JobsOptions options)
    : state_(std::make_unique<State>(database, clock, objects, images, engine, pump, logs,
                                     options.region.empty() ? iam.region() : options.region,
                                     options)) {}

Jobs::~Jobs() { stop(); }

void Jobs::start() {
  const auto jobs = state_->store.unfinished();
  std::set<std::string> active;
  for (const store::Resource& job : jobs) active.insert(container_of(job));
  // What is left of jobs that ended just before a crash.
  for (const std::string& id : state_->workshop.engine.list()) {
    if (is_container_of_jobs(id) && !active.contains(id)) state_->workshop.engine.remove(id);
  }
  for (const auto& entry : fs::directory_iterator(state_->workshop.directory)) {
    if (!active.contains(entry.path().filename().string())) remove_tree(entry.path());
  }
  state_->runner.start();
  for (const store::Resource& job : jobs) state_->runner.submit(key_of(job));
}

void Jobs::stop() { state_->runner.stop(); }

std::string Jobs::create_job(Kind kind, const std::string& account, const Json& request,
                             const std::string& token) {
  validate(kind, account, request);
  const KindNames& names = names_of(kind);
  const JobKey key{.kind = kind, .account = account, .name = name_in(kind, request)};
  const std::string arn = base::Arn{.service = "sagemaker",
                                    .region = state_->workshop.region,
                                    .account = account,
                                    .resource = std::string(names.resource) + "/" + key.name}
                              .text();
  // A name that is taken is told before an image that is not there.
  const auto taken = state_->store.find(key);
  const std::string digest =
      taken ? "" : state_->workshop.images.resolve(account, image_in(kind, request)).digest;
  if (!taken && state_->runner.unfinished() >= state_->max_unfinished) {
    throw Error("ResourceLimitExceeded", "The limit of " + std::to_string(state_->max_unfinished) +
                                             " jobs that have not ended is reached");
  }
  const store::Resource job =
      new_job({.key = key, .arn = arn, .image_digest = digest, .token = token},
              document_of(kind, request, arn), state_->workshop.clock.now());
  if (state_->store.create(job, tags_in(request))) state_->runner.submit(key);
  return arn;
}

Json Jobs::describe_job(Kind kind, const std::string& account, const std::string& name) const {
  const auto job = state_->store.find({.kind = kind, .account = account, .name = name});
  if (!job) not_found();
  return described(*job);
}

void Jobs::stop_job(Kind kind, const std::string& account, const std::string& name) {
  const JobKey key{.kind = kind, .account = account, .name = name};
  state_->store.change_now(key, [&](store::Transaction& transaction, store::Resource& job) {
    Record record = record_of(job);
    if (record.phase == Phase::kEnded) {
      throw Error("ValidationException", "The request was rejected because the " +
                                             std::string(names_of(kind).noun) +
                                             " job is in status " + job.status + ".");
    }
    if (record.stop_requested) return;
    // What the container made is already being uploaded: the job ends by itself.
    if (record.phase == Phase::kUploading) return;
    request_stop(job, state_->workshop.clock.now());
    record = record_of(job);
    // One that waits for a place has nothing running and need not wait for one to end.
    if (record.phase != Phase::kStarting && record.phase != Phase::kPending) return;
    state_->store.finish(transaction, job, decide(record, Observation{}));
  });
}

store::Page Jobs::list_jobs(const store::ListQuery& query) const {
  store::Page page =
      state_->database.read([&](store::Reader& reader) { return store::list(reader, query); });
  for (store::Resource& job : page.items) job.document = described(job);
  return page;
}

}  // namespace slipway::jobs
