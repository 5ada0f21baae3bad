#include "ci_config/entry.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/ci_config.h"

namespace slipway::ci_config {
namespace {

constexpr int kNestedLevels = 10;

// "expire_in" is shown as "expire in".
std::string shown(std::string_view key) {
  std::string text(key);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

bool contains(Words words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string joined(const std::vector<std::string>& words) { return base::join(words, ", "); }

bool is_integers(const Node& node) {
  if (node.is(Kind::kInteger)) return true;
  return node.is_sequence() && std::all_of(node.items.begin(), node.items.end(),
                                           [](const Node& one) { return one.is(Kind::kInteger); });
}

}  // namespace

bool is_text_list(const Node& node, int levels) {
  if (!node.is_sequence()) return false;
  return std::all_of(node.items.begin(), node.items.end(), [levels](const Node& item) {
    return item.is_text() || (levels > 0 && is_text_list(item, levels - 1));
  });
}

bool is_duration(const Node& node) {
  if (!node.is_text()) return false;
  try {
    parse_duration(node.text);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

bool is_blank(const Node* node) {
  if (!node || node->is_null()) return true;
  if (node->is_text()) return base::trim(node->text).empty();
  return (node->is_sequence() && node->items.empty()) ||
         (node->is_mapping() && node->members.empty());
}

Entry Entry::child(std::string_view key) const { return child(key, *node_.find(key)); }

Entry Entry::child(std::string_view name, const Node& node) const {
  return {problems_, location_.empty() ? std::string(name) : location_ + ':' + std::string(name),
          node};
}

void Entry::fail(std::string_view message) { fail(message, node_); }

void Entry::fail(std::string_view message, const Node& at) {
  failed_ = true;
  problems_.add(base::lower(location_ + ' ' + std::string(message)), at.position);
}

void Entry::fail_as_is(std::string message) {
  failed_ = true;
  problems_.add(std::move(message), node_.position);
}

void Entry::fail_key(std::string_view key, std::string_view message) {
  const Node* value = node_.find(key);
  fail(shown(key) + ' ' + std::string(message), value ? *value : node_);
}

bool Entry::want_mapping() {
  if (!node_.is_mapping()) fail("config should be a hash");
  return node_.is_mapping();
}

bool Entry::want_sequence() {
  if (!node_.is_sequence()) fail("config should be an array");
  return node_.is_sequence();
}

void Entry::want_keys(Words allowed) {
  std::vector<std::string> unknown;
  const Node* first = nullptr;
  for (const Member& member : node_.members) {
    if (contains(allowed, member.key)) continue;
    unknown.push_back(member.key);
    if (!first) first = &member.value;
  }
  if (first) fail("config contains unknown keys: " + joined(unknown), *first);
}

void Entry::want_texts() {
  if (!is_text_list(node_)) fail("config should be an array of strings");
}

void Entry::want_script() {
  if (!node_.is_text() && !is_text_list(node_, kNestedLevels)) {
    fail("config should be a string or a nested array of strings up to 10 levels deep");
  }
}

void Entry::want_boolean() {
  if (!node_.is(Kind::kBoolean)) fail("config should be a boolean value");
}

void Entry::require(Words keys) {
  std::vector<std::string> missing;
  for (const std::string_view key : keys) {
    if (!node_.find(key)) missing.emplace_back(key);
  }
  if (!missing.empty()) fail("config missing required keys: " + joined(missing));
}

void Entry::text(std::string_view key) {
  const Node* value = node_.given(key);
  if (value && !value->is_text()) fail_key(key, "should be a string");
}

void Entry::filled_text(std::string_view key) {
  const Node* value = node_.given(key);
  if (value && !value->is_text()) fail_key(key, "should be a string");
  if (is_blank(value)) fail_key(key, "can't be blank");
}

void Entry::boolean(std::string_view key) {
  const Node* value = node_.given(key);
  if (value && !value->is(Kind::kBoolean)) fail_key(key, "should be a boolean value");
}

void Entry::texts(std::string_view key) {
  const Node* value = node_.given(key);
  if (value && !is_text_list(*value)) fail_key(key, "should be an array of strings");
}

void Entry::text_or_texts(std::string_view key) {
  const Node* value = node_.given(key);
  if (value && !value->is_text() && !is_text_list(*value)) {
    fail_key(key, "should be an array of strings or a string");
  }
}

void Entry::one_of(std::string_view key, Words values, std::string_view message) {
  const Node* value = node_.given(key);
  if (value && !(value->is_text() && contains(values, value->text))) fail_key(key, message);
}

void Entry::integers(std::string_view key) {
  const Node* value = node_.given(key);
  if (value && !is_integers(*value)) {
    fail_key(key, "should be an array of integers or an integer");
  }
}

void Entry::duration(std::string_view key, std::string_view limit) {
  const Node* value = node_.given(key);
  if (!value) return;
  if (!is_duration(*value)) {
    fail_key(key, "should be a duration");
  } else if (!limit.empty() && parse_duration(value->text) > parse_duration(limit)) {
    fail_key(key, "should not exceed the limit");
  }
}

}  // namespace slipway::ci_config
