#include "pipelines/expressions.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::pipelines {
namespace {

constexpr std::string_view kGet = "Get";
constexpr std::string_view kJoin = "Std:Join";
constexpr std::string_view kJsonGet = "Std:JsonGet";

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

// The operand of the expression `name`, or null where `value` is not that expression.
const Json* operand_of(const Json& value, std::string_view name) {
  if (!value.is_object() || value.size() != 1) return nullptr;
  const auto found = value.find(name);
  return found == value.end() ? nullptr : &*found;
}

bool ends_word(char c) { return c == '.' || c == '[' || c == ']'; }

// The part in brackets that begins at `at`, which moves behind it.
PathPart bracketed(std::string_view text, std::size_t& at) {
  const auto wrong = [&] { refuse("\"" + std::string(text) + "\" is not a path"); };
  ++at;
  if (at < text.size() && (text[at] == '\'' || text[at] == '"')) {
    const char quote = text[at];
    const std::size_t close = text.find(quote, at + 1);
    if (close == std::string_view::npos || close + 1 >= text.size() || text[close + 1] != ']') {
      wrong();
    }
    std::string name(text.substr(at + 1, close - at - 1));
    at = close + 2;
    return name;
  }
  const std::size_t close = text.find(']', at);
  if (close == std::string_view::npos) wrong();
  const auto index = base::parse_integer(text.substr(at, close - at));
  if (!index || *index < 0) wrong();
  at = close + 1;
  return static_cast<std::size_t>(*index);
}

const Json* named_element(const Json& list, const std::string& name) {
  for (const Json& element : list) {
    if (!element.is_object()) continue;
    for (const auto& [key, value] : element.items()) {
      if (key.ends_with("Name") && value.is_string() && value.get_ref<const std::string&>() == name)
        return &element;
    }
  }
  return nullptr;
}

std::string text_of_path(const Path& path, std::size_t from) {
  std::string text;
  for (std::size_t i = from; i < path.size(); ++i) {
    if (const auto* index = std::get_if<std::size_t>(&path[i])) {
      text += "[" + std::to_string(*index) + "]";
    } else {
      text += (text.empty() ? "" : ".") + std::get<std::string>(path[i]);
    }
  }
  return text;
}

Json get(const std::string& text, const Scope& scope) {
  const Reference reference = parse_reference(text);
  if (reference.root != Reference::Root::kStep) {
    const bool is_parameter = reference.root == Reference::Root::kParameter;
    const Json& values = is_parameter ? scope.parameters : scope.execution;
    const auto found = values.find(reference.name);
    if (found == values.end()) refuse("\"" + text + "\" has no value");
    return *found;
  }
  const Json* output = scope.outputs ? scope.outputs(reference.name) : nullptr;
  if (output == nullptr) {
    refuse("\"" + text + "\" has no value: step " + reference.name + " has not succeeded");
  }
  const Json* value = value_at(*output, reference.path);
  if (value == nullptr) {
    refuse("\"" + text + "\" has no value: the properties of step " + reference.name + " lack " +
           text_of_path(reference.path, 0));
  }
  return *value;
}

// The step and the property file that a Std:JsonGet reads.
Reference file_of(const Json& operand) {
  const std::string text = base::text_or(base::object_or_empty(operand, "PropertyFile"), kGet);
  Reference file;
  if (!text.empty()) file = parse_reference(text);
  const bool fits = file.root == Reference::Root::kStep && file.path.size() == 2 &&
                    file.path[0] == PathPart("PropertyFiles") &&
                    std::holds_alternative<std::string>(file.path[1]);
  if (!fits)
    refuse("A Std:JsonGet needs a PropertyFile {\"Get\": \"Steps.<step>.PropertyFiles.<name>\"}");
  return file;
}

// The form of an expression; its references are checked by who knows the steps.
void check_form(const Json& expression) {
  if (const Json* operand = operand_of(expression, kJoin)) {
    const auto values = operand->find("Values");
    if (!operand->is_object() || values == operand->end() || !values->is_array()) {
      refuse("A Std:Join needs Values, a list");
    }
  } else if (const Json* read = operand_of(expression, kJsonGet)) {
    if (!read->is_object() || !read->contains("Path")) refuse("A Std:JsonGet needs a Path");
    if (!read->contains("S3Uri")) file_of(*read);
  }
}

std::string uri_of_file(const Json& operand, const Scope& scope) {
  if (const auto uri = operand.find("S3Uri"); uri != operand.end()) {
    const Json resolved = resolve(*uri, scope);
    if (!resolved.is_string()) refuse("The S3Uri of a Std:JsonGet is no text");
    return resolved.get<std::string>();
  }
  const Reference file = file_of(operand);
  if (!scope.property_file) refuse("The property files of step " + file.name + " are not known");
  return scope.property_file(file.name, std::get<std::string>(file.path[1]));
}

Json json_get(const Json& operand, const Scope& scope) {
  const std::string uri = uri_of_file(operand, scope);
  const Json path_value = resolve(base::text_or(operand, "Path").empty() && operand.contains("Path")
                                      ? operand["Path"]
                                      : Json(base::text_or(operand, "Path")),
                                  scope);
  if (!path_value.is_string()) refuse("The Path of a Std:JsonGet is no text");
  const std::string path = path_value.get<std::string>();
  if (!scope.read) return {{kJsonGet, {{"S3Uri", uri}, {"Path", path}}}};
  const Json file = scope.read(uri);
  const Json* value = value_at(file, parse_path(path));
  if (value == nullptr) refuse("Std:JsonGet found nothing at " + path + " in " + uri);
  return *value;
}

Json join(const Json& operand, const Scope& scope) {
  const Json separator = resolve(operand.contains("On") ? operand["On"] : Json(""), scope);
  Json values = Json::array();
  for (const Json& value : base::array_or_empty(operand, "Values")) {
    values.push_back(resolve(value, scope));
  }
  if (!scope.read && reads_files(values)) return {{kJoin, {{"On", separator}, {"Values", values}}}};
  std::vector<std::string> texts;
  for (const Json& value : values) texts.push_back(text_in_join(value));
  return base::join(texts, text_in_join(separator));
}

// What a text that spells a number, or a number, is worth.
std::optional<double> number_of(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return base::parse_number(value.get_ref<const std::string&>());
  return std::nullopt;
}

bool equal(const Json& left, const Json& right) {
  if (left.is_number() != right.is_number()) {
    const auto a = number_of(left);
    const auto b = number_of(right);
    if (a && b) return *a == *b;
  }
  if (left.is_boolean() != right.is_boolean()) {
    return base::equals_ignoring_case(text_in_join(left), text_in_join(right));
  }
  return left == right;
}

// Below, at or above zero as `left` is below, at or above `right`.
int order(const Json& left, const Json& right) {
  const auto a = number_of(left);
  const auto b = number_of(right);
  if (a && b) return *a < *b ? -1 : (*a > *b ? 1 : 0);
  // Texts have their own order, which is that of times in ISO 8601, too.
  if (left.is_string() && right.is_string()) {
    return left.get_ref<const std::string&>().compare(right.get_ref<const std::string&>());
  }
  refuse("The values " + base::dump_json(left) + " and " + base::dump_json(right) +
         " of a condition cannot be compared");
}

bool holds(const Json& condition);

bool holds_among(const Json& condition) {
  const Json& values = base::array_or_empty(condition, "Values");
  return std::any_of(values.begin(), values.end(),
                     [&](const Json& value) { return equal(condition.at("QueryValue"), value); });
}

bool holds(const Json& condition) {
  const std::string type = base::text_or(condition, "Type");
  if (type == "Not") return !holds(condition.at("Condition"));
  if (type == "In") return holds_among(condition);
  if (type == "Or" || type == "And") {
    const Json& parts = condition.at("Conditions");
    return type == "Or" ? std::any_of(parts.begin(), parts.end(), holds) : all_hold(parts);
  }
  const Json& left = condition.at("LeftValue");
  const Json& right = condition.at("RightValue");
  if (type == "Equals") return equal(left, right);
  const int sign = order(left, right);
  if (type == "GreaterThan") return sign > 0;
  if (type == "GreaterThanOrEqualTo") return sign >= 0;
  if (type == "LessThan") return sign < 0;
  return sign <= 0;
}

void need(const Json& condition, const std::string& type,
          std::initializer_list<const char*> members) {
  for (const char* member : members) {
    if (!condition.contains(member)) refuse("A condition " + type + " needs " + member);
  }
}

}  // namespace

