#pragma once

// What the jobs of CI pipelines find in their environment to reach this server.

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "ci/types.h"
#include "iam/iam.h"

namespace slipway::app {

// AWS_ENDPOINT_URL, region, and temporary keys of the execution role for each job; and from this
// process's own environment what an installation needs (proxies, PIP_*). The keys are
// masked. Thread-safe.
class JobEnvironment {
 public:
  JobEnvironment(iam::Iam& iam, const base::Clock& clock, std::function<std::string()> url)
      : iam_(iam), clock_(clock), url_(std::move(url)) {}
  ci::Variables operator()(const ci::Job& job);

 private:
  iam::Iam::Session session_of(const ci::Job& job);

  iam::Iam& iam_;
  const base::Clock& clock_;
  const std::function<std::string()> url_;
  std::mutex mutex_;
  std::map<ci::Id, iam::Iam::Session> sessions_;  // guarded by mutex_; at most 1,000
};

}  // namespace slipway::app
