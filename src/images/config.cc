#include "images/config.h"

#include "base/error.h"

namespace slipway::images {
namespace {

std::vector<std::string> texts(const Json& config, std::string_view key) {
  std::vector<std::string> result;
  for (const Json& item : base::array_or_empty(config, key)) {
    if (item.is_string()) result.push_back(item.get<std::string>());
  }
  return result;
}

}  // namespace

RunConfig parse_config(std::string_view text) {
  const auto json = base::try_parse_json(text);
  if (!json || !json->is_object()) {
    throw Error("ValidationException", "The image's configuration is not a JSON object.");
  }
  const Json& config = base::object_or_empty(*json, "config");
  RunConfig result;
  result.entrypoint = texts(config, "Entrypoint");
  result.command = texts(config, "Cmd");
  result.environment = texts(config, "Env");
  result.working_directory = base::text_or(config, "WorkingDir");
  result.user = base::text_or(config, "User");
  for (const auto& [name, value] : base::object_or_empty(config, "Labels").items()) {
    if (value.is_string()) result.labels[name] = value.get<std::string>();
  }
  return result;
}

bool is_host_based(const RunConfig& config) {
  const auto label = config.labels.find(kHostBaseLabel);
  return label != config.labels.end() && label->second == "host";
}

}  // namespace slipway::images
