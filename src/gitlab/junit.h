#pragma once

// Test reports in JUnit's format, and what GitLab tells of them.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "ci/types.h"

namespace slipway::gitlab {

struct TestCase {
  enum class Outcome { kError, kFailed, kSuccess, kSkipped } outcome = Outcome::kSuccess;
  std::string name, class_name, file;
  double seconds = 0;
  std::string output;  // of a failure, an error, or why it was skipped
};

// The cases of all jobs of a name: the parts of a parallel job are one suite.
struct TestSuite {
  std::string name;
  std::vector<ci::Id> jobs;
  std::vector<TestCase> cases;
  double seconds = 0;
  std::string error;  // not empty: a report could not be read, and the suite counts for nothing

  // A case of the same class, name and outcome takes the earlier one's place.
  void add(TestCase test);

 private:
  std::map<std::string, std::size_t> known_;
};

struct JunitLimits {
  std::size_t cases = 100'000;  // of a suite
};

// Adds a report's cases; what is wrong with it becomes the suite's error. Throws nothing.
void read_junit(std::string_view text, TestSuite& suite, const JunitLimits& limits = {});

Json test_report_json(const std::vector<TestSuite>& suites);
Json test_summary_json(const std::vector<TestSuite>& suites);

}  // namespace slipway::gitlab
