#include "runner/job_run.h"

#include <algorithm>
#include <fstream>

#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "ci/merge_request.h"
#include "containers/directory.h"
#include "store/files.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInside = "/opt/slipway/bin/slipway";
constexpr const char* kCaBundle = "/opt/slipway/ca-bundle.pem";
constexpr const char* kHosts = ".hosts";                // beside the scripts
constexpr std::chrono::milliseconds kBreath{40};        // between two appends of one job
constexpr base::Millis kLookEvery = 1000;               // for a cancellation
constexpr std::chrono::seconds kAfterStopPatience{30};  // beyond after_script's own time

bool is_protected(const Workshop& workshop, const ci::Assignment& assignment) {
  const ci::Pipeline& pipeline = assignment.pipeline;
  return workshop.forge.is_protected(assignment.project, ci::full_ref(pipeline.ref, pipeline.tag));
}

PlanFacts facts_of(const Workshop& workshop, const ci::Assignment& assignment, const JobRow& row,
                   int place) {
  PlanFacts facts;
  facts.place = place;
  facts.slot = row.slot;
  facts.is_protected = is_protected(workshop, assignment);
  facts.last_change = [&](const std::string& path) {
    const auto commits = workshop.forge.repository(assignment.project.id)
                             .history(assignment.pipeline.sha, path, 0, 1);
    return commits.empty() ? std::string() : commits.front().id;
  };
  return facts;
}

void write_text(const fs::path& path, const std::string& text, mode_t mode) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) base::throw_errno("writing " + path.string());
  ::chmod(path.c_str(), mode);
}

// Jobs of protected refs never work where others have written.
JobPlaces places_of(const Workshop& workshop, const JobRow& row, bool is_protected) {
  JobPlaces places(workshop.options.directory, row.job, row.project, row.slot);
  if (is_protected) places.build += "-protected";
  return places;
}

bool is_root_user(const std::string& user) {
  return user.empty() || user == "root" || user == "0" || user.starts_with("root:") ||
         user.starts_with("0:");
}

}  // namespace

JobRun::JobRun(const Workshop& workshop, ci::Assignment assignment, JobRow row, int place,
               const Wake& wake)
    : workshop_(workshop),
      assignment_(std::move(assignment)),
      row_(std::move(row)),
      place_(place),
      wake_(wake),
      places_(places_of(workshop, row_, is_protected(workshop, assignment_))),
      plan_(plan_of(assignment_, facts_of(workshop, assignment_, row_, place))),
      trace_(workshop.queue, row_.job),
      packing_(workshop, assignment_, plan_, places_,
               [this](std::string_view text) { print(text); }),
      deadline_(
          assignment_.job.started.value_or(workshop.clock.now()) +
          std::chrono::duration_cast<std::chrono::milliseconds>(assignment_.timeout).count()) {}

template <class Work>
void JobRun::section(std::string_view name, std::string_view title, const Work& work) {
  print(section_start(name, title, workshop_.clock.now() / 1000));
  work();
  print(section_end(name, workshop_.clock.now() / 1000));
}

void JobRun::drive() {
  if (row_.phase == Phase::kUploading) {
    // After a restart the trace may lack the log's end.
    LogTail tail = tail_of_log();
    while (carry(tail, true)) {
    }
  }
  if (row_.phase == Phase::kTaken) prepare();
  if (row_.phase == Phase::kPrepared && !workshop_.stopping) start();
  if (row_.phase == Phase::kStarted) follow();
  if (row_.phase == Phase::kUploading && !workshop_.stopping) finish();
}

void JobRun::enter(Phase phase) {
  row_.phase = phase;
  workshop_.store.put(row_);
}

void JobRun::end_with(Outcome outcome) {
  row_.outcome = std::move(outcome);
  enter(Phase::kUploading);
}

