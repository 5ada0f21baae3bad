#include "cli/model_version.h"

#include <iostream>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "ship/evidence.h"
#include "ship/stages.h"

namespace slipway::cli {
namespace {

[[noreturn]] void fail_without_model(wire::ServiceClient& services, const std::string& model) {
  std::string message = "there is no model " + model;
  const Json page = services.call("sagemaker", "ListModelPackageGroups", {{"MaxResults", 20}});
  std::vector<std::string> names;
  for (const Json& group : base::array_or_empty(page, "ModelPackageGroupSummaryList"))
    names.push_back(base::text_or(group, "ModelPackageGroupName"));
  throw Error("NotFound", message + (names.empty() ? "; none has been registered yet"
                                                   : "; there are " + base::join(names, ", ")));
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

}  // namespace

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

}  // namespace slipway::cli
