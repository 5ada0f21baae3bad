#include "jobs/requests.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::jobs {

void refuse(const std::string& message) { throw Error("ValidationException", message); }

void check_role(const std::string& account, const std::string& role_arn) {
  const auto arn = base::parse_arn(role_arn);
  if (!arn || arn->service != "iam" || !arn->resource.starts_with("role/")) {
    refuse("RoleArn '" + role_arn + "' is not the ARN of an IAM role");
  }
  if (arn->account != account) refuse("RoleArn: Cross-account pass role is not allowed.");
}

objects::Location s3_location(const std::string& uri, std::string_view member) {
  const auto location = objects::parse_s3_uri(uri);
  if (!location) {
    refuse(std::string(member) + " '" + uri + "' is not of the form s3://bucket/key");
  }
  return *location;
}

void check_container_path(const std::string& path, std::string_view member) {
  const auto wrong = [&] {
    refuse(std::string(member) + " '" + path + "' is not an absolute path without . and ..");
  };
  if (!path.starts_with('/') || path.size() < 2 || path.find('\0') != std::string::npos) wrong();
  for (const std::string& part : base::split(path, '/')) {
    if (part == "." || part == "..") wrong();
  }
}

void check_instance_count(std::int64_t count, std::string_view member) {
  if (count == 1) return;
  refuse(std::string(member) + " is " + std::to_string(count) +
         ", but jobs run on one instance here: give 1");
}

std::optional<std::vector<std::string>> texts_of(const Json& object, std::string_view key) {
  const auto member = object.find(key);
  if (member == object.end() || !member->is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& each : *member) texts.push_back(each.get<std::string>());
  return texts;
}

}  // namespace slipway::jobs
