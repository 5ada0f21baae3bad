#include "app/notice_details.h"

#include <algorithm>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "jobs/record.h"
#include "jobs/types.h"

namespace slipway::app {
namespace {

using base::text_or;

constexpr int kLines = 20;
constexpr std::size_t kTraceBytes = 64u << 10;  // of its end

// "tumour 7" of arn:…:model-package/tumour/7
std::string version_of(const std::string& package) {
  const auto arn = base::parse_arn(package);
  const std::string path = arn ? arn->resource.substr(arn->resource.find('/') + 1) : package;
  return base::replace_all(path, "/", " ");
}

// The commit that a model package came from; empty where it does not say, or is gone.
std::string commit_of(const NoticeSources& sources, const std::string& account,
                      const std::string& package) {
  try {
    return text_or(sources.models.evidence(account, package), "Commit");
  } catch (const Error&) {
    return {};
  }
}

std::string count_of(const Json& variant, const Json& configured) {
  const std::int64_t count = base::integer_or(
      variant, "CurrentInstanceCount", base::integer_or(configured, "InitialInstanceCount", 1));
  return std::to_string(count) + " x " + text_or(configured, "InstanceType", "instance");
}

const Json& named(const Json& variants, const std::string& name) {
  static const Json none = Json::object();
  const auto found = std::find_if(variants.begin(), variants.end(), [&](const Json& variant) {
    return text_or(variant, "VariantName") == name;
  });
  return found == variants.end() ? none : *found;
}

Json of_endpoint(const store::Event& event, const NoticeSources& sources) {
  const std::string config_name = text_or(event.detail, "EndpointConfigName");
  const Json config =
      sources.endpoints.describe_config(event.account, {{"EndpointConfigName", config_name}});
  const Json endpoint = sources.endpoints.describe(
      event.account, {{"EndpointName", text_or(event.detail, "EndpointName")}});
  // It may have moved on since.
  const bool same = text_or(endpoint, "EndpointConfigName") == config_name;
  Json detail{{"Versions", Json::array()}, {"Images", Json::array()}, {"Instances", Json::array()}};
  for (const Json& configured : base::array_or_empty(config, "ProductionVariants")) {
    const std::string model = text_or(configured, "ModelName");
    for (const std::string& package : sources.models.packages_of(event.account, model)) {
      detail["Versions"].push_back(version_of(package));
      const std::string commit = commit_of(sources, event.account, package);
      if (!commit.empty()) detail["Commit"] = commit;
    }
    const Json& variant = named(base::array_or_empty(endpoint, "ProductionVariants"),
                                text_or(configured, "VariantName"));
    detail["Instances"].push_back(count_of(same ? variant : Json::object(), configured));
    for (const Json& image : base::array_or_empty(variant, "DeployedImages"))
      if (same) detail["Images"].push_back(text_or(image, "ResolvedImage"));
  }
  return detail;
}

std::vector<std::string> log_of(const NoticeSources& sources, const std::string& account,
                                jobs::Kind kind, const std::string& name) {
  const jobs::KindNames& names = jobs::names_of(kind);
  const auto job = sources.logs.database().read([&](store::Reader& reader) {
    return store::find(reader, account, std::string(names.resource), name);
  });
  std::vector<std::string> lines;
  if (!job) return lines;
  for (observe::LogEvent& line :
       sources.logs.tail(account, std::string(names.log_group), jobs::stream_of(*job), kLines))
    lines.push_back(std::move(line.message));
  return lines;
}

Json of_execution(const store::Event& event, const NoticeSources& sources) {
  Json detail = Json::object();
  const std::string package =
      text_or(base::object_or_empty(event.detail, "Parameters"), "ModelPackageArn");
  const std::string commit = package.empty() ? "" : commit_of(sources, event.account, package);
  if (!commit.empty()) detail["Commit"] = commit;
  const std::string step = text_or(event.detail, "Step");
  for (const pipelines::StepSummary& summary :
       sources.pipelines.steps(event.account, event.subject)) {
    if (step.empty() || summary.name != step) continue;
    for (const jobs::Kind kind : jobs::kKinds) {
      const std::string arn =
          text_or(base::object_or_empty(summary.metadata, jobs::names_of(kind).job), "Arn");
      if (arn.empty()) continue;
      const std::string name = base::name_of(arn);
      detail["JobName"] = name;
      detail["lines"] = log_of(sources, event.account, kind, name);
    }
  }
  return detail;
}

// The text without terminal sequences: ESC [ … letter.
std::string without_colours(std::string_view line) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\x1b') {
      text += line[i];
      continue;
    }
    if (i + 1 < line.size() && line[i + 1] == '[') ++i;
    while (i + 1 < line.size() && (line[i + 1] < '@' || line[i + 1] > '~')) ++i;
    ++i;
  }
  return text;
}

std::vector<std::string> last_lines_of(const ci::Ci& ci, ci::Id id) {
  const auto job = ci.job(id);
  if (!job) return {};
  const std::uint64_t from = job->trace_size > kTraceBytes ? job->trace_size - kTraceBytes : 0;
  std::string trace = ci.trace_from(id, from, kTraceBytes);
  // The first line is cut.
  if (from > 0) trace.erase(0, std::min(trace.find('\n'), trace.size() - 1) + 1);
  return last_lines_of_trace(trace, kLines);
}

}  // namespace

std::vector<std::string> last_lines_of_trace(std::string_view trace, std::size_t count) {
  std::vector<std::string> lines;
  for (const std::string& raw : base::split(trace, '\n')) {
    std::string_view line = base::trim(raw);
    if (const auto overwritten = line.rfind('\r'); overwritten != std::string_view::npos)
      line.remove_prefix(overwritten + 1);
    std::string text = without_colours(line);
    const bool mark = text.starts_with("section_start:") || text.starts_with("section_end:");
    if (!mark && !base::trim(text).empty()) lines.push_back(std::move(text));
  }
  if (lines.size() > count)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

Json details_of(const store::Event& event, const NoticeSources& sources) {
  const bool failed = text_or(event.detail, "status") == "failed";
  if (event.type == "Endpoint.InService" || event.type == "Endpoint.RolledBack" ||
      event.type == "Endpoint.Failed") {
    return of_endpoint(event, sources);
  }
  if (event.type == "PipelineExecution.Failed" || event.type == "PipelineExecution.Succeeded")
    return of_execution(event, sources);
  if (event.type == "Job.Finished" && failed) {
    return {{"lines", last_lines_of(sources.ci, base::integer_or(event.detail, "job", 0))}};
  }
  if (event.type == "Pipeline.Finished" && failed) {
    const auto pipeline = sources.ci.pipeline(base::integer_or(event.detail, "pipeline", 0));
    if (pipeline && !pipeline->yaml_errors.empty())
      return {{"failure_reason", base::join(pipeline->yaml_errors, "; ")}};
  }
  return Json::object();
}

}  // namespace slipway::app
