#include "notify/templates.h"

#include <cstdio>

#include "base/ids.h"
#include "base/strings.h"

namespace slipway::notify {
namespace {

using base::text_or;

std::string figure(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

std::string signed_figure(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%+.6g", value);
  return text.data();
}

// A text, or a number as a text.
std::string member(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
  if (found->is_number()) return figure(found->get<double>());
  return {};
}

std::string first_member(const Json& object, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys)
    if (std::string value = member(object, key); !value.empty()) return value;
  return {};
}

std::string texts_of(const Json& detail, const char* key) {
  std::vector<std::string> parts;
  for (const Json& part : base::array_or_empty(detail, key))
    if (part.is_string()) parts.push_back(part.get<std::string>());
  return base::join(parts, ", ");
}

// The end of a log.
std::vector<std::string> tail_of(const Json& detail) {
  constexpr std::size_t kMostLines = 20;
  std::vector<std::string> lines;
  for (const Json& line : base::array_or_empty(detail, "lines"))
    if (line.is_string()) lines.push_back(line.get<std::string>());
  if (lines.size() > kMostLines)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kMostLines));
  return lines;
}

// What "Live" stands for; empty in evidence that does not say.
std::string compared_with(const Json& evidence) {
  const Json& live = base::object_or_empty(evidence, "Live");
  const std::string version = member(live, "ModelPackageVersion");
  const std::string basis = member(live, "Basis");
  if (version.empty() || basis.empty()) return {};
  return "version " + version +
         (basis == "Endpoint" ? ", which endpoint " + member(live, "EndpointName") + " serves"
                              : ", the newest approved; no endpoint serves this model");
}

std::vector<std::vector<std::string>> comparison(const Json& evidence) {
  const Json& metrics = base::object_or_empty(evidence, "Metrics");
  if (metrics.empty()) return {};
  const Json& live = base::object_or_empty(evidence, "Live");
  const Json& before = base::object_or_empty(live, "Metrics");
  const std::string version = member(live, "ModelPackageVersion");
  if (version.empty()) {
    std::vector<std::vector<std::string>> table{{"Metric", "Value"}};
    for (const auto& [name, value] : metrics.items())
      if (value.is_number()) table.push_back({name, figure(value.get<double>())});
    return table;
  }
  const bool live_now = member(live, "Basis") != "NewestApproved";
  std::vector<std::vector<std::string>> table{{"Metric", "This version",
                                               (live_now ? "Live (" : "Approved (") + version + ")",
                                               "Difference"}};
  for (const auto& [name, value] : metrics.items()) {
    if (!value.is_number()) continue;
    const auto old = before.find(name);
    const bool known = old != before.end() && old->is_number();
    table.push_back({name, figure(value.get<double>()), known ? figure(old->get<double>()) : "-",
                     known ? signed_figure(value.get<double>() - old->get<double>()) : "-"});
  }
  return table;
}

std::string images_of(const Json& evidence) {
  std::vector<std::string> images;
  for (const Json& image : base::array_or_empty(evidence, "Images")) {
    const std::string name = member(image, "Image");
    const std::string digest = member(image, "ImageDigest");
    const bool named = digest.empty() || name.ends_with("@" + digest);
    images.push_back(named ? name : name + " " + digest);
  }
  return base::join(images, ", ");
}

std::string data_of(const Json& evidence) {
  std::vector<std::string> parts;
  for (const Json& data : base::array_or_empty(evidence, "ModelData")) {
    const std::string digest = member(data, "Digest");
    parts.push_back(member(data, "Url") + (digest.empty() ? "" : " " + digest));
  }
  return base::join(parts, ", ");
}

std::optional<Notice> registered(const store::Event& event, const Background& background) {
  const Json& detail = event.detail;
  const std::string model = member(detail, "ModelPackageGroupName");
  const std::string version = member(detail, "ModelPackageVersion");
  if (model.empty() || version.empty()) return std::nullopt;
  const Json& evidence = base::object_or_empty(detail, "Evidence");
  const bool waits = text_or(detail, "ModelApprovalStatus") == "PendingManualApproval";
  Notice notice{waits ? "approval" : "success", model, {}};
  notice.page.title = model + " " + version + (waits ? " waits for approval" : " is registered");
  notice.page.facts = {{"Model", model},
                       {"Version", version},
                       {"Release", member(evidence, "Release")},
                       {"Registered by", member(detail, "By")},
                       {"Commit", member(evidence, "Commit")},
                       {"Image", images_of(evidence)},
                       {"Model data", data_of(evidence)},
                       {"Training data", member(evidence, "DataDigest")},
                       {"Compared with", compared_with(evidence)}};
  notice.page.link = background.link;
  notice.page.table = comparison(evidence);
  if (waits) {
    // By number: a release's name is anybody's text and does not belong into a command.
    notice.page.listings = {
        {"Approve", {"slipway approve " + model + " " + version + " --comment 'why'"}},
        {"Reject", {"slipway reject " + model + " " + version + " --comment 'why'"}}};
  }
  return notice;
}

