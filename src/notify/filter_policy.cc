#include "notify/filter_policy.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kMostBytes = 256u << 10;
constexpr int kMostDepth = 16;
constexpr int kMostConditions = 1000;  // of a whole policy
constexpr int kMostArrayDepth = 64;    // of a message; what lies deeper matches nothing

[[noreturn]] void refuse_policy(const std::string& why) {
  throw Error("InvalidParameter", "Invalid parameter: FilterPolicy: " + why);
}

bool is_scalar(const Json& value) {
  return value.is_string() || value.is_number() || value.is_boolean() || value.is_null();
}

bool is_comparison(const std::string& name) {
  return name == "=" || name == "<" || name == "<=" || name == ">" || name == ">=";
}

void check_numeric(const Json& range) {
  if (!range.is_array() || range.empty() || range.size() % 2 != 0 || range.size() > 4)
    refuse_policy("Value of numeric must be a list of one or two comparisons");
  for (std::size_t i = 0; i < range.size(); i += 2) {
    if (!range[i].is_string() || !is_comparison(range[i].get<std::string>()))
      refuse_policy("Unrecognized numeric range operator");
    if (!range[i + 1].is_number()) refuse_policy("Value of a numeric comparison must be a number");
  }
}

void check_anything_but(const Json& value) {
  if (value.is_object()) {
    const bool good = value.size() == 1 && (value.contains("prefix") || value.contains("suffix")) &&
                      value.begin()->is_string();
    if (!good) refuse_policy("anything-but takes a prefix or a suffix");
    return;
  }
  const auto comparable = [](const Json& one) { return one.is_string() || one.is_number(); };
  const bool good = value.is_array()
                        ? !value.empty() && std::all_of(value.begin(), value.end(), comparable)
                        : comparable(value);
  if (!good) refuse_policy("Value of anything-but must be a text, a number or a list of them");
}

void check_condition(const Json& condition) {
  if (is_scalar(condition)) return;
  if (!condition.is_object() || condition.size() != 1)
    refuse_policy("Match value must be String, number, true, false, or null");
  const std::string& type = condition.begin().key();
  const Json& value = condition.begin().value();
  if (type == "prefix" || type == "suffix" || type == "equals-ignore-case") {
    if (!value.is_string()) refuse_policy(type + " match pattern must be a string");
  } else if (type == "exists") {
    if (!value.is_boolean()) refuse_policy("exists match pattern must be either true or false.");
  } else if (type == "numeric") {
    check_numeric(value);
  } else if (type == "anything-but") {
    check_anything_but(value);
  } else {
    refuse_policy("Unrecognized match type " + type);
  }
}

void check_policy(const Json& policy, int depth, int& conditions) {
  if (depth > kMostDepth) refuse_policy("Filter policy is nested too deeply");
  for (const auto& [key, value] : policy.items()) {
    if (key == "$or") {
      if (!value.is_array() || value.empty()) refuse_policy("\"$or\" must be a list of policies");
      for (const Json& branch : value) {
        if (!branch.is_object()) refuse_policy("\"$or\" must be a list of policies");
        check_policy(branch, depth + 1, conditions);
      }
    } else if (value.is_object()) {
      if (value.empty()) refuse_policy("Empty objects are not allowed");
      check_policy(value, depth + 1, conditions);
    } else if (value.is_array()) {
      if (value.empty()) refuse_policy("Empty arrays are not allowed");
      conditions += static_cast<int>(value.size());
      if (conditions > kMostConditions) refuse_policy("Filter policy is too complex");
      for (const Json& condition : value) check_condition(condition);
    } else {
      refuse_policy("\"" + key + "\" must be an object or an array");
    }
  }
}

bool compares(const Json& range, double number) {
  for (std::size_t i = 0; i + 1 < range.size(); i += 2) {
    const std::string name = range[i].get<std::string>();
    const double bound = range[i + 1].get<double>();
    const bool holds = name == "="    ? number == bound
                       : name == "<"  ? number < bound
                       : name == "<=" ? number <= bound
                       : name == ">"  ? number > bound
                                      : number >= bound;
    if (!holds) return false;
  }
  return true;
}

bool matches_affix(const std::string& type, const std::string& affix, const Json& value) {
  if (!value.is_string()) return false;
  const std::string text = value.get<std::string>();
  if (type == "prefix") return text.starts_with(affix);
  if (type == "suffix") return text.ends_with(affix);
  return base::equals_ignoring_case(text, affix);
}

bool is_anything_but(const Json& excluded, const Json& value) {
  if (!value.is_string() && !value.is_number()) return false;
  if (excluded.is_object())
    return value.is_string() &&
           !matches_affix(excluded.begin().key(), excluded.begin()->get<std::string>(), value);
  if (!excluded.is_array()) return value != excluded;
  return std::find(excluded.begin(), excluded.end(), value) == excluded.end();
}

