#include "functions/decide.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::functions {
namespace {

constexpr base::Millis kFirstThrottlePause = 1'000;
constexpr base::Millis kLongestThrottlePause = 300'000;
constexpr base::Millis kLongestWait = 6 * 3'600'000;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

bool is_account(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) {
           return std::isdigit(static_cast<unsigned char>(c));
         });
}

std::string fixed(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

// Whether the value of a condition, a text or a list of them, holds for `text`.
bool condition_holds(const Json& wanted, std::string_view text) {
  if (wanted.is_string()) return matches(wanted.get_ref<const std::string&>(), text);
  if (!wanted.is_array()) return false;
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const Json& one) { return condition_holds(one, text); });
}

bool names_service(const Json& principal, std::string_view service) {
  if (principal == "*") return true;
  return base::text_or(principal, "Service") == service || base::text_or(principal, "AWS") == "*";
}

}  // namespace

std::optional<Reference> parse_reference(std::string_view text) {
  const std::vector<std::string> parts = base::split(text, ':');
  const auto word = std::find(parts.begin(), parts.end(), "function");
  Reference reference;
  std::vector<std::string> rest = parts;
  if (word != parts.end() && parts.size() > 1 && word + 1 != parts.end()) {
    if (word != parts.begin()) {
      reference.account = *(word - 1);
      if (!is_account(reference.account)) return std::nullopt;
    }
    rest.assign(word + 1, parts.end());
  }
  if (rest.empty() || rest.size() > 2 || !is_name(rest[0])) return std::nullopt;
  reference.name = rest[0];
  if (rest.size() == 2) {
    reference.qualifier = rest[1];
    if (reference.qualifier != kLatest && !is_name(reference.qualifier)) return std::nullopt;
  }
  return reference;
}

Placement place(const Load& load) {
  if (load.busy_own >= load.limit_own) return Placement::kThrottleFunction;
  if (load.warm) return Placement::kReuse;
  if (load.busy_own + load.idle_own >= load.limit_own) return Placement::kReplaceOwn;
  if (load.live < load.limit_containers) return Placement::kStart;
  if (load.idle_own > 0) return Placement::kReplaceOwn;
  if (load.idle_others > 0) return Placement::kReplaceOther;
  return Placement::kThrottleServer;
}

std::optional<base::Millis> pause_after_failure(
    int attempts, const std::vector<std::chrono::milliseconds>& pauses) {
  if (attempts < 1 || static_cast<std::size_t>(attempts) > pauses.size()) return std::nullopt;
  return pauses[static_cast<std::size_t>(attempts) - 1].count();
}

std::optional<base::Millis> pause_after_throttle(base::Millis age) {
  if (age >= kLongestWait) return std::nullopt;
  // As old as the sum of the pauses so far, so the next is about as long as that sum.
  return std::clamp(age, kFirstThrottlePause, kLongestThrottlePause);
}

std::string version_of_alias(const Json& alias, double roll) {
  const Json& routing = base::object_or_empty(alias, "RoutingConfig");
  double upto = 0;
  for (const auto& [version, weight] :
       base::object_or_empty(routing, "AdditionalVersionWeights").items()) {
    upto += weight.is_number() ? weight.get<double>() : 0;
    if (roll < upto) return version;
  }
  return base::text_or(alias, "FunctionVersion");
}

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0, in = 0;
  std::size_t star = std::string_view::npos, after_star = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      after_star = in;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[in])) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

