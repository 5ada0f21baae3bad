#include "gitlab/junit.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/strings.h"
#include "gitlab/xml_reader.h"

namespace slipway::gitlab {
namespace {

using Kind = XmlPiece::Kind;
using Outcome = TestCase::Outcome;

constexpr std::array kOutcomes{Outcome::kError, Outcome::kFailed, Outcome::kSuccess,
                               Outcome::kSkipped};

std::string_view text(Outcome outcome) {
  switch (outcome) {
    case Outcome::kError:
      return "error";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kSuccess:
      return "success";
    case Outcome::kSkipped:
      return "skipped";
  }
  return "";
}

// Which of its children decides, where there are several.
std::optional<Outcome> outcome_named(std::string_view element) {
  if (element == "failure") return Outcome::kFailed;
  if (element == "error") return Outcome::kError;
  if (element == "skipped") return Outcome::kSkipped;
  return std::nullopt;
}
int rank(Outcome outcome) {
  return outcome == Outcome::kFailed ? 3 : outcome == Outcome::kError ? 2 : 1;
}

double seconds_of(std::string_view given) {
  double seconds = 0;
  const std::string_view number = base::trim(given);
  std::from_chars(number.data(), number.data() + number.size(), seconds);
  return std::isfinite(seconds) && seconds > 0 ? seconds : 0;
}

class Report {
 public:
  Report(std::string_view text, TestSuite& suite, const JunitLimits& limits)
      : reader_(text), suite_(suite), limits_(limits) {}

  void read() {
    for (XmlPiece piece = reader_.next(); piece.kind != Kind::kDone; piece = reader_.next()) {
      if (piece.name == "testsuites" || piece.name == "testsuite") {
        read_suite();
      } else {
        skip();
      }
    }
  }

 private:
  // Behind an element's start: to behind its end.
  void skip() {
    for (int depth = 1; depth > 0;) {
      const XmlPiece piece = reader_.next();
      if (piece.kind == Kind::kStart) ++depth;
      if (piece.kind == Kind::kEnd) --depth;
    }
  }

  void read_suite() {
    for (XmlPiece piece = reader_.next(); piece.kind != Kind::kEnd; piece = reader_.next()) {
      if (piece.kind != Kind::kStart) continue;
      if (piece.name == "testsuite") {
        read_suite();
      } else if (piece.name == "testcase") {
        read_case(piece);
      } else {
        skip();
      }
    }
  }

  void read_case(const XmlPiece& start) {
    TestCase test;
    test.name = start.attribute("name");
    test.class_name = start.attribute("classname");
    test.file = start.attribute("file");
    test.seconds = seconds_of(start.attribute("time"));
    int known = 0;
    for (XmlPiece piece = reader_.next(); piece.kind != Kind::kEnd; piece = reader_.next()) {
      if (piece.kind != Kind::kStart) continue;
      const auto outcome = outcome_named(piece.name);
      if (!outcome || rank(*outcome) <= known) {
        skip();
        continue;
      }
      known = rank(*outcome);
      test.outcome = *outcome;
      test.output = read_output(piece);
    }
    if (suite_.cases.size() >= limits_.cases) {
      throw Error("TooLarge",
                  "number of test cases exceeded the limit of " + std::to_string(limits_.cases));
    }
    suite_.add(std::move(test));
  }

  // What the element says, or else its message.
  std::string read_output(const XmlPiece& start) {
    std::string all;
    for (int depth = 1; depth > 0;) {
      const XmlPiece piece = reader_.next();
      if (piece.kind == Kind::kStart) ++depth;
      if (piece.kind == Kind::kEnd) --depth;
      all += piece.text;
    }
    return base::trim(all).empty() ? std::string(start.attribute("message")) : all;
  }

  XmlReader reader_;
  TestSuite& suite_;
  const JunitLimits limits_;
};

struct Counts {
  double seconds = 0;
  std::array<std::size_t, kOutcomes.size()> by_outcome{};