void JobRun::prepare() {
  if (trace_.size() == 0) {
    print("Running with slipway\n  on slipway, build directory " + std::to_string(row_.slot) +
          "\n");
  } else {
    print("Slipway was restarted before this job's script had begun; it is prepared again.\n");
  }
  try {
    section("prepare_executor", "Preparing the \"slipway\" executor", [&] {
      Chosen chosen = choose_image(plan_.image);
      image_ = std::move(chosen.image);
      print(chosen.line);
    });
    section("get_sources", "Getting source from Git repository", [&] { fetch_sources(); });
    if (workshop_.stopping) return;
    if (!plan_.caches.empty()) {
      section("restore_cache", "Restoring cache", [&] { packing_.restore_caches(); });
    }
    if (!assignment_.dependencies.empty()) {
      section("download_artifacts", "Downloading artifacts", [&] { packing_.download(); });
    }
    if (workshop_.stopping) return;
    write_scripts();
  } catch (const Error& error) {
    const bool image = error.code() == "ImagePullFailure";
    end_with({image ? Ending::kImageFailure : Ending::kSystemFailure, 0, error.message()});
    return;
  }
  if (workshop_.queue.status(row_.job) != ci::Status::kRunning) {
    end_with({Ending::kCanceled, 0, ""});
    return;
  }
  if (is_late()) {
    end_with({Ending::kTimeout, 0, ""});
    return;
  }
  start_services();
  trace_.flush();
  row_.trace_at = trace_.size();
  enter(Phase::kPrepared);
}

JobRun::Chosen JobRun::choose_image(const std::string& name) {
  const std::string& account = workshop_.options.account;
  if (name.empty() || name == "host") {
    return {workshop_.images.unpack(account, "host"),
            "Using the machine's own tools (image \"host\")...\n"};
  }
  std::string why;
  try {
    const images::ResolvedImage resolved = workshop_.images.resolve(account, name);
    return {workshop_.images.unpack(account, resolved.digest),
            "Using image " + name + " (" + resolved.digest + ") of this server's registry...\n"};
  } catch (const Error& error) {
    why = error.message();
  }
  if (is_common_base(name)) {
    return {workshop_.images.unpack(account, "host"),
            "Image " + name +
                " is not in this server's registry; the machine's own tools (image \"host\") stand "
                "in for it.\n"};
  }
  std::string registry = ci_config::value_of(plan_.script.variables, "CI_REGISTRY");
  const bool has_host = name.substr(0, name.find('/')).find_first_of(".:") != std::string::npos &&
                        name.find('/') != std::string::npos;
  if (!registry.empty()) registry += "/";
  throw Error("ImagePullFailure", "image \"" + name + "\" is not in this server's registry (" +
                                      why + "); push it first, e.g. docker push " +
                                      (has_host ? "" : registry) + name);
}

void JobRun::fetch_sources() {
  Sources sources = plan_.sources;
  sources.repository = workshop_.forge.repository(row_.project).directory();
  sources.directory = places_.build;
  sources.world_writable = !is_root_user(image_->config.user);
  sources.timeout = std::chrono::milliseconds(std::clamp<base::Millis>(
      deadline_ - workshop_.clock.now(), 1, plan_.sources.timeout.count()));
  get_sources(sources, [this](std::string_view text) { print(text); });
  if (sources.world_writable) ::chmod(places_.build.c_str(), 0777);
}

void JobRun::write_scripts() {
  // Nobody but the server's user comes through the directory above.
  fs::create_directories(places_.temporary);
  const bool own = is_root_user(image_->config.user);
  ::chmod(places_.temporary.c_str(), own ? 0755 : 0777);
  for (const auto& [name, text] : make_scripts(plan_.script)) {
    write_text(places_.temporary / name, text, own ? 0644 : 0666);
  }
  if (plan_.host_names.empty()) return;
  std::error_code error;
  const fs::path hosts = "/etc/hosts";
  const bool is_there = fs::is_regular_file(hosts, error);
  write_text(places_.temporary / kHosts,
             hosts_with(is_there ? store::read_file(hosts, 1u << 20) : "", plan_.host_names), 0644);
}

void JobRun::start_services() {
  for (std::size_t i = 0; i < plan_.services.size(); ++i) {
    const ServiceRequest& service = plan_.services[i];
    containers::ContainerSpec spec;
    try {
      const images::ResolvedImage resolved =
          workshop_.images.resolve(workshop_.options.account, service.image);
      spec.image = workshop_.images.unpack(workshop_.options.account, resolved.digest);
    } catch (const Error& error) {
      print("\x1b[0;33mWARNING: service " + service.image +
            " was not started: its image is not in this server's registry\x1b[0;m\n");
      continue;
    }
    spec.id = places_.service(i);
    spec.arguments =
        containers::command_line(spec.image.config, service.entrypoint, service.command);
    for (const ci::Variable& variable : service.variables) {
      spec.environment[variable.key] = variable.value;
    }
    spec.network = workshop_.options.network;
    workshop_.engine.start(spec);
    print("Starting service " + service.image + "...\n");
  }
}