Path parse_path(std::string_view text) {
  Path path;
  std::size_t at = 0;
  if (text.starts_with("$")) at = text.starts_with("$.") ? 2 : 1;  // as JSONPath begins
  while (at < text.size()) {
    if (text[at] == '[') {
      path.push_back(bracketed(text, at));
      continue;
    }
    if (text[at] == '.') ++at;
    const std::size_t begin = at;
    while (at < text.size() && !ends_word(text[at])) ++at;
    if (at == begin) refuse("\"" + std::string(text) + "\" is not a path");
    path.emplace_back(std::string(text.substr(begin, at - begin)));
  }
  if (path.empty()) refuse("A path is empty");
  return path;
}

const Json* value_at(const Json& root, const Path& path, std::size_t from) {
  const Json* value = &root;
  for (std::size_t i = from; i < path.size() && value != nullptr; ++i) {
    if (const auto* index = std::get_if<std::size_t>(&path[i])) {
      value = value->is_array() && *index < value->size() ? &(*value)[*index] : nullptr;
      continue;
    }
    const auto& name = std::get<std::string>(path[i]);
    if (value->is_array()) {
      value = named_element(*value, name);
    } else {
      const auto found = value->is_object() ? value->find(name) : value->end();
      value = found == value->end() ? nullptr : &*found;
    }
  }
  return value;
}

