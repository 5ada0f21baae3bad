// slipway approve, slipway reject: a person's decision on a model version.

#include <chrono>
#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "cli/model_version.h"
#include "cli/session.h"
#include "ship/definitions.h"
#include "ship/pipeline_run.h"

namespace slipway::cli {
namespace {

struct DecisionOptions {
  std::string model;
  std::string version;
  std::string comment;
  bool json = false;
};

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

void add_verdict(CLI::App& parser, const Globals& globals, Run& run, bool approve) {
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
  add_verdict(parser, globals, run, true);
  add_verdict(parser, globals, run, false);
}

}  // namespace slipway::cli
