#pragma once

// The jobs of a validated configuration: defaults put in, `parallel` taken apart, names resolved.

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ci_config/ci_config.h"
#include "ci_config/node.h"

namespace slipway::ci_config {

struct Job {
  std::string name;
  std::string base_name;
  std::string stage;
  bool is_trigger = false;
  int node_index = 0;  // of parallel, from 1
  int node_total = 1;
  Variables matrix;                    // of parallel:matrix
  std::shared_ptr<const Node> config;  // with what it inherits; shared by parallel ones
};

// Everything of one configuration. Immutable once made.
class Jobs {
 public:
  // Requires: `root` is validated. Throws Error{InvalidConfig} for more than kMost jobs.
  Jobs(const Node& root, Budget& budget);

  static constexpr std::size_t kMost = 10'000;

  const std::vector<Job>& all() const { return jobs_; }
  const std::vector<std::string>& stages() const { return stages_; }
  const Job* find(const std::string& name) const;
  // The place of a stage, or nothing for one that there is not.
  std::optional<std::size_t> stage_index(const std::string& stage) const;
  // The names that a name in `needs` or `dependencies` stands for: those of the parallel jobs, or
  // itself.
  std::vector<std::string> names_of(const std::string& name) const;
  // The needs of a list, in its order, of this pipeline and of others.
  std::vector<Need> needs_of(const Node& needs) const;

 private:
  void add(const std::string& name, Node config, bool is_trigger);

  std::vector<Job> jobs_;
  std::vector<std::string> stages_;
  std::unordered_map<std::string, std::size_t> places_;
  std::unordered_map<std::string, std::vector<std::string>> parallel_;
};

// `stages` with .pre and .post around, each once.
std::vector<std::string> stages_of(const Node& root);

// The variables of a `variables` mapping.
Variables variables_of(const Node& mapping);

// What GitLab says of jobs that do not fit together ("test job: undefined need: build"), and
// where; nothing if they do.
struct Misfit {
  std::string text;
  Position position;
};
std::optional<Misfit> find_misfit(const Jobs& jobs);

}  // namespace slipway::ci_config
