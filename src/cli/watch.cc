// slipway watch: what runs now, across repositories and pipelines, with the time of each step.

#include <iostream>
#include <map>
#include <set>
#include <thread>

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

std::optional<double> number(const Json& object, const char* member) {
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
        failed |= mark_of(item.status) == "✗";
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
    return failed ? 1 : 0;
  }

 private:
  std::vector<Item> look() {
    std::vector<Item> items;
    for (const Json& project : gitlab_.all("/projects")) add_pipelines(project, items);
    add_executions(items);
    return items;
  }

  void add_pipelines(const Json& project, std::vector<Item>& items) {
    const std::string id = std::to_string(base::integer_or(project, "id", 0));
    const Json pipelines = gitlab_.get("/projects/" + id + "/pipelines?per_page=3");
    bool newest = true;
    for (const Json& pipeline : pipelines) {
      // The newest one, and older ones that still run.
      if (!newest && !unfinished().contains(base::text_or(pipeline, "status"))) continue;
      newest = false;
      const std::string number = std::to_string(base::integer_or(pipeline, "id", 0));
      const std::string place = base::text_or(project, "path_with_namespace") + " #" + number;
      const std::string path = "/projects/" + id + "/pipelines/" + number;
      for (const char* kind : {"/jobs", "/bridges"})
        for (const Json& job : gitlab_.all(path + kind))
          items.push_back({place, base::text_or(job, "name"), base::text_or(job, "status"),
                           base::text_or(job, "failure_reason"),
                           ::slipway::cli::number(job, "duration")});
    }
  }

  void add_executions(std::vector<Item>& items) {
    const Json pipelines = services_.call("sagemaker", "ListPipelines", {{"MaxResults", 100}});
    for (const Json& pipeline : base::array_or_empty(pipelines, "PipelineSummaries")) {
      const std::string name = base::text_or(pipeline, "PipelineName");
      const Json executions =
          services_.call("sagemaker", "ListPipelineExecutions",
                         {{"PipelineName", name}, {"SortBy", "CreationTime"}, {"MaxResults", 1}});
      for (const Json& execution : base::array_or_empty(executions, "PipelineExecutionSummaries"))
        add_steps(name, base::text_or(execution, "PipelineExecutionArn"), items);
    }
  }

  void add_steps(const std::string& name, const std::string& execution, std::vector<Item>& items) {
    const Json steps = services_.call(
        "sagemaker", "ListPipelineExecutionSteps",
        {{"PipelineExecutionArn", execution}, {"MaxResults", 100}, {"SortOrder", "Ascending"}});
    for (const Json& step : base::array_or_empty(steps, "PipelineExecutionSteps")) {
      Item item{name + " " + base::name_of(execution),
                base::text_or(step, "StepName"),
                base::text_or(step, "StepStatus"),
                base::text_or(step, "FailureReason"),
                {}};
      const auto start = number(step, "StartTime"), end = number(step, "EndTime");
      if (start && end) item.seconds = *end - *start;
      items.push_back(std::move(item));
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
    if (!item.reason.empty()) std::cout << "  " << item.reason;
    std::cout << std::endl;
  }

  static Json as_json(const std::vector<Item>& items) {
    Json list = Json::array();
    for (const Item& item : items) {
      Json object{{"place", item.place}, {"name", item.name}, {"status", item.status}};
      if (!item.reason.empty()) object["reason"] = item.reason;
      if (item.seconds) object["seconds"] = *item.seconds;
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
