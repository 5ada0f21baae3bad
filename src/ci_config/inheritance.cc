#include "ci_config/inheritance.h"

#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::ci_config {
namespace {

constexpr int kMostLevels = 11;  // of entries that extend, the job itself among them

[[noreturn]] void fail(const std::string& message, const Node& at) {
  throw base::Error("InvalidConfig", message, 400,
                    at.position.line > 0
                        ? Json{{"file", at.position.file}, {"line", at.position.line}}
                        : Json(nullptr));
}

class Extends {
 public:
  Extends(Node& root, Budget& budget) : root_(root), budget_(budget) {
    for (std::size_t i = 0; i < root.members.size(); ++i) places_[root.members[i].key] = i;
    levels_.resize(root.members.size(), kUnknown);
  }

  void run() {
    for (std::size_t i = 0; i < root_.members.size(); ++i) {
      if (root_.members[i].value.is_mapping()) extend(i, 0);
    }
  }

 private:
  static constexpr int kUnknown = -1;

  static std::vector<std::string> bases_of(const Node& entry) {
    std::vector<std::string> names;
    const Node* extends = entry.find("extends");
    if (!extends || extends->is_null()) return names;
    if (!extends->is_sequence()) return {extends->text};
    for (const Node& item : extends->items) names.push_back(item.text);
    return names;
  }

  // Returns how many levels of extending entries there are from this one on.
  int extend(std::size_t index, int ancestors) {
    Member& member = root_.members[index];
    const auto bases = bases_of(member.value);
    if (bases.empty()) return 0;
    check(member, bases);
    if (ancestors + std::max(levels_[index], 1) > kMostLevels) {
      fail(member.key + ": nesting too deep in `extends`", member.value);
    }
    if (open_.contains(index)) {
      fail(member.key + ": circular dependency detected in `extends`", member.value);
    }
    if (levels_[index] != kUnknown) return levels_[index];
    open_.insert(index);
    int levels = 0;
    Node merged = Node::of_mapping(member.value.position);
    for (const std::string& base : bases) {
      const std::size_t place = places_.at(base);
      levels = std::max(levels, extend(place, ancestors + 1));
      deep_merge(merged, root_.members[place].value, budget_);
    }
    deep_merge(merged, member.value, budget_);
    root_.members[index].value = std::move(merged);
    open_.erase(index);
    return levels_[index] = levels + 1;
  }

  void check(const Member& member, const std::vector<std::string>& bases) const {
    std::vector<std::string> unknown, invalid;
    for (const std::string& base : bases) {
      const auto place = places_.find(base);
      if (place == places_.end()) {
        unknown.push_back(base);
      } else if (!root_.members[place->second].value.is_mapping()) {
        invalid.push_back(base);
      }
    }
    const Node& at = *member.value.find("extends");
    if (!unknown.empty()) {
      fail(member.key + ": unknown keys in `extends` (" + base::join(unknown, ", ") + ")", at);
    }
    if (!invalid.empty()) {
      fail(member.key + ": invalid base hashes in `extends` (" + base::join(invalid, ", ") + ")",
           at);
    }
  }

  Node& root_;
  Budget& budget_;
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<int> levels_;
  std::set<std::size_t> open_;
};

std::string text_of(const Node& reference) {
  std::string text = "!reference [";
  for (std::size_t i = 0; i < reference.items.size(); ++i) {
    text += (i > 0 ? ", \"" : "\"") + reference.items[i].text + '"';
  }
  return text + ']';
}

class References {
 public:
  References(const Node& root, Budget& budget) : root_(root), budget_(budget) {}

  Node resolved(const Node& node, int depth) {
    if (depth > kMostDepth) fail("The parsed YAML is too big", node);
    budget_.spend(1);
    if (node.is(Kind::kReference)) return target_of(node, depth);
    Node result;
    result.kind = node.kind;
    result.boolean = node.boolean;
    result.integer = node.integer;
    result.text = node.text;
    result.position = node.position;
    for (const Node& item : node.items) result.items.push_back(resolved(item, depth + 1));
    for (const Member& member : node.members) {
      result.members.push_back({member.key, member.key_kind, resolved(member.value, depth + 1)});
    }
    return result;
  }

 private:
  static constexpr int kMostDepth = 200;

  Node target_of(const Node& reference, int depth) {
    const std::string name = text_of(reference);
    if (const auto known = known_.find(name); known != known_.end()) {
      return budget_.copy(known->second);
    }
    if (!open_.insert(name).second) fail(name + " is part of a circular chain", reference);
    const Node* target = &root_;
    for (const Node& step : reference.items) {
      target = target && target->is_mapping() ? target->find(step.text) : nullptr;
    }
    if (!target || target->is_null() || (target->is(Kind::kBoolean) && !target->boolean)) {
      fail(name + " could not be found", reference);
    }
    Node value = resolved(*target, depth + 1);
    open_.erase(name);
    known_[name] = budget_.copy(value);
    return value;
  }

  const Node& root_;
  Budget& budget_;
  std::map<std::string, Node> known_;
  std::set<std::string> open_;
};

bool has_reference(const Node& node) {
  if (node.is(Kind::kReference)) return true;
  for (const Node& item : node.items) {
    if (has_reference(item)) return true;
  }
  for (const Member& member : node.members) {
    if (has_reference(member.value)) return true;
  }
  return false;
}

}  // namespace

void apply_extends(Node& root, Budget& budget) { Extends(root, budget).run(); }

void resolve_references(Node& root, Budget& budget) {
  if (!has_reference(root)) return;
  Node result = References(root, budget).resolved(root, 0);
  root = std::move(result);
}

}  // namespace slipway::ci_config
