#pragma once

// The job as a stock gitlab-runner gets it. Types count: its JSON decoder is strict.

#include <functional>
#include <string>

#include "ci/queue.h"

namespace slipway::runner {

struct PayloadFacts {
  std::string url;  // the server's, "http://127.0.0.1:4700"
  bool is_protected = false;
  base::Millis now = 0;
  std::function<std::string(const std::string& path)> last_change;  // as in decide.h
};

Json job_payload(const ci::Assignment& assignment, const PayloadFacts& facts);

}  // namespace slipway::runner
