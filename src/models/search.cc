#include "models/search.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::models {
namespace {

// Expressions nest; the wire model bounds each list, this bounds the depth.
constexpr int kDeepest = 20;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

// The values that a path leads to; several where lists lie on the way.
std::vector<Json> values_at(const Json& document, const std::vector<std::string>& path,
                            std::size_t from = 0) {
  if (document.is_array()) {
    std::vector<Json> all;
    for (const Json& element : document) {
      const std::vector<Json> found = values_at(element, path, from);
      all.insert(all.end(), found.begin(), found.end());
    }
    return all;
  }
  if (from == path.size()) return {document};
  if (!document.is_object()) return {};
  // Keys of a map may contain dots: the longest key that is there wins.
  for (std::size_t end = path.size(); end > from; --end) {
    const std::vector<std::string> parts(path.begin() + static_cast<std::ptrdiff_t>(from),
                                         path.begin() + static_cast<std::ptrdiff_t>(end));
    const auto found = document.find(base::join(parts, "."));
    if (found != document.end()) return values_at(*found, path, end);
  }
  return {};
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : base::dump_json(value);
}

std::optional<double> number_of(const std::string& text) {
  if (const auto number = base::parse_number(text)) return number;
  if (const auto instant = base::parse_iso8601(text)) return base::epoch_seconds(*instant);
  return std::nullopt;
}

// Negative, zero or positive; nothing where the two cannot be compared.
std::optional<int> compare(const Json& value, const std::string& text) {
  if (value.is_number()) {
    const auto number = number_of(text);
    if (!number) return std::nullopt;
    const double left = value.get<double>();
    return left < *number ? -1 : left > *number ? 1 : 0;
  }
  return text_of(value).compare(text);
}

bool holds(const Json& value, const std::string& comparison, const std::string& text) {
  if (comparison == "Contains") return text_of(value).find(text) != std::string::npos;
  if (comparison == "In") {
    const std::vector<std::string> choices = base::split(text, ',');
    return std::any_of(choices.begin(), choices.end(), [&](const std::string& choice) {
      return compare(value, std::string(base::trim(choice))) == 0;
    });
  }
  const std::optional<int> order = compare(value, text);
  if (!order) return false;
  if (comparison == "Equals") return *order == 0;
  if (comparison == "GreaterThan") return *order > 0;
  if (comparison == "GreaterThanOrEqualTo") return *order >= 0;
  if (comparison == "LessThan") return *order < 0;
  if (comparison == "LessThanOrEqualTo") return *order <= 0;
  refuse("The operator " + comparison + " is not supported.");
}

bool matches_filter(const Json& document, const Json& filter, const std::string& prefix) {
  std::string name = base::text_or(filter, "Name");
  // The name inside a nested filter may be given with or without the list before it.
  if (!prefix.empty() && name.rfind(prefix + ".", 0) == 0) name.erase(0, prefix.size() + 1);
  const std::string comparison = base::text_or(filter, "Operator", "Equals");
  const std::vector<Json> values = values_at(document, base::split(name, '.'));
  if (comparison == "Exists") return !values.empty();
  if (comparison == "NotExists") return values.empty();
  if (!filter.contains("Value")) refuse("The filter on " + name + " needs a Value.");
  const std::string text = base::text_or(filter, "Value");
  const auto any = [&](const std::string& how) {
    return std::any_of(values.begin(), values.end(),
                       [&](const Json& value) { return holds(value, how, text); });
  };
  return comparison == "NotEquals" ? !any("Equals") : any(comparison);
}

// Some element of the list must fulfil all of the filters.
bool matches_nested(const Json& document, const Json& nested) {
  const std::string list = base::text_or(nested, "NestedPropertyName");
  const std::vector<Json> elements = values_at(document, base::split(list, '.'));
  const Json& filters = base::array_or_empty(nested, "Filters");
  return std::any_of(elements.begin(), elements.end(), [&](const Json& element) {
    return std::all_of(filters.begin(), filters.end(),
                       [&](const Json& filter) { return matches_filter(element, filter, list); });
  });
}

bool matches_at(const Json& document, const Json& expression, int depth) {
  if (depth > kDeepest) refuse("The search expression nests too deeply.");
  std::vector<std::function<bool()>> conditions;
  for (const Json& filter : base::array_or_empty(expression, "Filters")) {
    conditions.emplace_back([&] { return matches_filter(document, filter, ""); });
  }
  for (const Json& nested : base::array_or_empty(expression, "NestedFilters")) {
    conditions.emplace_back([&] { return matches_nested(document, nested); });
  }
  for (const Json& inner : base::array_or_empty(expression, "SubExpressions")) {
    conditions.emplace_back([&] { return matches_at(document, inner, depth + 1); });
  }
  const auto fulfilled = [](const std::function<bool()>& condition) { return condition(); };
  if (base::text_or(expression, "Operator", "And") == "Or") {
    return std::any_of(conditions.begin(), conditions.end(), fulfilled);
  }
  return std::all_of(conditions.begin(), conditions.end(), fulfilled);
}

}  // namespace

bool matches(const Json& document, const Json& expression) {
  return matches_at(document, expression, 0);
}

int compare_by(const Json& a, const Json& b, const std::string& member) {
  const std::vector<std::string> path = base::split(member, '.');
  const std::vector<Json> left = values_at(a, path);
  const std::vector<Json> right = values_at(b, path);
  if (left.empty() || right.empty()) {
    return static_cast<int>(!left.empty()) - static_cast<int>(!right.empty());
  }
  if (left.front().is_number() && right.front().is_number()) {
    const double difference = left.front().get<double>() - right.front().get<double>();
    return difference < 0 ? -1 : difference > 0 ? 1 : 0;
  }
  return text_of(left.front()).compare(text_of(right.front()));
}

}  // namespace slipway::models
