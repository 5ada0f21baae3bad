#pragma once

// One keyword under validation, and what is wrong with it in GitLab's words: "<location>
// <attribute> <message>", all of it in lower case.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ci_config/node.h"

namespace slipway::ci_config {

struct Problem {
  std::string text;
  Position position;
};

struct Problems {
  std::vector<Problem> errors;
  std::vector<std::string> warnings;

  void add(std::string text, Position position) { errors.push_back({std::move(text), position}); }
};

using Words = std::initializer_list<std::string_view>;

class Entry {
 public:
  // `problems` and `node` outlive the entry.
  Entry(Problems& problems, std::string location, const Node& node)
      : problems_(problems), location_(std::move(location)), node_(node) {}

  const Node& node() const { return node_; }
  const std::string& location() const { return location_; }
  Problems& problems() const { return problems_; }
  // Nothing was wrong so far. GitLab looks into the children only then.
  bool ok() const { return !failed_; }

  // The entry of a key's value. Requires: the key is given.
  Entry child(std::string_view key) const;
  Entry child(std::string_view name, const Node& node) const;

  void fail(std::string_view message);                  // "config should be a hash"
  void fail(std::string_view message, const Node& at);  // the same, elsewhere in the file
  void fail_as_is(std::string message);                 // neither location nor lower case

  // On the value itself.
  bool want_mapping();
  bool want_sequence();
  void want_keys(Words allowed);
  void want_texts();    // "config should be an array of strings"
  void want_script();   // "… a string or a nested array of strings up to 10 levels deep"
  void want_boolean();  // "config should be a boolean value"

  // On a key's value where it is given: "name should be a string".
  void require(Words keys);  // "config missing required keys: …"
  void text(std::string_view key);
  void filled_text(std::string_view key);  // given or not: neither absent nor blank
  void boolean(std::string_view key);
  void texts(std::string_view key);
  void text_or_texts(std::string_view key);
  void one_of(std::string_view key, Words values, std::string_view message);
  void integers(std::string_view key);
  void duration(std::string_view key, std::string_view limit = "");

 private:
  void fail_key(std::string_view key, std::string_view message);

  Problems& problems_;
  std::string location_;
  const Node& node_;
  bool failed_ = false;
};

// A list of texts; with `levels`, lists in lists so deep.
bool is_text_list(const Node& node, int levels = 0);
bool is_duration(const Node& node);
bool is_blank(const Node* node);

}  // namespace slipway::ci_config
