// slipway watch: what runs now, across repositories and pipelines, with the time of each step.

#include <iostream>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "cli/gitlab_client.h"
#include "cli/session.h"

namespace slipway::cli {
namespace {

struct WatchOptions {
  bool once = false;
  bool json = false;
  int timeout = 3600;
};

// One job or step, wherever it runs.
struct Item {
  std::string place;  // "health/models #12" or "tumour-training"
  std::string name;
  std::string status;
  std::string reason;
  std::optional<double> seconds;
  std::string address;    // of its page; CI's have one
  bool forgiven = false;  // a job that may fail
};

const std::set<std::string>& unfinished() {
  static const std::set<std::string> kUnfinished{"created",   "waiting_for_resource",
                                                 "preparing", "pending",
                                                 "running",   "canceling",
                                                 "scheduled", "Starting",
                                                 "Executing", "Stopping"};
  return kUnfinished;
}

std::string mark_of(const std::string& status) {
  if (status == "success" || status == "Succeeded") return "✓";
  if (status == "failed" || status == "Failed") return "✗";
  if (status == "manual") return "?";
  if (unfinished().contains(status)) return "▸";
  return "-";
}

std::string took(const std::optional<double>& seconds) {
  if (!seconds) return "";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%7.2f s", *seconds);
  return text.data();
}

std::optional<double> number_in(const Json& object, const char* member) {
  if (!object.contains(member) || !object[member].is_number()) return std::nullopt;
  return object[member].get<double>();
}

class Watch {
 public:
  Watch(const Globals& globals, const WatchOptions& options)
      : options_(options),
        gitlab_(GitlabClient::open(globals)),
        session_(find_session(globals)),
        services_(http_, clock_, {session_.endpoint, session_.region, session_.key}) {}

  int run() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options_.timeout);
    bool failed = false;
    for (;;) {
      const std::vector<Item> items = look();
      bool running = false;
      failed = false;
      for (const Item& item : items) {
        running |= unfinished().contains(item.status);
        failed |= mark_of(item.status) == "✗" && !item.forgiven;
        if (!options_.json) show(item);
      }
      if (options_.json) std::cout << base::dump_json(as_json(items)) << std::endl;
      if (options_.once || (!running && !items.empty())) break;
      if (items.empty() && !options_.json && shown_.empty()) {
        std::cout << "nothing has run yet; push to a repository: git push slipway main\n";
        break;
      }
      if (std::chrono::steady_clock::now() > deadline)
        throw Error("Timeout", "still running after " + std::to_string(options_.timeout) + " s");
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    if (!options_.json && !options_.once) show_undecided();
    return failed ? 1 : 0;
  }

 private:
  std::vector<Item> look() {
    std::vector<Item> items;
    for (const Json& project : gitlab_.all("/projects")) add_pipelines(project, items);
    add_executions(items);
    return items;
  }

  // The newest one, older ones that still run, and what was seen running: its end is to be shown.
  bool is_followed(const std::string& id, const std::string& status, bool newest) {
    const bool running = unfinished().contains(status);
    if (running) followed_.insert(id);
    return newest || running || followed_.contains(id);
  }

  void add_pipelines(const Json& project, std::vector<Item>& items) {
    const std::string id = std::to_string(base::integer_or(project, "id", 0));
    Json pipelines = gitlab_.get("/projects/" + id + "/pipelines?per_page=100");
    bool newest = true;
    for (const Json& pipeline : pipelines) {
      if (!is_followed(base::dump_json(pipeline["id"]), base::text_or(pipeline, "status"),
                       std::exchange(newest, false)))
        continue;
      add_jobs(project, id, pipeline, items);
    }
  }

  void add_jobs(const Json& project, const std::string& id, const Json& pipeline,
                std::vector<Item>& items) {
    const std::string number = std::to_string(base::integer_or(pipeline, "id", 0));
    // By workflow:name, e.g. the model.
    const std::string title(base::trim(base::text_or(pipeline, "name")));
    const std::string place = base::text_or(project, "path_with_namespace") + " #" + number +
                              (title.empty() ? "" : " (" + title + ")");
    const std::string path = "/projects/" + id + "/pipelines/" + number;
    std::map<std::int64_t, Item> jobs;  // by their ids: as they stand in the stages
    for (const char* kind : {"/jobs", "/bridges"})
      for (const Json& job : gitlab_.all(path + kind))
        jobs[base::integer_or(job, "id", 0)] = {place,
                                                base::text_or(job, "name"),
                                                base::text_or(job, "status"),
                                                base::text_or(job, "failure_reason"),
                                                number_in(job, "duration"),
                                                base::text_or(job, "web_url"),
                                                base::boolean_or(job, "allow_failure", false)};
    for (auto& [ignored, item] : jobs) items.push_back(std::move(item));
    // A pipeline without jobs says why itself.
    if (jobs.empty() && base::text_or(pipeline, "status") == "failed")
      items.push_back({place,
                       "pipeline",
                       "failed",
                       base::text_or(gitlab_.get(path), "yaml_errors"),
                       {},
                       base::text_or(pipeline, "web_url")});
  }