std::optional<Notice> decided(const store::Event& event, const Background& background,
                              bool approved) {
  const Json& detail = event.detail;
  const std::string model = member(detail, "ModelPackageGroupName");
  const std::string version = member(detail, "ModelPackageVersion");
  if (model.empty() || version.empty()) return std::nullopt;
  Notice notice{approved ? "success" : "failure", model, {}};
  notice.page.title = model + " " + version + (approved ? " is approved" : " is rejected");
  notice.page.facts = {{"Model", model},
                       {"Version", version},
                       {approved ? "Approved by" : "Rejected by", member(detail, "By")},
                       {"At", base::iso8601(event.at)},
                       {"Comment", member(detail, "ApprovalDescription")},
                       {"Commit", member(base::object_or_empty(detail, "Evidence"), "Commit")}};
  notice.page.link = background.link;
  return notice;
}

std::string parameters_of(const Json& detail) {
  std::vector<std::string> parts;
  const auto found = detail.find("Parameters");
  if (found == detail.end()) return {};
  if (found->is_object())
    for (const auto& [name, value] : found->items())
      parts.push_back(name + "=" + member(*found, name));
  if (found->is_array())
    for (const Json& one : *found)
      parts.push_back(member(one, "Name") + "=" + member(one, "Value"));
  return base::join(parts, ", ");
}

Notice executed(const store::Event& event, const Background& background, bool succeeded) {
  const Json& detail = event.detail;
  const std::string pipeline = first_member(detail, {"PipelineName", "PipelineDisplayName"});
  Notice notice{succeeded ? "success" : "failure", pipeline, {}};
  notice.page.title = "Pipeline " + pipeline + (succeeded ? " succeeded" : " failed");
  notice.page.facts = {
      {"Pipeline", pipeline},
      {"Execution", first_member(detail, {"DisplayName", "PipelineExecutionDisplayName"})},
      {"Step", member(detail, "Step")},
      {"Reason", member(detail, "FailureReason")},
      {"Job", member(detail, "JobName")},
      {"Parameters", parameters_of(detail)}};
  notice.page.link = background.link;
  if (succeeded) return notice;
  const std::string job = member(detail, "JobName");
  if (std::vector<std::string> lines = tail_of(detail); !lines.empty())
    notice.page.listings.push_back({"The end of the log of " + job, std::move(lines)});
  Listing commands{
      "See what happened",
      {"aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn " + event.subject}};
  if (!job.empty()) commands.lines.push_back("slipway logs " + job);
  notice.page.listings.push_back(std::move(commands));
  return notice;
}

Notice served(const store::Event& event, const Background& background) {
  const Json& detail = event.detail;
  const std::string name = member(detail, "EndpointName");
  const bool in_service = event.type == "Endpoint.InService";
  Notice notice{in_service ? "success" : "failure", name, {}};
  notice.page.title = "Endpoint " + name +
                      (in_service                            ? " is in service"
                       : event.type == "Endpoint.RolledBack" ? " was rolled back"
                                                             : " failed");
  notice.page.facts = {{"Endpoint", name},
                       {"Configuration", member(detail, "EndpointConfigName")},
                       {"Model version", texts_of(detail, "Versions")},
                       {"Image", texts_of(detail, "Images")},
                       {"Instances", texts_of(detail, "Instances")},
                       {"Commit", member(detail, "Commit")},
                       {"Reason", member(detail, "FailureReason")}};
  notice.page.link = background.link;
  if (event.type != "Endpoint.Failed") {
    notice.page.facts.emplace_back("URL", background.url + "/endpoints/" + name + "/invocations");
  }
  if (!in_service) notice.page.listings = {{"See what happened", {"slipway logs " + name}}};
  return notice;
}

