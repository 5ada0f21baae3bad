// slipway logs: a job's or an endpoint's output.

#include <iostream>
#include <map>
#include <thread>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/session.h"

namespace slipway::cli {
namespace {

struct LogsOptions {
  std::string name;
  bool follow = false;
  bool json = false;
};

struct Source {
  std::string group;
  std::string prefix;  // of its streams
  std::string kind;    // "Training", "Processing"; empty for an endpoint
};

std::optional<std::string> job_status(wire::ServiceClient& services, const std::string& kind,
                                      const std::string& name) {
  const auto job = services.call_if_exists("sagemaker", "Describe" + kind + "Job",
                                           {{kind + "JobName", name}}, "not found");
  if (!job) return std::nullopt;
  return base::text_or(*job, kind + "JobStatus");
}

Source find_source(wire::ServiceClient& services, const std::string& name) {
  constexpr std::string_view kEndpoint = "endpoint/";
  if (name.starts_with(kEndpoint)) {
    // Of an endpoint that is gone, too: as long as its log is there.
    const std::string endpoint = name.substr(kEndpoint.size());
    const std::string group = "/aws/sagemaker/Endpoints/" + endpoint;
    if (!services.call_if_exists("logs", "DescribeLogStreams", {{"logGroupName", group}},
                                 "does not exist") &&
        !services.call_if_exists("sagemaker", "DescribeEndpoint", {{"EndpointName", endpoint}},
                                 "Could not find"))
      throw Error("NotFound",
                  "there is no endpoint " + endpoint + "; list them: aws sagemaker list-endpoints");
    return {group, "", ""};
  }
  for (const std::string kind : {"Training", "Processing"})
    if (job_status(services, kind, name))
      return {"/aws/sagemaker/" + kind + "Jobs", name + "/", kind};
  if (services.call_if_exists("sagemaker", "DescribeEndpoint", {{"EndpointName", name}},
                              "Could not find"))
    return {"/aws/sagemaker/Endpoints/" + name, "", ""};
  throw Error("NotFound", "there is no training job, processing job or endpoint " + name +
                              "; list them: aws sagemaker list-training-jobs");
}

// Prints what is new in every stream of the source.
class Tail {
 public:
  Tail(wire::ServiceClient& services, Source source, bool json)
      : services_(services), source_(std::move(source)), json_(json) {}

  void print() {
    for (const std::string& stream : streams()) print(stream);
    std::cout << std::flush;
  }

 private:
  std::vector<std::string> streams() {
    std::vector<std::string> names;
    Json input{{"logGroupName", source_.group}};
    if (!source_.prefix.empty()) input["logStreamNamePrefix"] = source_.prefix;
    for (;;) {
      const auto page =
          services_.call_if_exists("logs", "DescribeLogStreams", input, "does not exist");
      if (!page) return names;
      for (const Json& stream : base::array_or_empty(*page, "logStreams"))
        names.push_back(base::text_or(stream, "logStreamName"));
      if (!page->contains("nextToken")) return names;
      input["nextToken"] = (*page)["nextToken"];
    }
  }

  void print(const std::string& stream) {
    std::string& token = tokens_[stream];
    for (;;) {
      Json input{
          {"logGroupName", source_.group}, {"logStreamName", stream}, {"startFromHead", true}};
      if (!token.empty()) input["nextToken"] = token;
      const Json page = services_.call("logs", "GetLogEvents", input);
      for (const Json& event : base::array_or_empty(page, "events")) {
        if (json_)
          std::cout << base::dump_json({{"stream", stream},
                                        {"timestamp", event["timestamp"]},
                                        {"message", event["message"]}})
                    << "\n";
        else
          std::cout << base::text_or(event, "message") << "\n";
      }
      const std::string next = base::text_or(page, "nextForwardToken");
      if (next == token || next.empty()) return;
      token = next;
    }
  }

  wire::ServiceClient& services_;
  const Source source_;
  const bool json_;
  std::map<std::string, std::string> tokens_;
};

int run_logs(const Globals& globals, const LogsOptions& options) {
  const Session session = find_session(globals);
  net::Client http;
  base::SystemClock clock;
  wire::ServiceClient services(http, clock, {session.endpoint, session.region, session.key});
  const Source source = find_source(services, options.name);
  Tail tail(services, source, options.json);
  for (;;) {
    // The status first: lines written before a job's end are then in the page that follows.
    const bool running = source.kind.empty() || [&] {
      const std::string status = job_status(services, source.kind, options.name).value_or("");
      return status == "InProgress" || status == "Stopping";
    }();
    tail.print();
    if (!options.follow || !running) return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

}  // namespace

void add_logs(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<LogsOptions>();
  auto* command = parser.add_subcommand("logs", "Show the output of a job or an endpoint");
  command->add_option("name", options->name, "Job or endpoint; endpoint/NAME where both exist")
      ->required();
  command->add_flag("--follow,-f", options->follow, "Go on until the job ends");
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback([&globals, &run, options] {
    run = [&globals, options] { return run_logs(globals, *options); };
  });
}

}  // namespace slipway::cli
