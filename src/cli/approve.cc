// slipway approve, slipway reject: a person's decision on a model version.

#include <iostream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "cli/session.h"
#include "ship/definitions.h"
#include "ship/evidence.h"
#include "ship/stages.h"

namespace slipway::cli {
namespace {

struct DecisionOptions {
  std::string model;
  std::string version;
  std::string comment;
  bool json = false;
};

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
  std::string message = "model " + model + " has no version " + version;
  if (!seen.empty()) {
    message += "; its newest are";
    for (const std::string& other : seen) message += " " + other;
  }
  throw Error("NotFound", message);
}

void print_evidence(wire::ServiceClient& services, const Json& package) {
  const Json& metadata = base::object_or_empty(package, "CustomerMetadataProperties");
  std::cout << base::text_or(package, "ModelPackageGroupName") << " "
            << base::text_or(metadata, "version") << "  commit "
            << base::text_or(metadata, "commit").substr(0, 12) << "  image "
            << base::text_or(metadata, "imageDigest").substr(0, 19) << "\n";
  const Json& quality =
      base::object_or_empty(base::object_or_empty(package, "ModelMetrics"), "ModelQuality");
  const std::string report = base::text_or(base::object_or_empty(quality, "Statistics"), "S3Uri");
  if (!report.starts_with("s3://")) return;
  for (const auto& [name, value] : ship::metrics_at(services, report))
    std::cout << "  " << name << " " << value << "\n";
}

int decide(const Globals& globals, const DecisionOptions& options, bool approve) {
  const Session session = find_session(globals);
  base::SystemClock clock;
  net::Client http;
  wire::ServiceClient services(http, clock, {session.endpoint, session.region, session.key});
  const Json package = find_package(services, options.model, options.version);
  const std::string arn = base::text_or(package, "ModelPackageArn");
  if (!options.json) print_evidence(services, package);
  const std::string comment =
      options.comment.empty() ? "decided on the command line" : options.comment;
  const std::string status = approve ? "Approved" : "Rejected";
  services.call("sagemaker", "UpdateModelPackage",
                {{"ModelPackageArn", arn},
                 {"ModelApprovalStatus", status},
                 {"ApprovalDescription", comment}});
  if (options.json) {
    std::cout << base::dump_json({{"modelPackage", arn}, {"status", status}}) << "\n";
  } else if (approve) {
    std::cout << "approved; its deployment has started: slipway watch\n";
  } else {
    std::cout << "rejected; nothing is deployed\n";
  }
  return 0;
}

void add_decision(CLI::App& parser, const Globals& globals, Run& run, bool approve) {
  auto options = std::make_shared<DecisionOptions>();
  auto* command = parser.add_subcommand(
      approve ? "approve" : "reject",
      approve ? "Approve a model version: its deployment starts" : "Reject a model version");
  command->add_option("model", options->model, "The model, e.g. tumour")->required();
  command->add_option("version", options->version, "Its version, e.g. 1.2.0")->required();
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