std::optional<Notice> tested(const store::Event& event, const Background& background) {
  const Json& detail = event.detail;
  const std::string status = member(detail, "status");
  const bool failed = status == "failed";
  const bool fixed = status == "success" && background.ref_before == "failed";
  if (!failed && !fixed) return std::nullopt;
  const std::string project = project_of(event);
  const std::string id = event.subject.substr(std::min(event.subject.size(), project.size()));
  const std::string ref = member(detail, "ref");
  Notice notice{failed ? "failure" : "success", project, {}};
  notice.page.title = "CI " + std::string(failed ? "failed" : "is fixed") + ": " + project +
                      (ref.empty() ? "" : " " + ref);
  notice.page.facts = {{"Project", project},
                       {"Ref", ref},
                       {"Commit", member(detail, "sha")},
                       {"Pipeline", id},
                       {"Started by", member(detail, "source")},
                       {"Reason", member(detail, "failure_reason")}};
  // A pipeline that succeeded has forgiven its failed jobs.
  for (const Json& failure : failed ? background.failures : std::vector<Json>()) {
    const std::string why = member(failure, "failure_reason");
    const std::string stage = member(failure, "stage");
    notice.page.facts.emplace_back("Failed job", member(failure, "name") +
                                                     (stage.empty() ? "" : ", stage " + stage) +
                                                     (why.empty() ? "" : " (" + why + ")"));
    if (std::vector<std::string> lines = tail_of(failure); !lines.empty())
      notice.page.listings.push_back({"The end of " + member(failure, "name"), std::move(lines)});
  }
  const std::string url = first_member(detail, {"url", "web_url"});
  notice.page.link =
      !url.empty() || id.size() < 2 ? url : pipeline_page(background.url, event.subject);
  return notice;
}

Notice asked(const store::Event& event) {
  const Json& detail = event.detail;
  const std::string pipeline = member(detail, "PipelineName");
  const std::string step = member(detail, "Step");
  const std::string token = member(detail, "CallbackToken");
  Notice notice{"approval", pipeline, {}};
  notice.page.title = "Pipeline " + pipeline + " waits for an answer to " + step;
  notice.page.facts = {{"Pipeline", pipeline},
                       {"Step", step},
                       {"Execution", event.subject},
                       {"Callback token", token}};
  for (const auto& [name, value] : base::object_or_empty(detail, "Arguments").items())
    notice.page.facts.emplace_back(
        name, value.is_string() ? value.get<std::string>() : base::dump_json(value));
  const std::string command = "aws sagemaker send-pipeline-execution-step-";
  notice.page.listings = {{"Go on", {command + "success --callback-token " + token}},
                          {"Give up", {command + "failure --callback-token " + token}}};
  return notice;
}

}  // namespace

std::optional<Notice> notice_of(const store::Event& event, const Background& background) {
  const std::string& type = event.type;
  if (type == "ModelPackage.Created") return registered(event, background);
  if (type == "ModelPackage.Approved") return decided(event, background, true);
  if (type == "ModelPackage.Rejected") return decided(event, background, false);
  if (type == "PipelineExecution.Succeeded") return executed(event, background, true);
  if (type == "PipelineExecution.Failed") return executed(event, background, false);
  if (type == "PipelineExecution.CallbackWaiting") return asked(event);
  if (type == "Pipeline.Finished") return tested(event, background);
  if (type == "Endpoint.InService" || type == "Endpoint.Failed" || type == "Endpoint.RolledBack")
    return served(event, background);
  return std::nullopt;
}

Json attributes_of(const store::Event& event, const Notice& notice) {
  const auto text = [](const std::string& value) {
    return Json{{"DataType", "String"}, {"StringValue", value}};
  };
  Json attributes = {{"event", text(event.type)}, {"outcome", text(notice.outcome)}};
  if (!notice.name.empty()) attributes["name"] = text(notice.name);
  return attributes;
}

Json machine_message(const store::Event& event, const Notice& notice) {
  return {{"type", event.type},           {"at", base::iso8601_millis(event.at)},
          {"subject", event.subject},     {"title", notice.page.title},
          {"text", to_text(notice.page)}, {"detail", event.detail}};
}

std::string commit_of(const store::Event& event) {
  const std::string evidence = member(base::object_or_empty(event.detail, "Evidence"), "Commit");
  if (!evidence.empty()) return evidence;
  const std::string given = member(base::object_or_empty(event.detail, "Parameters"), "Commit");
  return given.empty() ? member(event.detail, "Commit") : given;
}

std::string pipeline_page(const std::string& url, const std::string& subject) {
  const std::size_t hash = subject.rfind('#');
  if (hash == std::string::npos) return {};
  return url + "/" + subject.substr(0, hash) + "/-/pipelines/" + subject.substr(hash + 1);
}

std::string project_of(const store::Event& event) {
  return event.subject.substr(0, event.subject.rfind('#'));
}

std::string pipeline_of(const store::Event& event) {
  return first_member(event.detail, {"pipeline_id", "pipeline"});
}

}  // namespace slipway::notify
