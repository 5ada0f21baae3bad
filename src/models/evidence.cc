#include "models/evidence.h"

#include "base/strings.h"

namespace slipway::models {
namespace {

constexpr std::string_view kMetricPrefix = "metric.";

std::string data_url(const Json& container) {
  const std::string url = base::text_or(container, "ModelDataUrl");
  if (!url.empty()) return url;
  const Json& source = base::object_or_empty(container, "ModelDataSource");
  return base::text_or(base::object_or_empty(source, "S3DataSource"), "S3Uri");
}

Json metrics_in_report(const Json& report) {
  Json metrics = Json::object();
  if (!report.is_object()) return metrics;
  for (const auto& [group, members] : report.items()) {
    if (!members.is_object()) continue;
    for (const auto& [name, figure] : members.items()) {
      const auto value = figure.is_object() ? figure.find("value") : figure.end();
      if (figure.is_object() && value != figure.end() && value->is_number()) metrics[name] = *value;
    }
  }
  return metrics;
}

Json metrics_in_metadata(const Json& metadata) {
  Json metrics = Json::object();
  for (const auto& [key, value] : metadata.items()) {
    if (!key.starts_with(kMetricPrefix) || !value.is_string()) continue;
    if (const auto number = base::parse_number(value.get<std::string>()))
      metrics[key.substr(kMetricPrefix.size())] = *number;
  }
  return metrics;
}

Json live_part(const Live& live) {
  const Json& document = live.document;
  Json metrics = base::object_or_empty(base::object_or_empty(document, "Evidence"), "Metrics");
  // One that was registered before evidence was kept.
  if (metrics.empty())
    metrics = metrics_in_metadata(base::object_or_empty(document, "CustomerMetadataProperties"));
  Json part = {{"ModelPackageArn", base::text_or(document, "ModelPackageArn")},
               {"ModelPackageVersion", base::integer_or(document, "ModelPackageVersion", 0)},
               {"Metrics", std::move(metrics)},
               {"Basis", live.endpoint.empty() ? "NewestApproved" : "Endpoint"}};
  if (!live.endpoint.empty()) part["EndpointName"] = live.endpoint;
  return part;
}

Json differences(const Json& now, const Json& live) {
  Json result = Json::object();
  for (const auto& [name, value] : now.items()) {
    const auto before = live.find(name);
    if (before != live.end()) result[name] = value.get<double>() - before->get<double>();
  }
  return result;
}

void keep(Json& evidence, const char* member, const std::string& value) {
  if (!value.empty()) evidence[member] = value;
}

// The entry of `list` whose `key` is `name`; null where there is none.
const Json* entry_of(const Json& list, const char* key, const std::string& name) {
  for (const Json& entry : list)
    if (base::text_or(entry, key) == name) return &entry;
  return nullptr;
}

void compare(std::vector<std::string>& changes, const Json& before, const Json& now,
             const char* name_member, const char* digest_member, const std::string& what) {
  for (const Json& entry : before) {
    const std::string name = base::text_or(entry, name_member);
    const std::string digest = base::text_or(entry, digest_member);
    const Json* const found = entry_of(now, name_member, name);
    const std::string current = found ? base::text_or(*found, digest_member) : std::string();
    if (current == digest) continue;
    changes.push_back(what + " " + name + " had the digest " + digest + " and " +
                      (current.empty() ? "is gone" : "has " + current + " now"));
  }
}

}  // namespace

Json material_of(const Json& specification, const Sources& sources) {
  Json images = Json::array();
  Json data = Json::array();
  for (const Json& container : base::array_or_empty(specification, "Containers")) {
    const std::string image = base::text_or(container, "Image");
    if (const auto digest = image.empty() ? std::nullopt : sources.image(image))
      images.push_back({{"Image", image}, {"ImageDigest", *digest}});
    const std::string url = data_url(container);
    if (const auto digest = url.empty() ? std::nullopt : sources.data(url))
      data.push_back({{"Url", url}, {"Digest", *digest}});
  }
  return {{"Images", std::move(images)}, {"ModelData", std::move(data)}};
}

Json metrics_of(const Json& package, const Sources& sources) {
  const Json& quality =
      base::object_or_empty(base::object_or_empty(package, "ModelMetrics"), "ModelQuality");
  const std::string url = base::text_or(base::object_or_empty(quality, "Statistics"), "S3Uri");
  if (!url.empty()) {
    const Json metrics = metrics_in_report(sources.report(url).value_or(Json()));
    if (!metrics.empty()) return metrics;
  }
  return metrics_in_metadata(base::object_or_empty(package, "CustomerMetadataProperties"));
}

Json evidence_of(const Json& package, const Json& material, const Json& metrics,
                 const std::optional<Live>& live) {
  const Json& metadata = base::object_or_empty(package, "CustomerMetadataProperties");
  const Json& origin = base::object_or_empty(package, "MetadataProperties");
  Json evidence = material;
  keep(evidence, "Commit", base::text_or(metadata, "commit", base::text_or(origin, "CommitId")));
  keep(evidence, "Release", base::text_or(metadata, "version"));
  keep(evidence, "DataDigest",
       base::text_or(metadata, "data_digest", base::text_or(metadata, "dataDigest")));
  evidence["Metrics"] = metrics;
  if (live) {
    evidence["Live"] = live_part(*live);
    evidence["Difference"] = differences(metrics, evidence["Live"]["Metrics"]);
  }
  return evidence;
}

std::vector<std::string> changes_of(const Json& evidence, const Json& material) {
  std::vector<std::string> changes;
  compare(changes, base::array_or_empty(evidence, "Images"),
          base::array_or_empty(material, "Images"), "Image", "ImageDigest", "the image");
  compare(changes, base::array_or_empty(evidence, "ModelData"),
          base::array_or_empty(material, "ModelData"), "Url", "Digest", "the model data");
  return changes;
}

}  // namespace slipway::models