// One condition on one value that is there.
bool meets(const Json& condition, const Json& value) {
  if (is_scalar(condition)) return condition == value;
  const std::string& type = condition.begin().key();
  const Json& operand = condition.begin().value();
  if (type == "exists") return operand.get<bool>();
  if (type == "numeric") return value.is_number() && compares(operand, value.get<double>());
  if (type == "anything-but") return is_anything_but(operand, value);
  return matches_affix(type, operand.get<std::string>(), value);
}

bool wants_absence(const Json& conditions) {
  return std::any_of(conditions.begin(), conditions.end(), [](const Json& condition) {
    return condition.is_object() && condition.contains("exists") && condition["exists"] == false;
  });
}

bool meets_any(const Json& conditions, const std::vector<Json>& values) {
  if (values.empty()) return wants_absence(conditions);
  return std::any_of(conditions.begin(), conditions.end(), [&](const Json& condition) {
    return std::any_of(values.begin(), values.end(),
                       [&](const Json& value) { return meets(condition, value); });
  });
}

// The scalars that a member stands for: itself, or an array's elements.
void collect_scalars(const Json& value, std::vector<Json>& into, int depth = 0) {
  if (is_scalar(value)) into.push_back(value);
  if (value.is_array() && depth < kMostArrayDepth)
    for (const Json& element : value) collect_scalars(element, into, depth + 1);
}

// The objects that a member stands for.
void collect_objects(const Json& value, std::vector<const Json*>& into, int depth = 0) {
  if (value.is_object()) into.push_back(&value);
  if (value.is_array() && depth < kMostArrayDepth)
    for (const Json& element : value) collect_objects(element, into, depth + 1);
}

// `objects`: all that lie at this place of the body.
bool matches_objects(const Json& policy, const std::vector<const Json*>& objects) {
  for (const auto& [key, wanted] : policy.items()) {
    if (key == "$or") {
      const bool any = std::any_of(wanted.begin(), wanted.end(), [&](const Json& branch) {
        return matches_objects(branch, objects);
      });
      if (!any) return false;
      continue;
    }
    std::vector<Json> values;
    std::vector<const Json*> inner;
    for (const Json* object : objects) {
      const auto found = object->find(key);
      if (found == object->end()) continue;
      collect_scalars(*found, values);
      collect_objects(*found, inner);
    }
    const bool holds =
        wanted.is_object() ? matches_objects(wanted, inner) : meets_any(wanted, values);
    if (!holds) return false;
  }
  return true;
}

std::vector<Json> values_of(const Json& attribute) {
  std::vector<Json> values;
  const std::string type = base::text_or(attribute, "DataType");
  const std::string text = base::text_or(attribute, "StringValue");
  if (type == "String.Array") {
    if (const auto list = base::try_parse_json(text)) collect_scalars(*list, values);
  } else if (type.starts_with("Number")) {
    if (const auto number = base::parse_number(text)) values.emplace_back(*number);
  } else if (type.starts_with("String")) {
    values.emplace_back(text);
  }
  return values;
}

}  // namespace

void check_filter_policy(const std::string& policy) {
  if (policy.size() > kMostBytes) refuse_policy("Filter policy is too long");
  const auto json = base::try_parse_json(policy);
  if (!json || !json->is_object()) refuse_policy("failed to parse JSON.");
  int conditions = 0;
  check_policy(*json, 1, conditions);
}

bool is_nested(const Json& policy) {
  for (const auto& [key, value] : policy.items()) {
    if (value.is_object()) return true;
    if (key == "$or" && std::any_of(value.begin(), value.end(), is_nested)) return true;
  }
  return false;
}

bool matches_attributes(const Json& policy, const Json& attributes) {
  for (const auto& [key, wanted] : policy.items()) {
    if (key == "$or") {
      const bool any = std::any_of(wanted.begin(), wanted.end(), [&](const Json& branch) {
        return matches_attributes(branch, attributes);
      });
      if (!any) return false;
      continue;
    }
    if (!wanted.is_array()) return false;  // attributes are not nested
    const auto found = attributes.find(key);
    if (found == attributes.end()) {
      if (!wants_absence(wanted)) return false;
    } else {
      const std::vector<Json> values = values_of(*found);
      // A binary attribute is there, but has no value to compare.
      const bool exists = values.empty() && std::any_of(wanted.begin(), wanted.end(), [](auto& c) {
                            return c.is_object() && c.value("exists", false);
                          });
      if (!exists && (values.empty() || !meets_any(wanted, values))) return false;
    }
  }
  return true;
}

bool matches_body(const Json& policy, const std::string& body) {
  const auto json = base::try_parse_json(body);
  if (!json || !json->is_object()) return false;
  return matches_objects(policy, {&*json});
}

}  // namespace slipway::notify
