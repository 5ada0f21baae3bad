#include "ci_config/node.h"

#include <unordered_map>

#include "base/error.h"

namespace slipway::ci_config {

const Node* Node::find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Node* Node::find(std::string_view key) {
  for (Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const Node* Node::given(std::string_view key) const {
  const Node* found = find(key);
  return found && !found->is_null() ? found : nullptr;
}

Node& Node::set(std::string_view key, Node value) {
  if (Node* found = find(key)) return *found = std::move(value);
  members.push_back({std::string(key), Kind::kText, std::move(value)});
  return members.back().value;
}

void Node::erase(std::string_view key) {
  std::erase_if(members, [key](const Member& member) { return member.key == key; });
}

Node Node::of_text(std::string text, Position position) {
  Node node;
  node.kind = Kind::kText;
  node.text = std::move(text);
  node.position = position;
  return node;
}

Node Node::of_sequence(std::vector<Node> items, Position position) {
  Node node;
  node.kind = Kind::kSequence;
  node.items = std::move(items);
  node.position = position;
  return node;
}

Node Node::of_mapping(Position position) {
  Node node;
  node.kind = Kind::kMapping;
  node.position = position;
  return node;
}

bool operator==(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size() ||
      a.members.size() != b.members.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!(a.items[i] == b.items[i])) return false;
  }
  for (std::size_t i = 0; i < a.members.size(); ++i) {
    if (a.members[i].key != b.members[i].key || a.members[i].key_kind != b.members[i].key_kind ||
        !(a.members[i].value == b.members[i].value)) {
      return false;
    }
  }
  return true;
}

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) count += count_nodes(item);
  for (const Member& member : node.members) count += count_nodes(member.value);
  return count;
}

void Budget::spend(std::size_t nodes) {
  if (nodes > left_) {
    left_ = 0;
    throw base::Error("InvalidConfig", "The parsed YAML is too big");
  }
  left_ -= nodes;
}

Node Budget::copy(const Node& node) {
  spend(count_nodes(node));
  return node;
}

void deep_merge(Node& base, const Node& over, Budget& budget) {
  if (!base.is_mapping() || !over.is_mapping()) {
    base = budget.copy(over);
    return;
  }
  // Comparing every key with every other is quadratic; files have thousands of them at most, but
  // a hostile one has more.
  std::unordered_map<std::string_view, std::size_t> places;
  base.members.reserve(base.members.size() + over.members.size());  // keys must not move
  for (std::size_t i = 0; i < base.members.size(); ++i) places[base.members[i].key] = i;
  budget.spend(base.members.size() + over.members.size());
  for (const Member& member : over.members) {
    const auto place = places.find(member.key);
    if (place == places.end()) {
      base.members.push_back({member.key, member.key_kind, budget.copy(member.value)});
    } else {
      deep_merge(base.members[place->second].value, member.value, budget);
    }
  }
}

}  // namespace slipway::ci_config