Reference parse_reference(std::string_view text) {
  Path path = parse_path(text);
  const auto* root = std::get_if<std::string>(&path[0]);
  const auto* name = path.size() > 1 ? std::get_if<std::string>(&path[1]) : nullptr;
  Reference reference;
  if (root == nullptr || name == nullptr) {
    refuse("\"" + std::string(text) +
           "\" is not a reference: Get takes Parameters.…, Execution.… or Steps.…");
  }
  reference.name = *name;
  if (*root == "Steps") {
    reference.path.assign(path.begin() + 2, path.end());
    return reference;
  }
  if (*root == "Parameters") reference.root = Reference::Root::kParameter;
  if (*root == "Execution") reference.root = Reference::Root::kExecution;
  if (reference.root == Reference::Root::kStep || path.size() != 2) {
    refuse("\"" + std::string(text) +
           "\" is not a reference: Get takes Parameters.…, Execution.… or Steps.…");
  }
  return reference;
}

std::vector<Reference> references_in(const Json& expression) {
  std::vector<Reference> found;
  if (const Json* text = operand_of(expression, kGet)) {
    if (!text->is_string()) refuse("The operand of Get is no text: " + base::dump_json(*text));
    found.push_back(parse_reference(text->get_ref<const std::string&>()));
  } else if (expression.is_structured()) {
    for (const Json& part : expression) {
      auto within = references_in(part);
      std::move(within.begin(), within.end(), std::back_inserter(found));
    }
  }
  return found;
}

bool reads_files(const Json& expression) {
  if (operand_of(expression, kJsonGet) != nullptr) return true;
  return expression.is_structured() &&
         std::any_of(expression.begin(), expression.end(), reads_files);
}

Json resolve(const Json& expression, const Scope& scope) {
  if (!expression.is_structured()) return expression;
  if (const Json* text = operand_of(expression, kGet)) {
    if (!text->is_string()) refuse("The operand of Get is no text: " + base::dump_json(*text));
    return get(text->get<std::string>(), scope);
  }
  if (const Json* operand = operand_of(expression, kJoin)) return join(*operand, scope);
  if (const Json* operand = operand_of(expression, kJsonGet)) return json_get(*operand, scope);
  Json result = expression;
  for (Json& part : result) part = resolve(part, scope);
  return result;
}

void check_forms(const Json& expression) {
  if (!expression.is_structured()) return;
  check_form(expression);
  for (const Json& part : expression) check_forms(part);
}

void check_condition(const Json& condition, Reading reading) {
  const std::string type = base::text_or(condition, "Type");
  if (type == "Not") {
    need(condition, type, {"Condition"});
    return check_condition(condition["Condition"], reading);
  }
  if (type == "Or" || type == "And") {
    const Json& parts = base::array_or_empty(condition, "Conditions");
    if (parts.empty()) refuse("A condition " + type + " needs Conditions");
    for (const Json& part : parts) check_condition(part, reading);
    return;
  }
  if (type == "In") {
    need(condition, type, {"QueryValue", "Values"});
    if (!condition["Values"].is_array() && reading == Reading::kNew)
      refuse("The Values of a condition In are not a list");
    return;
  }
  for (const char* known :
       {"Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"}) {
    if (type == known) return need(condition, type, {"LeftValue", "RightValue"});
  }
  refuse("\"" + type + "\" is not a type of condition");
}

bool all_hold(const Json& conditions) {
  return std::all_of(conditions.begin(), conditions.end(), holds);
}

std::string text_in_join(const Json& value) {
  return value.is_string() ? value.get<std::string>() : base::dump_json(value);
}

}  // namespace slipway::pipelines