Json statement_of(const Json& request, const std::string& arn) {
  const std::string principal = base::text_or(request, "Principal");
  const std::string action = base::text_or(request, "Action");
  if (action != "lambda:*" && !action.starts_with("lambda:")) {
    refuse("The action \"" + action + "\" is not one of Lambda's.");
  }
  Json who = principal;
  if (principal.find(".amazonaws.com") != std::string::npos) {
    who = {{"Service", principal}};
  } else if (is_account(principal)) {
    who = {{"AWS", "arn:aws:iam::" + principal + ":root"}};
  } else if (principal.starts_with("arn:")) {
    who = {{"AWS", principal}};
  } else if (principal != "*") {
    refuse("The provided principal was invalid. Please check the principal and try again.");
  }
  Json statement = {{"Sid", base::text_or(request, "StatementId")},
                    {"Effect", "Allow"},
                    {"Principal", std::move(who)},
                    {"Action", action},
                    {"Resource", arn}};
  Json condition = Json::object();
  if (request.contains("SourceArn")) {
    condition["ArnLike"] = {{"AWS:SourceArn", request["SourceArn"]}};
  }
  Json equals = Json::object();
  if (request.contains("SourceAccount")) equals["AWS:SourceAccount"] = request["SourceAccount"];
  if (request.contains("EventSourceToken")) {
    equals["lambda:EventSourceToken"] = request["EventSourceToken"];
  }
  if (request.contains("PrincipalOrgID")) equals["aws:PrincipalOrgID"] = request["PrincipalOrgID"];
  if (request.contains("FunctionUrlAuthType")) {
    equals["lambda:FunctionUrlAuthType"] = request["FunctionUrlAuthType"];
  }
  if (!equals.empty()) condition["StringEquals"] = std::move(equals);
  if (!condition.empty()) statement["Condition"] = std::move(condition);
  return statement;
}

bool permits(const Json& statements, std::string_view service, std::string_view source_arn) {
  const auto source = base::parse_arn(source_arn);
  return std::any_of(statements.begin(), statements.end(), [&](const Json& statement) {
    const std::string action = base::text_or(statement, "Action");
    if (!matches(action, "lambda:InvokeFunction")) return false;
    const auto principal = statement.find("Principal");
    if (principal == statement.end() || !names_service(*principal, service)) return false;
    for (const auto& [kind, keys] : base::object_or_empty(statement, "Condition").items()) {
      for (const auto& [key, wanted] : keys.items()) {
        if (base::equals_ignoring_case(key, "aws:SourceArn")) {
          if (!condition_holds(wanted, source_arn)) return false;
        } else if (base::equals_ignoring_case(key, "aws:SourceAccount")) {
          // S3's ARNs name no account: the bucket is known to be of this server's own.
          if (!source) return false;
          if (!source->account.empty() && !condition_holds(wanted, source->account)) return false;
        } else {
          return false;  // what this server cannot know does not hold
        }
      }
    }
    return true;
  });
}

std::string start_line(std::string_view request_id, std::string_view version) {
  return "START RequestId: " + std::string(request_id) + " Version: " + std::string(version);
}

std::string end_line(std::string_view request_id) {
  return "END RequestId: " + std::string(request_id);
}

std::string report_line(std::string_view request_id, double duration_ms, std::int64_t memory_mb,
                        std::optional<double> init_ms) {
  std::string line =
      "REPORT RequestId: " + std::string(request_id) + "\tDuration: " + fixed(duration_ms) +
      " ms\tBilled Duration: " + std::to_string(static_cast<std::int64_t>(std::ceil(duration_ms))) +
      " ms\tMemory Size: " + std::to_string(memory_mb) + " MB";
  if (init_ms) line += "\tInit Duration: " + fixed(*init_ms) + " ms";
  return line;
}

std::string timeout_text(std::chrono::milliseconds timeout) {
  return "Task timed out after " + fixed(static_cast<double>(timeout.count()) / 1000) + " seconds";
}

std::string error_payload(std::string_view type, std::string_view request_id,
                          std::string_view message) {
  return base::dump_json({{"errorType", type},
                          {"errorMessage", "RequestId: " + std::string(request_id) +
                                               " Error: " + std::string(message)}});
}

std::string log_stream(base::Millis at, std::string_view version, std::string_view instance) {
  const std::string date = base::iso8601(at).substr(0, 10);
  return base::replace_all(date, "-", "/") + "/[" + std::string(version) + "]" +
         std::string(instance);
}

std::string last_modified(base::Millis at) {
  std::string text = base::iso8601_millis(at);
  text.pop_back();
  return text + "+0000";
}

}  // namespace slipway::functions
