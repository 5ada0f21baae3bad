#include "app/job_environment.h"

#include <array>

#include <unistd.h>

#include "base/strings.h"

namespace slipway::app {
namespace {

constexpr std::size_t kSessions = 1000;
constexpr int kSessionSeconds = 12 * 3600;
// A session that ends sooner is not given to a job that starts now.
constexpr base::Millis kLeast = 2LL * 3600 * 1000;

bool is_for_installations(std::string_view name) {
  // No files of authorities: the runner gives jobs its own bundle, at its place there.
  constexpr std::array kNames{"http_proxy", "https_proxy", "no_proxy", "all_proxy"};
  const std::string lower = base::lower(name);
  return (name.starts_with("PIP_") && name != "PIP_CERT") ||
         std::find(kNames.begin(), kNames.end(), lower) != kNames.end();
}

}  // namespace

iam::Iam::Session JobEnvironment::session_of(const ci::Job& job) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(job.id);
  if (found != sessions_.end() && found->second.expires > clock_.now() + kLeast)
    return found->second;
  if (sessions_.size() >= kSessions) sessions_.erase(sessions_.begin());  // the oldest job
  const std::string role = "arn:aws:iam::" + iam_.account() + ":role/slipway-execution";
  return sessions_[job.id] =
             iam_.assume_role(role, "ci-job-" + std::to_string(job.id), kSessionSeconds);
}

ci::Variables JobEnvironment::operator()(const ci::Job& job) {
  const iam::Iam::Session session = session_of(job);
  ci::Variables variables;
  const auto add = [&variables](std::string key, std::string value, bool secret) {
    ci::Variable variable;
    variable.key = std::move(key);
    variable.value = std::move(value);
    variable.raw = true;
    variable.masked = secret;
    variable.is_public = !secret;
    variables.push_back(std::move(variable));
  };
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view line = *at;
    const auto equals = line.find('=');
    if (equals != std::string_view::npos && is_for_installations(line.substr(0, equals)))
      add(std::string(line.substr(0, equals)), std::string(line.substr(equals + 1)), false);
  }
  add("AWS_ENDPOINT_URL", url_(), false);
  add("AWS_REGION", iam_.region(), false);
  add("AWS_DEFAULT_REGION", iam_.region(), false);
  add("AWS_DISABLE_HOST_PREFIX_INJECTION", "true", false);
  add("AWS_ACCESS_KEY_ID", session.key.id, false);
  add("AWS_SECRET_ACCESS_KEY", session.key.secret, true);
  add("AWS_SESSION_TOKEN", session.token, true);
  return variables;
}

}  // namespace slipway::app
