#include "ci_config/conditions.h"

#include <algorithm>

#include "base/error.h"
#include "ci_config/expression.h"
#include "ci_config/glob.h"

namespace slipway::ci_config {
namespace {

// As GitLab does: past this many comparisons the clause is taken to hold.
constexpr std::size_t kMostComparisons = 50'000;

// Paths written without a wildcard may begin with "./" or "/" by habit; GitLab matches neither.
bool any_matches(const std::vector<std::string>& globs, const std::vector<std::string>& paths) {
  std::size_t comparisons = 0;
  for (const std::string& text : globs) {
    if (text.find_first_of("*?[{\\") == std::string::npos) {
      if (std::find(paths.begin(), paths.end(), text) != paths.end()) return true;
      continue;
    }
    const Glob glob(text);
    for (const std::string& path : paths) {
      if (++comparisons > kMostComparisons || glob.matches(path)) return true;
    }
  }
  return false;
}

std::vector<std::string> expanded(const Node& globs, const Variables& variables) {
  std::vector<std::string> result = texts_of(globs);
  for (std::string& glob : result) glob = expand(glob, variables);
  return result;
}

void collect(const Node& node, std::vector<std::string>& into) {
  if (node.is_sequence()) {
    for (const Node& item : node.items) collect(item, into);
  } else if (node.is_scalar()) {
    into.push_back(node.text);
  }
}

}  // namespace

std::vector<std::string> texts_of(const Node& node) {
  std::vector<std::string> texts;
  collect(node, texts);
  return texts;
}

bool Conditions::hold(const Node& rule, const Variables& variables) {
  if (const Node* clause = rule.given("if")) {
    if (!Expression::is_valid(clause->text)) return false;
    if (!Expression::parse(clause->text).holds(variables)) return false;
  }
  if (const Node* clause = rule.given("changes")) {
    if (!changed(*clause, variables)) return false;
  }
  if (const Node* clause = rule.given("exists")) {
    if (!exists(*clause, variables)) return false;
  }
  return true;
}

bool Conditions::changed(const Node& clause, const Variables& variables) {
  const Node* globs = &clause;
  std::string compare_to;
  if (clause.is_mapping()) {
    globs = clause.given("paths");
    if (const Node* ref = clause.given("compare_to")) {
      compare_to = expand(ref->text, expand_all(variables));
    }
  }
  auto found = changes_.find(compare_to);
  if (found == changes_.end()) {
    found = changes_.emplace(compare_to, source_.changed_paths(compare_to)).first;
  }
  if (!found->second) return true;
  if (!globs || found->second->empty()) return false;
  return any_matches(expanded(*globs, expand_all(variables)), *found->second);
}

bool Conditions::exists(const Node& clause, const Variables& variables) {
  const Node* globs = &clause;
  std::string project, ref;
  if (clause.is_mapping()) {
    globs = clause.given("paths");
    if (const Node* one = clause.given("project")) project = expand(one->text, variables);
    if (const Node* one = clause.given("ref")) ref = expand(one->text, variables);
  }
  if (!globs) return false;
  return any_matches(expanded(*globs, variables), paths_of(project, ref));
}

const Conditions::Paths& Conditions::paths_of(const std::string& project, const std::string& ref) {
  const std::string key = project + '\n' + ref;
  const auto known = paths_.find(key);
  if (known != paths_.end()) return known->second;
  Paths paths;
  if (project.empty()) {
    paths = source_.paths();
  } else {
    try {
      paths = source_.project(project, ref)->paths();
    } catch (const base::Error&) {
      throw base::Error("InvalidRule",
                        "rules:exists:project `" + project + "` is not a valid project path");
    }
  }
  return paths_.emplace(key, std::move(paths)).first->second;
}

}  // namespace slipway::ci_config
