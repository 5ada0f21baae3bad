// slipway approve, slipway reject: a person's decision on a model version.

#include <chrono>
#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "cli/session.h"
#include "ship/definitions.h"
#include "ship/evidence.h"
#include "ship/pipeline_run.h"
#include "ship/stages.h"

namespace slipway::cli {
namespace {

struct DecisionOptions {
  std::string model;
  std::string version;
  std::string comment;
  bool json = false;
};

[[noreturn]] void fail_without_model(wire::ServiceClient& services, const std::string& model) {
  std::string message = "there is no model " + model;
  const Json page = services.call("sagemaker", "ListModelPackageGroups", {{"MaxResults", 20}});
  std::vector<std::string> names;
  for (const Json& group : base::array_or_empty(page, "ModelPackageGroupSummaryList"))
    names.push_back(base::text_or(group, "ModelPackageGroupName"));
  throw Error("NotFound", message + (names.empty() ? "; none has been registered yet"
                                                   : "; there are " + base::join(names, ", ")));
}

// The newest package of that version: a version that was trained again keeps its number.
Json find_package(wire::ServiceClient& services, const std::string& model,
                  const std::string& version) {
  std::string token;
  std::vector<std::string> seen;
  do {
    Json input{{"ModelPackageGroupName", model},
               {"SortBy", "CreationTime"},
               {"SortOrder", "Descending"},
               {"MaxResults", 100}};
    if (!token.empty()) input["NextToken"] = token;
    const auto page =
        services.call_if_exists("sagemaker", "ListModelPackages", input, "does not exist");
    if (!page) break;
    for (const Json& item : base::array_or_empty(*page, "ModelPackageSummaryList")) {
      Json package = services.call("sagemaker", "DescribeModelPackage",
                                   {{"ModelPackageName", base::text_or(item, "ModelPackageArn")}});
      const std::string own =
          base::text_or(base::object_or_empty(package, "CustomerMetadataProperties"), "version");
      const std::string number =
          std::to_string(base::integer_or(package, "ModelPackageVersion", 0));
      if (own == version || number == version) return package;
      if (seen.size() < 5) seen.push_back(own.empty() ? number : own);
    }
    token = base::text_or(*page, "NextToken");
  } while (!token.empty());
  // The list of a group that is not there is empty as well.
  if (seen.empty() &&
      !services.call_if_exists("sagemaker", "DescribeModelPackageGroup",
                               {{"ModelPackageGroupName", model}}, "does not exist"))
    fail_without_model(services, model);
  std::string message = "model " + model + " has no version " + version;
  if (!seen.empty()) {
    message += "; its newest are " + base::join(seen, ", ");
  }
  throw Error("NotFound", message);
}

// The figures beside those of the version that the model's endpoint serves.
void print_figures(wire::ServiceClient& services, const Json& package) {
  const auto now = ship::metrics_of_package(services, package);
  if (!now) return;
  const std::string group = base::text_or(package, "ModelPackageGroupName");
  const Json live = ship::live_package(services, group).value_or(Json::object());
  const bool other =
      base::text_or(live, "ModelPackageGroupName") == group &&
      base::text_or(live, "ModelPackageArn") != base::text_or(package, "ModelPackageArn");
  const std::string version =
      base::text_or(base::object_or_empty(live, "CustomerMetadataProperties"), "version",
                    std::to_string(base::integer_or(live, "ModelPackageVersion", 0)));
  const auto before = other ? ship::metrics_of_package(services, live) : std::nullopt;
  for (const ship::Difference& figure : ship::compare(*now, before)) {
    std::cout << "  " << figure.metric << " " << figure.now;
    if (figure.live)
      std::cout << "   live " << *figure.live << " (" << version << ")   " << std::showpos
                << figure.now - *figure.live << std::noshowpos;
    std::cout << "\n";
  }
}

void print_evidence(wire::ServiceClient& services, const Json& package) {
  const Json& metadata = base::object_or_empty(package, "CustomerMetadataProperties");
  std::cout << base::text_or(package, "ModelPackageGroupName") << " "
            << base::text_or(metadata, "version") << "  commit "
            << base::text_or(metadata, "commit").substr(0, 12) << "  image "
            << base::text_or(metadata, "imageDigest").substr(0, 19) << "  data "
            << base::text_or(metadata, "dataDigest").substr(0, 19) << "\n";
  try {
    print_figures(services, package);
  } catch (const Error& error) {
    // It may be rejected all the same, or approved by who knows the figures otherwise.
    std::cout << "  its figures cannot be read: " << error.message() << "\n";
  }
}

std::string said(const std::string& comment) { return comment.empty() ? "" : ": " + comment; }

void report(const DecisionOptions& options, const std::string& arn, const std::string& status,
            bool changed, const std::string& what) {
  if (options.json)
    std::cout << base::dump_json({{"modelPackage", arn}, {"status", status}, {"changed", changed}});
  else
    std::cout << what;
  std::cout << "\n";
}

// The version's deployment, whoever started it first; nothing where it has none.
std::optional<Json> find_deployment(wire::ServiceClient& services, const std::string& pipeline,
                                    const std::string& arn) {
  const std::string by_server = "deploy-v" + base::name_of(arn);
  const std::string by_job = ship::deployment_token(arn);
  Json input{{"PipelineName", pipeline}, {"SortBy", "CreationTime"}, {"MaxResults", 100}};
  for (;;) {
    const auto page =
        services.call_if_exists("sagemaker", "ListPipelineExecutions", input, "does not exist");
    if (!page) return std::nullopt;
    for (const Json& execution : base::array_or_empty(*page, "PipelineExecutionSummaries")) {
      const std::string name = base::text_or(execution, "PipelineExecutionDisplayName");
      if (name == by_server || name.starts_with(by_job)) return execution;
    }
    if (!page->contains("NextToken")) return std::nullopt;
    input["NextToken"] = (*page)["NextToken"];
  }
}

std::string how_to_deploy_again(const std::string& pipeline, const std::string& arn) {
  return "to deploy it again: aws sagemaker start-pipeline-execution --pipeline-name " + pipeline +
         " --pipeline-parameters Name=ModelPackageArn,Value=" + arn;
}

// The approval's deployment is started by its event: a `slipway watch` right after this command
// must find it.
std::string wait_for_deployment(wire::ServiceClient& services, const std::string& pipeline,
                                const std::string& arn) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!find_deployment(services, pipeline, arn)) {
    if (std::chrono::steady_clock::now() > deadline)
      return "approved; its deployment has not started yet; " + how_to_deploy_again(pipeline, arn);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return "approved; its deployment has started: slipway watch";
}

int decide(const Globals& globals, const DecisionOptions& options, bool approve) {
  const Session session = find_session(globals);
  base::SystemClock clock;
  net::Client http;
  wire::ServiceClient services(http, clock, {session.endpoint, session.region, session.key});
  const Json package = find_package(services, options.model, options.version);
  const std::string arn = base::text_or(package, "ModelPackageArn");
  if (!options.json) print_evidence(services, package);
  const std::string status = approve ? "Approved" : "Rejected";
  const std::string before = base::text_or(package, "ModelApprovalStatus");
  const std::string pipeline = ship::deployment_pipeline_name(options.model);
  const auto deployed = approve ? find_deployment(services, pipeline, arn) : std::nullopt;
  const std::string past = deployed ? "its deployment was started before (" +
                                          base::text_or(*deployed, "PipelineExecutionStatus") +
                                          "); " + how_to_deploy_again(pipeline, arn)
                                    : "";
  if (before == status) {
    report(options, arn, status, false,
           (approve ? "approved already" : "rejected already") +
               said(base::text_or(package, "ApprovalDescription")) + "; nothing has changed" +
               (past.empty() ? "" : "\n" + past));
    return 0;
  }
  services.call("sagemaker", "UpdateModelPackage",
                {{"ModelPackageArn", arn},
                 {"ModelApprovalStatus", status},
                 {"ApprovalDescription",
                  options.comment.empty() ? "decided on the command line" : options.comment}});
  std::string what = "rejected; nothing is deployed";
  if (approve && deployed) {
    what = "approved; " + past;
  } else if (approve) {
    what = services.call_if_exists("sagemaker", "DescribePipeline", {{"PipelineName", pipeline}},
                                   "does not exist")
               ? wait_for_deployment(services, pipeline, arn)
               : "approved; there is no pipeline " + pipeline + " that would deploy it";
  } else if (before == "Approved") {
    what = "rejected; where it is deployed already it goes on serving";
  }
  report(options, arn, status, true, what);
  return 0;
}

void add_decision(CLI::App& parser, const Globals& globals, Run& run, bool approve) {
  auto options = std::make_shared<DecisionOptions>();
  auto* command = parser.add_subcommand(
      approve ? "approve" : "reject",
      approve ? "Approve a model version: its deployment starts" : "Reject a model version");
  command->add_option("model", options->model, "The model, e.g. tumour")->required();
  command->add_option("version", options->version, "Its version, e.g. 1.2.0, or its number")
      ->required();
  command->add_option("--comment", options->comment, "Why; kept with the version");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([&globals, &run, options, approve] {
    run = [&globals, options, approve] { return decide(globals, *options, approve); };
  });
}

}  // namespace

void add_approve(CLI::App& parser, const Globals& globals, Run& run) {
  add_decision(parser, globals, run, true);
  add_decision(parser, globals, run, false);
}

}  // namespace slipway::cli
