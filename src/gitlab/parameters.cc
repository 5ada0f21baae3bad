#include "gitlab/parameters.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "gitlab/names.h"

namespace slipway::gitlab {
namespace {

constexpr std::size_t kMostLevels = 8;
constexpr std::size_t kMostValues = 10'000;

// "a[b][]" as {"a", "b", ""}; the whole name where the brackets do not fit.
std::vector<std::string> levels_of(std::string_view name) {
  const std::size_t open = name.find('[');
  if (open == std::string_view::npos || open == 0 || !name.ends_with(']'))
    return {std::string(name)};
  std::vector<std::string> levels{std::string(name.substr(0, open))};
  std::string_view rest = name.substr(open);
  while (!rest.empty()) {
    const std::size_t close = rest.find(']');
    if (rest.front() != '[' || close == std::string_view::npos) return {std::string(name)};
    levels.emplace_back(rest.substr(1, close - 1));
    rest.remove_prefix(close + 1);
  }
  return levels;
}

// The element of an array of objects to which "a[][key]" belongs: the last one until it has the
// key.
Json& element_for(Json& array, const std::string& key) {
  if (array.empty() || !array.back().is_object() || array.back().contains(key))
    array.push_back(Json::object());
  return array.back();
}

void put(Json& at, const std::vector<std::string>& levels, std::size_t index, std::string value) {
  if (index == levels.size()) {
    at = std::move(value);
    return;
  }
  const std::string& level = levels[index];
  if (!level.empty()) {
    if (!at.is_object()) at = Json::object();
    put(at[level], levels, index + 1, std::move(value));
    return;
  }
  if (!at.is_array()) at = Json::array();
  if (index + 1 == levels.size()) {
    at.push_back(std::move(value));
  } else {
    put(element_for(at, levels[index + 1]), levels, index + 1, std::move(value));
  }
}

std::string text_of(const Json& value, std::string_view name) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return value.dump();
  refuse_parameter(std::string(name) + " is invalid");
}

// A parameter of a header's value: boundary of "multipart/form-data; boundary=x".
std::string header_parameter(std::string_view header, std::string_view name) {
  for (const std::string& part : base::split(header, ';')) {
    const std::string_view piece = base::trim(part);
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    if (!base::equals_ignoring_case(base::trim(piece.substr(0, equals)), name)) continue;
    std::string_view value = base::trim(piece.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return "";
}

void add_pairs(Json& values, std::vector<std::pair<std::string, std::string>> pairs) {
  if (pairs.size() > kMostValues) refuse_parameter("too many parameters");
  for (auto& [name, value] : pairs) assign_nested(values, name, std::move(value));
}

void add_json(Json& values, const std::string& body) {
  if (base::trim(body).empty()) return;
  const auto parsed = base::try_parse_json(body);
  if (!parsed || !parsed->is_object())
    refuse_parameter("There was a problem in the JSON you submitted: it is not an object");
  for (const auto& [name, value] : parsed->items()) values[name] = value;
}

}  // namespace

void refuse_parameter(const std::string& text) { throw Error(kParameterError, text, 400); }

void assign_nested(Json& values, std::string_view name, std::string value) {
  const auto levels = levels_of(name);
  if (levels.size() > kMostLevels) refuse_parameter("parameters are nested too deeply");
  put(values[levels.front()], levels, 1, std::move(value));
}

std::vector<std::pair<std::string, std::string>> parse_multipart(std::string_view body,
                                                                 std::string_view boundary) {
  const std::string delimiter = "--" + std::string(boundary);
  std::vector<std::pair<std::string, std::string>> fields;
  std::size_t at = body.find(delimiter);
  if (boundary.empty() || at == std::string_view::npos)
    refuse_parameter("the multipart body is invalid");
  while (true) {
    at += delimiter.size();
    if (body.substr(at, 2) == "--") return fields;
    const std::size_t head_end = body.find("\r\n\r\n", at);
    const std::size_t next =
        head_end == std::string_view::npos ? head_end : body.find("\r\n" + delimiter, head_end + 2);
    if (next == std::string_view::npos || fields.size() >= kMostValues)
      refuse_parameter("the multipart body is invalid");
    std::string name;
    for (const std::string& line : base::split(body.substr(at, head_end - at), '\n')) {
      const std::size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      if (base::equals_ignoring_case(base::trim(line.substr(0, colon)), "Content-Disposition"))
        name = header_parameter(base::trim(std::string_view(line).substr(colon + 1)), "name");
    }
    const std::size_t start = std::min(head_end + 4, next);
    if (!name.empty()) fields.emplace_back(name, body.substr(start, next - start));
    at = next + 2;
  }
}

Parameters Parameters::of(const net::Request& request) {
  Json values = Json::object();
  add_pairs(values, base::parse_query(request.query()));
  if (request.body.size() == 0) return Parameters(std::move(values));
  const std::string_view type = request.headers.get("Content-Type");
  const std::string kind = base::lower(base::trim(type.substr(0, type.find(';'))));
  const std::string body = request.body.text();
  if (kind == "multipart/form-data") {
    add_pairs(values, parse_multipart(body, header_parameter(type, "boundary")));
  } else if (kind == "application/x-www-form-urlencoded" || kind.empty()) {
    add_pairs(values, base::parse_query(body));
  } else {
    add_json(values, body);
  }
  return Parameters(std::move(values));
}

const Json* Parameters::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() || found->is_null() ? nullptr : &*found;
}

bool Parameters::has(std::string_view name) const { return find(name) != nullptr; }

void Parameters::require(std::initializer_list<std::string_view> names) const {
  std::vector<std::string> missing;
  for (const std::string_view name : names) {
    if (!has(name)) missing.push_back(std::string(name) + " is missing");
  }
  if (!missing.empty()) refuse_parameter(base::join(missing, ", "));
}

std::string Parameters::text(std::string_view name, std::string_view otherwise) const {
  const Json* value = find(name);
  return value ? text_of(*value, name) : std::string(otherwise);
}

std::optional<std::string> Parameters::optional_text(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  return text_of(*value, name);
}

std::string Parameters::required(std::string_view name) const {
  require({name});
  return text(name);
}

std::optional<std::int64_t> Parameters::integer(std::string_view name) const {
  const auto value = optional_text(name);
  if (!value || value->empty()) return std::nullopt;
  const auto number = base::parse_integer(*value);
  if (!number) refuse_parameter(std::string(name) + " is invalid");
  return number;
}

std::int64_t Parameters::required_integer(std::string_view name) const {
  require({name});
  const auto number = integer(name);
  if (!number) refuse_parameter(std::string(name) + " is invalid");
  return *number;
}

std::optional<bool> Parameters::optional_boolean(std::string_view name) const {
  const auto value = optional_text(name);
  if (!value || value->empty()) return std::nullopt;
  const std::string word = base::lower(*value);
  if (word == "true" || word == "t" || word == "1" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "f" || word == "0" || word == "no" || word == "off") return false;
  refuse_parameter(std::string(name) + " is invalid");
}

bool Parameters::boolean(std::string_view name, bool otherwise) const {
  return optional_boolean(name).value_or(otherwise);
}

std::optional<base::Millis> Parameters::time(std::string_view name) const {
  const auto value = optional_text(name);
  if (!value || value->empty()) return std::nullopt;
  const bool date_only = value->size() == 10;
  const auto at = base::parse_iso8601(date_only ? *value + "T00:00:00Z" : *value);
  if (!at) refuse_parameter(std::string(name) + " is invalid");
  return at;
}

std::vector<std::string> Parameters::texts(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return {};
  std::vector<std::string> all;
  if (value->is_array()) {
    for (const Json& item : *value) all.push_back(text_of(item, name));
    return all;
  }
  for (const std::string& part : base::split(text_of(*value, name), ',')) {
    if (!base::trim(part).empty()) all.emplace_back(base::trim(part));
  }
  return all;
}

std::vector<Parameters> Parameters::objects(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_array() && !value->is_object())
    refuse_parameter(std::string(name) + " is invalid");
  std::vector<Parameters> all;
  for (const Json& item : *value) {
    if (!item.is_object()) refuse_parameter(std::string(name) + " is invalid");
    all.emplace_back(item);
  }
  return all;
}

std::string Parameters::one_of(std::string_view name,
                               std::initializer_list<std::string_view> values,
                               std::string_view otherwise) const {
  if (!has(name)) return std::string(otherwise);
  const std::string value = text(name);
  if (std::find(values.begin(), values.end(), value) == values.end())
    refuse_parameter(std::string(name) + " does not have a valid value");
  return value;
}

}  // namespace slipway::gitlab
