#include "jobs/execution.h"

#include <fstream>
#include <memory>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/strings.h"
#include "jobs/archive.h"
#include "jobs/failure.h"
#include "jobs/metrics.h"
#include "jobs/record.h"
#include "jobs/transfer.h"

namespace slipway::jobs {
namespace {

namespace fs = std::filesystem;

// How soon a request to stop, or the end of the run time, is seen.
constexpr std::chrono::milliseconds kGlance{500};

void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) base::throw_internal("cannot write " + path.string());
}

// The container's user need not be this process's. The work directory itself is closed.
void make_open_directory(const fs::path& path) {
  fs::create_directories(path);
  fs::permissions(path, fs::perms::all);
}

// A container's end counts as success only when what it wrote would survive a power cut.
void sync_files(const fs::path& directory) {
  const base::FileDescriptor descriptor(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor && ::syncfs(descriptor.get()) != 0) base::throw_errno("syncing job files");
}

}  // namespace

Execution::Execution(const Workshop& workshop, JobKey key, const std::atomic<bool>& interrupted)
    : workshop_(workshop), key_(std::move(key)), interrupted_(interrupted) {}

void Execution::drive() {
  while (!interrupted_) {
    const auto job = workshop_.store.find(key_);
    if (!job) return;
    if (!plan_) take_up(*job);
    const Record record = record_of(*job);
    const Action action = decide(record, observe(*job, record));
    if (perform(*job, record, action) == Next::kFinished) return;
  }
}

void Execution::take_up(const store::Resource& job) {
  plan_ =
      key_.kind == Kind::kTraining ? plan_training(job.document) : plan_processing(job.document);
  plan_->image = image_digest_of(job);
  plan_->environment.emplace("AWS_REGION", workshop_.region);
  container_ = container_of(job);
  work_ = workshop_.directory / container_;
  if (workshop_.engine.state(container_) != containers::State::kRunning) return;
  // The container of an earlier process of ours: hold its image. Where it has been deleted
  // meanwhile, the container still runs from what is on the disk.
  try {
    image_ = workshop_.images.unpack(key_.account, plan_->image);
  } catch (const Error& error) {
    log(Level::kWarning, "image of a running job is gone",
        {{"job", key_.name}, {"reason", error.message()}});
  }
}

Observation Execution::observe(const store::Resource& job, const Record& record) {
  Observation seen{.has_place = true,
                   .preparation = preparation_,
                   .preparation_failure = preparation_failure_,
                   .stop_sent = stop_sent_,
                   .upload = upload_,
                   .upload_failure = upload_failure_};
  if (record.phase != Phase::kRunning) return seen;
  switch (workshop_.engine.state(container_)) {
    case containers::State::kAbsent:
      break;
    case containers::State::kRunning: {
      seen.container = ContainerState::kRunning;
      follow(job);
      const auto since = running_since(job);
      seen.runtime_over =
          since && workshop_.clock.now() - *since >= plan_->max_runtime_seconds * 1000;
      break;
    }
    case containers::State::kExited:
      seen.container = ContainerState::kExited;
      if (!end_) end_ = see_end(job);
      seen.end = end_;
      break;
  }
  return seen;
}

Execution::Next Execution::perform(const store::Resource& job, const Record& record,
                                   const Action& action) {
  using Do = Action::Do;
  const base::Millis now = workshop_.clock.now();
  switch (action.what) {
    case Do::kWait:
      workshop_.engine.wait(container_, kGlance);
      break;
    case Do::kEnter:
      workshop_.store.change(job, [&](store::Transaction& transaction, store::Resource& changed) {
        enter(changed, action.phase, message_of(key_.kind, action.phase, workshop_.places), now);
        if (action.phase != Phase::kRunning) return;
        // Clients wait for exactly one stream a job, also where nothing is ever printed.
        workshop_.logs.create_stream(transaction, key_.account,
                                     std::string(names_of(key_.kind).log_group), stream_of(job));
      });
      break;
    case Do::kPrepare:
      prepare(job);
      break;
    case Do::kStart:
      start(job);
      break;
    case Do::kRecordTimeout:
      workshop_.store.change(job, [&](store::Transaction&, store::Resource& changed) {
        record_timeout(changed, now);
      });
      break;
    case Do::kStop:
      workshop_.engine.stop(container_, workshop_.stop_grace);
      stop_sent_ = true;
      break;
    case Do::kSettle:
      workshop_.store.change(job, [&](store::Transaction&, store::Resource& changed) {
        settle(changed, action, now);
      });
      break;
    case Do::kUpload:
      upload(job, record.ending.value_or(Ending::kFailed));
      break;
    case Do::kEnd:
      workshop_.store.change(job, [&](store::Transaction& transaction, store::Resource& changed) {
        workshop_.store.finish(transaction, changed, action);
      });
      break;
    case Do::kCleanUp:
      workshop_.engine.remove(container_);
      remove_tree(work_);
      return Next::kFinished;
  }
  return Next::kGoOn;
}