  void add_executions(std::vector<Item>& items) {
    std::multimap<double, std::pair<std::string, std::string>> executions;  // by their start
    Json input{{"MaxResults", 100}};
    do {
      const Json page = services_.call("sagemaker", "ListPipelines", input);
      for (const Json& pipeline : base::array_or_empty(page, "PipelineSummaries")) {
        const std::string name = base::text_or(pipeline, "PipelineName");
        const Json found = services_.call(
            "sagemaker", "ListPipelineExecutions",
            {{"PipelineName", name}, {"SortBy", "CreationTime"}, {"MaxResults", 100}});
        bool newest = true;
        for (const Json& execution : base::array_or_empty(found, "PipelineExecutionSummaries")) {
          const std::string arn = base::text_or(execution, "PipelineExecutionArn");
          if (!is_followed(arn, base::text_or(execution, "PipelineExecutionStatus"),
                           std::exchange(newest, false)))
            continue;
          executions.emplace(number_in(execution, "StartTime").value_or(0), std::pair(name, arn));
        }
      }
      input["NextToken"] = base::text_or(page, "NextToken");
    } while (!base::text_or(input, "NextToken").empty());
    for (const auto& [ignored, execution] : executions)
      add_steps(execution.first, execution.second, items);
  }

  void add_steps(const std::string& name, const std::string& execution, std::vector<Item>& items) {
    Json input{
        {"PipelineExecutionArn", execution}, {"MaxResults", 100}, {"SortOrder", "Ascending"}};
    do {
      const Json page = services_.call("sagemaker", "ListPipelineExecutionSteps", input);
      for (const Json& step : base::array_or_empty(page, "PipelineExecutionSteps")) {
        Item item{name + " " + base::name_of(execution),
                  base::text_or(step, "StepName"),
                  base::text_or(step, "StepStatus"),
                  base::text_or(step, "FailureReason"),
                  {}};
        const auto start = number_in(step, "StartTime"), end = number_in(step, "EndTime");
        if (start && end) item.seconds = *end - *start;
        items.push_back(std::move(item));
      }
      input["NextToken"] = base::text_or(page, "NextToken");
    } while (!base::text_or(input, "NextToken").empty());
  }

  // What a person is waited for: each model's newest version where nobody has decided yet.
  void show_undecided() {
    const Json groups = services_.call("sagemaker", "ListModelPackageGroups",
                                       {{"MaxResults", 100}, {"SortBy", "CreationTime"}});
    for (const Json& group : base::array_or_empty(groups, "ModelPackageGroupSummaryList")) {
      const std::string model = base::text_or(group, "ModelPackageGroupName");
      const Json newest = services_.call("sagemaker", "ListModelPackages",
                                         {{"ModelPackageGroupName", model},
                                          {"SortBy", "CreationTime"},
                                          {"SortOrder", "Descending"},
                                          {"MaxResults", 1}});
      for (const Json& item : base::array_or_empty(newest, "ModelPackageSummaryList")) {
        if (base::text_or(item, "ModelApprovalStatus") != "PendingManualApproval") continue;
        const Json package =
            services_.call("sagemaker", "DescribeModelPackage",
                           {{"ModelPackageName", base::text_or(item, "ModelPackageArn")}});
        const std::string number = std::to_string(base::integer_or(item, "ModelPackageVersion", 0));
        const std::string version = base::text_or(
            base::object_or_empty(package, "CustomerMetadataProperties"), "version", number);
        std::cout << "? " << model << " " << version << " waits for approval: slipway approve "
                  << model << " " << version << "\n";
      }
    }
  }

  // A line for each change.
  void show(const Item& item) {
    std::string& last = shown_[item.place + "/" + item.name];
    if (last == item.status) return;
    last = item.status;
    std::string place = item.place, name = item.name;
    place.resize(std::max<std::size_t>(place.size(), 34), ' ');
    name.resize(std::max<std::size_t>(name.size(), 22), ' ');
    std::cout << mark_of(item.status) << " " << place << " " << name << " " << item.status << "  "
              << took(item.seconds);
    if (item.forgiven && mark_of(item.status) == "✗") std::cout << "  (may fail)";
    if (!item.reason.empty()) std::cout << "  " << base::replace_all(item.reason, "\n", "\n  ");
    if (mark_of(item.status) == "✗" && !item.address.empty()) std::cout << "\n  " << item.address;
    std::cout << std::endl;
  }

  static Json as_json(const std::vector<Item>& items) {
    Json list = Json::array();
    for (const Item& item : items) {
      Json object{{"place", item.place}, {"name", item.name}, {"status", item.status}};
      if (!item.reason.empty()) object["reason"] = item.reason;
      if (item.seconds) object["seconds"] = *item.seconds;
      if (!item.address.empty()) object["url"] = item.address;
      if (item.forgiven) object["allowFailure"] = true;
      list.push_back(std::move(object));
    }
    return list;
  }

  const WatchOptions options_;
  base::SystemClock clock_;
  net::Client http_;
  GitlabClient gitlab_;
  const Session session_;
  wire::ServiceClient services_;
  std::map<std::string, std::string> shown_;
  std::set<std::string> followed_;  // ids of pipelines, ARNs of executions
};

}  // namespace

void add_watch(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<WatchOptions>();
  auto* command = parser.add_subcommand(
      "watch", "Follow jobs and steps across repositories and pipelines until all is over");
  command->add_flag("--once", options->once, "Print how things stand and return");
  command->add_flag("--json", options->json, "Print JSON: a list with each look");
  command->add_option("--timeout", options->timeout, "Seconds until it gives up")
      ->capture_default_str();
  command->footer("Exit status 1 where something failed.");
  command->callback([&globals, &run, options] {
    run = [&globals, options] { return Watch(globals, *options).run(); };
  });
}

}  // namespace slipway::cli
