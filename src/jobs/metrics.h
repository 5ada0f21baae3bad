#pragma once

// Finds an algorithm's metrics in the lines that it prints.
//
// A definition is a name and a regular expression as Python writes them; its first group is
// the value. A definition that backtracks without end is dropped after a few lines, so that a
// bad expression cannot hold up the log.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::jobs {

struct MetricDefinition {
  std::string name;
  std::string regex;
};

// Not thread-safe: one log's lines come one after the other.
class MetricScanner {
 public:
  // Throws Error{ValidationException} naming the definition whose expression is not one.
  explicit MetricScanner(const std::vector<MetricDefinition>& definitions);
  ~MetricScanner();
  MetricScanner(MetricScanner&&) noexcept;

  // Calls `found` for each definition that matches in the first 4 KiB of `line` with a
  // finite number as its first group.
  void scan(std::string_view line, const std::function<void(const std::string&, double)>& found);

  bool empty() const { return expressions_.empty(); }

 private:
  struct Expression;
  static std::optional<double> value_in(Expression& expression, std::string_view line);
  std::vector<std::unique_ptr<Expression>> expressions_;
};

}  // namespace slipway::jobs
