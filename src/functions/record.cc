#include "functions/record.h"

#include <array>
#include <initializer_list>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "functions/decide.h"

namespace slipway::functions {
namespace {

constexpr std::int64_t kLongestTimeout = 900;       // seconds
constexpr std::int64_t kLargestTemporary = 10'240;  // MB

constexpr std::array kRuntimes = {"python3.8",    "python3.9",      "python3.10", "python3.11",
                                  "python3.12",   "python3.13",     "python3.14", "provided",
                                  "provided.al2", "provided.al2023"};
constexpr std::array kReserved = {"_HANDLER",
                                  "_X_AMZN_TRACE_ID",
                                  "AWS_DEFAULT_REGION",
                                  "AWS_REGION",
                                  "AWS_EXECUTION_ENV",
                                  "AWS_LAMBDA_FUNCTION_NAME",
                                  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                  "AWS_LAMBDA_FUNCTION_VERSION",
                                  "AWS_LAMBDA_INITIALIZATION_TYPE",
                                  "AWS_LAMBDA_LOG_GROUP_NAME",
                                  "AWS_LAMBDA_LOG_STREAM_NAME",
                                  "AWS_ACCESS_KEY",
                                  "AWS_ACCESS_KEY_ID",
                                  "AWS_SECRET_ACCESS_KEY",
                                  "AWS_SESSION_TOKEN",
                                  "AWS_LAMBDA_RUNTIME_API",
                                  "LAMBDA_TASK_ROOT",
                                  "LAMBDA_RUNTIME_DIR"};

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

void check_unsupported(const Json& request) {
  const auto given = [&](const char* member) {
    const auto found = request.find(member);
    return found != request.end() && !found->empty();
  };
  for (const char* member : {"Layers", "FileSystemConfigs", "CapacityProviderConfig",
                             "DurableConfig", "TenancyConfig", "CodeSigningConfigArn"}) {
    if (given(member)) refuse(std::string(member) + " is not supported by this server.");
  }
  const Json& dead_letters = base::object_or_empty(request, "DeadLetterConfig");
  if (!base::text_or(dead_letters, "TargetArn").empty()) {
    refuse(
        "DeadLetterConfig is not supported by this server: an event that failed three times is "
        "dropped, and the server's log says so.");
  }
}

void check_runtime(const std::string& runtime) {
  for (const char* known : kRuntimes) {
    if (runtime == known) return;
  }
  refuse("The runtime " + runtime +
         " is not supported by this server: it runs python3.8 to python3.14, provided, "
         "provided.al2, provided.al2023 and container images.");
}

void check_environment(const Json& environment) {
  std::size_t size = 0;
  std::string reserved;
  for (const auto& [name, value] : base::object_or_empty(environment, "Variables").items()) {
    size += name.size() + value.get_ref<const std::string&>().size();
    for (const char* key : kReserved) {
      if (name == key) reserved += (reserved.empty() ? "" : ", ") + name;
    }
  }
  if (!reserved.empty()) {
    refuse(
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided contains reserved keys that are currently not supported "
        "for modification. Reserved keys used in this request: " +
        reserved);
  }
  if (size > kMostEnvironment) {
    refuse(
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided exceeded the 4KB limit.");
  }
}

void check_number(const Json& request, const char* member, std::int64_t most) {
  if (!request.contains(member)) return;
  if (base::integer_or(request, member, 0) > most) {
    refuse(std::string(member) + " is at most " + std::to_string(most) + ".");
  }
}

Json vpc_output(const Json& vpc) {
  return {{"SubnetIds", base::array_or_empty(vpc, "SubnetIds")},
          {"SecurityGroupIds", base::array_or_empty(vpc, "SecurityGroupIds")},
          {"VpcId", base::array_or_empty(vpc, "SubnetIds").empty() ? "" : "vpc-slipway"},
          {"Ipv6AllowedForDualStack", base::boolean_or(vpc, "Ipv6AllowedForDualStack", false)}};
}

void check_isolation(const Json& configuration) {
  Target target;
  target.configuration = configuration;
  if (target.isolated() && target.is_image()) {
    refuse(
        "SLIPWAY_NETWORK=none is not supported for container images: their runtime needs an "
        "address to call.");
  }
}

}  // namespace

std::string function_arn(const std::string& region, const std::string& account,
                         const std::string& name, const std::string& qualifier) {
  std::string arn = base::Arn{"lambda", region, account, "function:" + name}.text();
  return qualifier.empty() ? arn : arn + ":" + qualifier;
}

Json new_configuration(const Json& request, const std::string& name) {
  const bool image = base::text_or(request, "PackageType", "Zip") == "Image";
  if (image && (request.contains("Runtime") || request.contains("Handler"))) {
    refuse(
        "Please don't provide Handler or Runtime or Layer when the intended function "
        "PackageType is Image.");
  }
  if (!image && (!request.contains("Runtime") || !request.contains("Handler"))) {
    refuse(
        "Runtime and Handler are mandatory parameters for functions created with deployment "
        "packages.");
  }
  Json configuration = {
      {"PackageType", image ? "Image" : "Zip"},
      {"Description", ""},
      {"Timeout", 3},
      {"MemorySize", 128},
      {"Architectures", {"x86_64"}},
      {"EphemeralStorage", {{"Size", 512}}},
      {"TracingConfig", {{"Mode", "PassThrough"}}},
      {"SnapStart", {{"ApplyOn", "None"}, {"OptimizationStatus", "Off"}}},
      {"LoggingConfig", {{"LogFormat", "Text"}, {"LogGroup", "/aws/lambda/" + name}}},
      {"State", "Active"},
      {"LastUpdateStatus", "Successful"}};
  if (request.contains("Architectures")) configuration["Architectures"] = request["Architectures"];
  update_configuration(configuration, request);
  return configuration;
}

void update_configuration(Json& configuration, const Json& request) {
  check_unsupported(request);
  if (request.contains("Runtime")) check_runtime(base::text_or(request, "Runtime"));
  check_number(request, "Timeout", kLongestTimeout);
  check_number(base::object_or_empty(request, "EphemeralStorage"), "Size", kLargestTemporary);
  for (const char* member : {"Runtime", "Handler", "Role", "Description", "Timeout", "MemorySize",
                             "EphemeralStorage", "TracingConfig", "KMSKeyArn"}) {
    if (request.contains(member)) configuration[member] = request[member];
  }
  if (request.contains("Environment")) {
    check_environment(request["Environment"]);
    const Json& variables = base::object_or_empty(request["Environment"], "Variables");
    configuration.erase("Environment");
    if (!variables.empty()) configuration["Environment"] = {{"Variables", variables}};
  }
  if (request.contains("ImageConfig")) {
    configuration.erase("ImageConfigResponse");
    if (!request["ImageConfig"].empty()) {
      configuration["ImageConfigResponse"] = {{"ImageConfig", request["ImageConfig"]}};
    }
  }
  if (request.contains("VpcConfig")) configuration["VpcConfig"] = vpc_output(request["VpcConfig"]);
  if (request.contains("LoggingConfig")) {
    for (const auto& [key, value] : request["LoggingConfig"].items()) {
      configuration["LoggingConfig"][key] = value;
    }
  }
  if (request.contains("SnapStart")) {
    configuration["SnapStart"]["ApplyOn"] = base::text_or(request["SnapStart"], "ApplyOn", "None");
  }
  check_isolation(configuration);
}

void set_code(Json& configuration, const Json& code) {
  if (code.contains("Digest")) {
    configuration["CodeSize"] = 0;
    configuration["CodeSha256"] = base::replace_all(base::text_or(code, "Digest"), "sha256:", "");
    return;
  }
  configuration["CodeSize"] = code.at("Size");
  configuration["CodeSha256"] =
      base::base64(base::from_hex(base::text_or(code, "Sha256")).value_or(""));
}

void touch(Json& configuration, base::Millis now) {
  configuration["LastModified"] = last_modified(now);
  configuration["RevisionId"] = base::uuid();
}

Json configuration_output(const Json& configuration, const std::string& region,
                          const std::string& account, const std::string& name,
                          const std::string& version, const std::string& qualifier) {
  Json output = configuration;
  output["FunctionName"] = name;
  output["FunctionArn"] = function_arn(region, account, name, qualifier);
  output["Version"] = version;
  return output;
}

}  // namespace slipway::functions
