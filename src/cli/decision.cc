// slipway decision: who decided what about a model version, when and why; or waits until somebody
// has.

#include <chrono>
#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"
#include "cli/model_version.h"
#include "cli/session.h"
#include "wire/client.h"

namespace slipway::cli {
namespace {

constexpr const char* kUndecided = "PendingManualApproval";
constexpr std::chrono::seconds kPause{1};
constexpr int kNobodyDecided = 3;  // the exit status

struct DecisionOptions {
  std::string model;
  std::string version;
  std::int64_t wait = 0;  // seconds
  bool json = false;
};

std::string status_of(const Json& package) { return base::text_or(package, "ModelApprovalStatus"); }

std::string time_of(const Json& package) {
  const auto found = package.find("LastModifiedTime");
  if (found == package.end() || !found->is_number()) return "";
  return base::iso8601(static_cast<base::Millis>(found->get<double>() * 1000));
}

std::string person_of(const Json& package) {
  return base::text_or(
      base::object_or_empty(base::object_or_empty(package, "LastModifiedBy"), "IamIdentity"),
      "Arn");
}

std::string how_to_decide(const DecisionOptions& options) {
  return "slipway approve " + options.model + " " + options.version + ", or slipway reject";
}

void print(const DecisionOptions& options, const Json& package) {
  const std::string status = status_of(package);
  const bool decided = status != kUndecided;
  const std::string comment = base::text_or(package, "ApprovalDescription");
  if (options.json) {
    Json object{{"modelPackage", base::text_or(package, "ModelPackageArn")}, {"status", status}};
    if (decided) {
      object["by"] = person_of(package);
      object["at"] = time_of(package);
      if (!comment.empty()) object["comment"] = comment;
    }
    std::cout << base::dump_json(object) << "\n";
  } else if (decided) {
    std::cout << base::lower(status) << " by " << person_of(package) << " at " << time_of(package)
              << (comment.empty() ? "" : ": " + comment) << "\n";
  } else {
    std::cout << "nobody has decided yet: " << how_to_decide(options) << "\n";
  }
}

int show(const Globals& globals, const DecisionOptions& options) {
  const Session session = find_session(globals);
  base::SystemClock clock;
  net::Client http;
  wire::ServiceClient services(http, clock, {session.endpoint, session.region, session.key});
  Json package = find_package(services, options.model, options.version);
  if (!options.json) print_evidence(services, package);
  if (!options.json && options.wait > 0 && status_of(package) == kUndecided)
    std::cout << "waits up to " << options.wait << " s for " << how_to_decide(options) << std::endl;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.wait);
  // The package's own name: another training of the same version is another decision.
  const Json name{{"ModelPackageName", base::text_or(package, "ModelPackageArn")}};
  while (status_of(package) == kUndecided && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
    try {
      package = services.call("sagemaker", "DescribeModelPackage", name);
    } catch (const Error& error) {
      // A job outlives a restart of the server, and so does its wait.
      if (error.code() != "ConnectionError" && error.status() != 503) throw;
    }
  }
  print(options, package);
  const std::string status = status_of(package);
  if (status == "Approved") return 0;
  return status == kUndecided ? kNobodyDecided : 1;
}

}  // namespace

void add_decision(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<DecisionOptions>();
  auto* command = parser.add_subcommand(
      "decision",
      "Show who approved or rejected a model version, when and why (exit status 0 approved, 1 "
      "rejected, 3 nobody has decided)");
  command->add_option("model", options->model, "The model, e.g. tumour")->required();
  command->add_option("version", options->version, "Its version, e.g. 1.2.0, or its number")
      ->required();
  command
      ->add_option("--wait", options->wait,
                   "Wait so many seconds for the decision, e.g. in a CI job")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback(
      [&globals, &run, options] { run = [&globals, options] { return show(globals, *options); }; });
}

}  // namespace slipway::cli