void JobRun::start() {
  try {
    // Nothing is printed here: from now on the trace goes on with the container's log.
    if (!image_) image_ = choose_image(plan_.image).image;
    containers::ContainerSpec spec;
    spec.id = places_.container;
    spec.image = *image_;
    const std::optional<std::vector<std::string>> entrypoint = plan_.entrypoint;
    spec.arguments = containers::command_line(spec.image.config, entrypoint,
                                              driver_command(plan_.script.temporary));
    if (spec.image.host_base) spec.environment["HOME"] = "/root";
    if (!workshop_.options.ca_bundle.empty()) {
      spec.environment.merge(trust_in(kCaBundle, spec.image.config.environment));
    }
    spec.working_directory = plan_.script.project;
    spec.hostname = "runner-" + std::to_string(row_.job);
    spec.mounts = {
        {fs::absolute(places_.build), plan_.script.project, containers::Access::kReadWrite},
        {fs::absolute(places_.temporary), plan_.script.temporary, containers::Access::kReadWrite},
        {fs::canonical(workshop_.options.self), kInside, containers::Access::kReadOnly}};
    if (!plan_.host_names.empty()) {
      spec.mounts.push_back(
          {fs::absolute(places_.temporary / kHosts), "/etc/hosts", containers::Access::kReadOnly});
    }
    if (!workshop_.options.ca_bundle.empty()) {
      spec.mounts.push_back(
          {workshop_.options.ca_bundle, kCaBundle, containers::Access::kReadOnly});
    }
    spec.network = workshop_.options.network;
    workshop_.engine.start(spec);
  } catch (const Error& error) {
    end_with({Ending::kSystemFailure, 0, error.message()});
    return;
  }
  enter(Phase::kStarted);
}

LogTail JobRun::tail_of_log() {
  // What CI held back to mask it is lost with a crash, and then the trace is shorter.
  row_.trace_at = std::min(row_.trace_at, trace_.size());
  return {workshop_.engine.log_path(places_.container), trace_.size() - row_.trace_at};
}

bool JobRun::carry(LogTail& tail, bool at_end) {
  const LogPiece piece = tail.read(at_end);
  if (piece.consumed == 0) return false;
  trace_.write(piece.text);
  trace_.flush();
  return true;
}

void JobRun::follow() {
  if (workshop_.engine.state(places_.container) == containers::State::kAbsent) {
    end_with({Ending::kSystemFailure, 0, "the job's container was lost"});
    return;
  }
  LogTail tail = tail_of_log();
  LogWatch watch(workshop_.engine.log_path(places_.container), wake_);
  while (true) {
    const auto exit = workshop_.engine.exit_of(places_.container);
    if (exit) {
      while (carry(tail, true)) {
      }
      end_with(outcome_of(*exit));
      return;
    }
    const bool moved = carry(tail, false);
    if (workshop_.stopping) return;
    look_around();
    if (moved) {
      watch.rest(kBreath);
    } else {
      watch.wait(std::chrono::milliseconds(kLookEvery));
    }
  }
}

void JobRun::look_around() {
  const base::Millis now = workshop_.clock.now();
  if (stop_ == Stop::kNone && is_late()) stop_container(Stop::kTimeout);
  if (now < next_look_) return;
  next_look_ = now + kLookEvery;
  if (stop_ == Stop::kGone) return;
  const ci::Status status = workshop_.queue.status(row_.job);
  if (status == ci::Status::kCanceling) {
    if (stop_ == Stop::kNone) stop_container(Stop::kCanceled);
  } else if (status != ci::Status::kRunning || trace_.is_gone()) {
    stop_container(Stop::kGone);
  }
}

void JobRun::stop_container(Stop why) {
  stop_ = why;
  std::chrono::milliseconds grace = workshop_.options.stop_grace;
  if (why == Stop::kCanceled && !plan_.script.after_script.empty()) {
    write_text(places_.temporary / ".canceled", "", 0644);
    grace += plan_.script.after_timeout + kAfterStopPatience;
  }
  workshop_.engine.stop(places_.container, grace);
}

