#pragma once

// What a rule asks: `if`, `changes` and `exists`, of jobs, of workflow and of includes alike.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ci_config/ci_config.h"
#include "ci_config/node.h"

namespace slipway::ci_config {

// Answers from a project's commit; what it has asked the source once it remembers.
class Conditions {
 public:
  explicit Conditions(Source& source) : source_(source) {}

  // Whether every clause of the rule holds; a rule without clauses does. Throws Error for what
  // the source cannot answer (a `compare_to` that is no ref).
  bool hold(const Node& rule, const Variables& variables);

  // The clause `changes` alone: a list of globs, or {"paths", "compare_to"}.
  bool changed(const Node& clause, const Variables& variables);

 private:
  using Paths = std::vector<std::string>;

  bool exists(const Node& clause, const Variables& variables);
  const Paths& paths_of(const std::string& project, const std::string& ref);

  Source& source_;
  std::map<std::string, std::optional<Paths>> changes_;
  std::map<std::string, Paths> paths_;
};

// The texts of a list of lists, or of a single text.
std::vector<std::string> texts_of(const Node& node);

}  // namespace slipway::ci_config