  explicit Counts(const TestSuite& suite) {
    if (!suite.error.empty()) return;
    seconds = suite.seconds;
    for (const TestCase& test : suite.cases)
      ++by_outcome.at(static_cast<std::size_t>(test.outcome));
  }
  Counts() = default;
  void add(const Counts& other) {
    seconds += other.seconds;
    for (std::size_t i = 0; i < by_outcome.size(); ++i) by_outcome[i] += other.by_outcome[i];
  }
  std::size_t of(Outcome outcome) const { return by_outcome.at(static_cast<std::size_t>(outcome)); }
  std::size_t all() const {
    std::size_t sum = 0;
    for (const std::size_t each : by_outcome) sum += each;
    return sum;
  }
};

Json counts_json(const Counts& counts) {
  Json document{{"total_time", counts.seconds}, {"total_count", counts.all()}};
  for (const Outcome outcome : kOutcomes) {
    document[std::string(text(outcome)) + "_count"] = counts.of(outcome);
  }
  return document;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json case_json(const TestCase& test) {
  return {{"status", text(test.outcome)},
          {"name", test.name.empty() ? "(No name)" : test.name},
          {"classname", text_or_null(test.class_name)},
          {"file", text_or_null(test.file)},
          {"execution_time", test.seconds},
          {"system_output", text_or_null(test.output)},
          {"stack_trace", nullptr},
          {"recent_failures", nullptr}};
}

// What went wrong first, of each the slowest first.
Json cases_json(const TestSuite& suite) {
  Json all = Json::array();
  if (!suite.error.empty()) return all;
  std::vector<const TestCase*> order;
  for (const TestCase& test : suite.cases) order.push_back(&test);
  std::stable_sort(order.begin(), order.end(), [](const TestCase* one, const TestCase* other) {
    if (one->outcome != other->outcome) return one->outcome < other->outcome;
    return one->seconds > other->seconds;
  });
  for (const TestCase* test : order) all.push_back(case_json(*test));
  return all;
}

}  // namespace

void TestSuite::add(TestCase test) {
  seconds += test.seconds;
  std::string key = std::string(text(test.outcome)) + '\n' + test.class_name + '\n' + test.name;
  const auto [at, is_new] = known_.try_emplace(std::move(key), cases.size());
  if (is_new) {
    cases.push_back(std::move(test));
  } else {
    cases[at->second] = std::move(test);
  }
}

void read_junit(std::string_view text, TestSuite& suite, const JunitLimits& limits) {
  try {
    if (!base::is_utf8(text)) throw Error("MalformedXML", "the document is not UTF-8", 400);
    Report(text, suite, limits).read();
  } catch (const Error& error) {
    const bool syntax = error.code() == "MalformedXML";
    suite.error =
        (syntax ? "JUnit XML parsing failed: " : "JUnit data parsing failed: ") + error.message();
  }
}

Json test_report_json(const std::vector<TestSuite>& suites) {
  Counts total;
  Json list = Json::array();
  for (const TestSuite& suite : suites) {
    const Counts counts(suite);
    total.add(counts);
    Json shown = counts_json(counts);
    shown.update({{"name", suite.name},
                  {"suite_error", text_or_null(suite.error)},
                  {"test_cases", cases_json(suite)}});
    list.push_back(std::move(shown));
  }
  Json report = counts_json(total);
  report["test_suites"] = std::move(list);
  return report;
}

Json test_summary_json(const std::vector<TestSuite>& suites) {
  Counts total;
  Json list = Json::array();
  for (const TestSuite& suite : suites) {
    const Counts counts(suite);
    total.add(counts);
    Json shown = counts_json(counts);
    shown.update({{"name", suite.name},
                  {"build_ids", suite.jobs},
                  {"suite_error", text_or_null(suite.error)}});
    list.push_back(std::move(shown));
  }
  return {{"total",
           {{"time", total.seconds},
            {"count", total.all()},
            {"success", total.of(Outcome::kSuccess)},
            {"failed", total.of(Outcome::kFailed)},
            {"skipped", total.of(Outcome::kSkipped)},
            {"error", total.of(Outcome::kError)},
            {"suite_error", nullptr}}},
          {"test_suites", std::move(list)}};
}

}  // namespace slipway::gitlab