void Execution::prepare(const store::Resource& job) {
  remove_tree(work_);
  fs::create_directories(work_);
  fs::permissions(work_, fs::perms::owner_all);
  for (const auto& [path, text] : plan_->files) write_file(work_ / path, text);
  for (const fs::path& path : plan_->directories) make_open_directory(work_ / path);
  try {
    image_ = workshop_.images.unpack(key_.account, plan_->image);
  } catch (const Error& error) {
    preparation_ = Progress::kFailed;
    preparation_failure_ = "ClientError: The image cannot be used: " + error.message();
    return;
  }
  load_inputs(job);
}

void Execution::load_inputs(const store::Resource& job) {
  for (const PlannedInput& input : plan_->inputs) {
    std::size_t count = 0;
    try {
      count = download_prefix(workshop_.objects, job.account, input.from, work_ / input.into,
                              {.interrupted = [&] { return interrupted_.load(); }});
    } catch (const Error& error) {
      if (interrupted_) return;
      preparation_failure_ = download_failure(input.uri, error.message());
    }
    if (preparation_failure_.empty() && count == 0 &&
        input.presence == PlannedInput::Presence::kRequired) {
      preparation_failure_ = no_objects_failure(input.uri);
    }
    if (!preparation_failure_.empty()) {
      preparation_ = Progress::kFailed;
      return;
    }
  }
  preparation_ = Progress::kDone;
}

void Execution::start(const store::Resource& job) {
  const InstanceSize size = capped(size_of_instance(plan_->instance_type), workshop_.machine);
  containers::ContainerSpec spec{
      .id = container_,
      .image = *image_,
      .arguments = containers::command_line(image_->config, plan_->entrypoint, plan_->arguments),
      .environment = plan_->environment,
      .hostname = "algo-1",
      .network = plan_->network,
      .limits = {.cpus = size.cpus, .memory_bytes = size.memory_bytes}};
  for (const PlannedMount& mount : plan_->mounts) {
    spec.mounts.push_back({work_ / mount.source, mount.target, mount.access});
  }
  workshop_.engine.start(spec);
  follow(job);
}

void Execution::follow(const store::Resource& job) {
  if (followed_) return;
  containers::LogPump::Target target{.account = key_.account,
                                     .group = std::string(names_of(key_.kind).log_group),
                                     .stream = stream_of(job)};
  auto scanner = std::make_shared<MetricScanner>(plan_->metrics);
  if (!scanner->empty()) {
    target.on_lines = [scanner, key = key_](store::Transaction& transaction,
                                            const std::vector<observe::LogEvent>& lines) {
      for (const observe::LogEvent& line : lines) {
        scanner->scan(line.message, [&](const std::string& name, double value) {
          record_metric(transaction, {.job = key, .metric = name, .value = value, .at = line.at});
        });
      }
    };
  }
  workshop_.pump.follow(container_, std::move(target));
  followed_ = true;
}

ContainerEnd Execution::see_end(const store::Resource& job) {
  follow(job);
  workshop_.pump.drain(container_);
  sync_files(work_);
  auto message = read_start(work_ / plan_->message, kReasonLimit + 4);
  if (message) message = std::string(base::utf8_prefix(*message, kReasonLimit));
  const auto exit = workshop_.engine.exit_of(container_);
  ContainerEnd end = describe_end(exit.value_or(containers::Exit{.code = 1, .reason = "lost"}),
                                  message, last_lines_of(workshop_.engine.log_path(container_)));
  if (!plan_->message_is_exit_message) end.exit_message.clear();
  return end;
}

void Execution::upload(const store::Resource& job, Ending ending) {
  for (const PlannedUpload& each : plan_->uploads) {
    if (!each.due(ending)) continue;
    if (interrupted_) return;
    try {
      upload_one(job.account, each);
    } catch (const Error& error) {
      upload_ = Progress::kFailed;
      upload_failure_ =
          upload_failure("s3://" + each.to.bucket + "/" + each.to.key, error.message());
      return;
    }
  }
  upload_ = Progress::kDone;
}

void Execution::upload_one(const std::string& account, const PlannedUpload& upload) {
  const fs::path from = work_ / upload.from;
  if (!has_contents(from)) return;
  const fs::path outgoing = work_ / "outgoing";
  fs::create_directories(outgoing);
  if (upload.form == PlannedUpload::Form::kFiles) {
    upload_tree(workshop_.objects, account, from, upload.to, outgoing);
    return;
  }
  const fs::path archive = outgoing / "archive.tar.gz";
  write_tar_gz(from, archive);
  workshop_.objects.put_file(account, upload.to.bucket, upload.to.key, archive, "application/gzip");
  fs::remove(archive);
}

}  // namespace slipway::jobs