Outcome JobRun::outcome_of(const containers::Exit& exit) {
  if (stop_ == Stop::kTimeout) return {Ending::kTimeout, 0, ""};
  if (stop_ != Stop::kNone) return {Ending::kCanceled, 0, ""};
  std::optional<std::int64_t> code;
  try {
    code = base::parse_integer(store::read_file(places_.temporary / ".exit", 16));
  } catch (const Error&) {
    // The driver did not get so far.
  }
  if (code) {
    if (*code == 0) return {Ending::kSuccess, 0, ""};
    return {Ending::kScriptFailure, static_cast<int>(*code), exit.reason};
  }
  if (exit.reason == "out of memory") return {Ending::kScriptFailure, exit.code, exit.reason};
  if (!exit.reason.empty()) return {Ending::kSystemFailure, exit.code, exit.reason};
  // An image whose entrypoint runs something else than the shell that it is given.
  return {exit.code == 0 ? Ending::kSystemFailure : Ending::kScriptFailure, exit.code,
          "the image did not run the job's shell"};
}

std::string JobRun::closing_line() const {
  const Outcome& outcome = row_.outcome;
  std::string why;
  switch (outcome.ending) {
    case Ending::kSuccess:
      return "\x1b[32;1mJob succeeded\x1b[0;m\n";
    case Ending::kScriptFailure:
      why = "exit code " + std::to_string(outcome.exit_code);
      if (!outcome.message.empty()) why += " (" + outcome.message + ")";
      break;
    case Ending::kTimeout:
      why = "execution took longer than " + duration_text(assignment_.timeout) + " seconds";
      break;
    case Ending::kCanceled:
      why = "canceled";
      break;
    case Ending::kImageFailure:
      why = outcome.message;
      break;
    case Ending::kSystemFailure:
      return "\x1b[31;1mERROR: Job failed (system failure): " + outcome.message + "\x1b[0;m\n";
  }
  return "\x1b[31;1mERROR: Job failed: " + why + "\x1b[0;m\n";
}

void JobRun::finish() {
  const Ending ending = row_.outcome.ending;
  const bool ran =
      ending == Ending::kSuccess || ending == Ending::kScriptFailure || ending == Ending::kTimeout;
  const bool succeeded = ending == Ending::kSuccess;
  try {
    const auto due = [&](const auto& one) { return is_due(one.when, succeeded); };
    if (ran && std::any_of(plan_.caches.begin(), plan_.caches.end(), due)) {
      section(succeeded ? "archive_cache" : "archive_cache_on_failure",
              succeeded ? "Saving cache for successful job" : "Saving cache for failed job",
              [&] { packing_.save_caches(succeeded); });
    }
    if (workshop_.stopping) return;
    if (ran && std::any_of(plan_.artifacts.begin(), plan_.artifacts.end(), due)) {
      section(succeeded ? "upload_artifacts_on_success" : "upload_artifacts_on_failure",
              succeeded ? "Uploading artifacts for successful job"
                        : "Uploading artifacts for failed job",
              [&] { packing_.upload(succeeded); });
    }
  } catch (const Error& error) {
    print("\x1b[31;1mERROR: " + error.message() + "\x1b[0;m\n");
    if (succeeded) row_.outcome = {Ending::kScriptFailure, 1, "artifacts were not uploaded"};
  }
  section("cleanup_file_variables", "Cleaning up project directory and file based variables",
          [] {});
  print(closing_line());
  trace_.flush();
  workshop_.queue.update(row_.job, update_of(row_.outcome));
  clean_up(workshop_, row_);
}

void JobRun::give_up(const std::string& why) {
  row_.outcome = {Ending::kSystemFailure, 0, why};
  print(closing_line());
  trace_.flush();
  workshop_.queue.update(row_.job, update_of(row_.outcome));
  clean_up(workshop_, row_);
}

void clean_up(const Workshop& workshop, const JobRow& row) {
  const JobPlaces places(workshop.options.directory, row.job, row.project, row.slot);
  for (const std::string& id : workshop.engine.list()) {
    if (id == places.container || id.starts_with(places.container + "-service-")) {
      workshop.engine.remove(id);
    }
  }
  containers::remove_tree(places.temporary);
  containers::remove_tree(places.outgoing);
  workshop.store.remove(row.job);
}

}  // namespace slipway::runner
