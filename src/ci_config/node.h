#pragma once

// A document as the file has it: keys in their order, every value with the place it was written at.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::ci_config {

struct Position {
  int file = 0;  // index in the list of the files that were read
  int line = 0;  // from 1; 0: not from a file
  int column = 0;
};

// kReference is a `!reference [a, b]` that has not been resolved yet.
enum class Kind { kNull, kBoolean, kInteger, kFloat, kText, kSequence, kMapping, kReference };

struct Member;

// A value: copies and compares, has no identity.
struct Node {
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string text;             // of a scalar, as Ruby would print it: "8" for 010, "true" for yes
  std::vector<Node> items;      // of a sequence; the path of a reference
  std::vector<Member> members;  // of a mapping
  Position position;

  bool is(Kind one) const { return kind == one; }
  bool is_null() const { return kind == Kind::kNull; }
  bool is_text() const { return kind == Kind::kText; }
  bool is_mapping() const { return kind == Kind::kMapping; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_scalar() const { return kind < Kind::kSequence && kind != Kind::kNull; }

  // The value of a key, or null where it is absent (or this is no mapping).
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  // The same, but null also where the value is a YAML null: "not given" in GitLab's eyes.
  const Node* given(std::string_view key) const;
  // Sets a key: an old value is replaced in its place, a new key goes to the end.
  Node& set(std::string_view key, Node value);
  void erase(std::string_view key);

  static Node of_text(std::string text, Position position = {});
  static Node of_sequence(std::vector<Node> items, Position position = {});
  static Node of_mapping(Position position = {});
};

struct Member {
  std::string key;
  Kind key_kind = Kind::kText;  // `10:` and `yes:` are no text
  Node value;
};

// Deep equality of what the nodes say; positions do not count.
bool operator==(const Node& a, const Node& b);

// How many nodes a document has, itself among them.
std::size_t count_nodes(const Node& node);

// Bounds the work of one compilation: every copied node counts, so that aliases, `extends` and
// `!reference` cannot blow a small file up. Throws Error{InvalidConfig} when it is used up.
class Budget {
 public:
  explicit Budget(std::size_t nodes) : left_(nodes) {}
  void spend(std::size_t nodes);
  Node copy(const Node& node);

 private:
  std::size_t left_;
};

// Mappings merge key by key, everything else of `over` replaces what `base` has. Keys of `base`
// keep their place; new ones follow.
void deep_merge(Node& base, const Node& over, Budget& budget);

}  // namespace slipway::ci_config
