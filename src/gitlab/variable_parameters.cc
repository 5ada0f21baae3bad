#include "gitlab/variable_parameters.h"

#include <algorithm>

namespace slipway::gitlab {
namespace {

ci::Variable variable_of(const Parameters& given) {
  ci::Variable variable;
  variable.key = given.required("key");
  variable.value = given.text("value");
  variable.file = given.one_of("variable_type", {"env_var", "file"}, "env_var") == "file";
  variable.raw = given.boolean("raw", false);
  variable.is_public = false;
  check_key(variable.key);
  return variable;
}

}  // namespace

void check_key(const std::string& key) {
  const bool fits = !key.empty() && key.size() <= 255 &&
                    std::all_of(key.begin(), key.end(), [](unsigned char letter) {
                      return letter < 128 && (std::isalnum(letter) || letter == '_');
                    });
  if (fits) return;
  const std::string why = "can contain only letters, digits and '_'.";
  throw Error("Invalid", "key " + why, 400, Json{{"key", Json::array({why})}});
}

ci::Variables variables_of(const Parameters& given, std::string_view name) {
  ci::Variables all;
  const auto found = given.all().find(name);
  if (found == given.all().end() || found->is_null()) return all;
  const bool pairs =
      found->is_object() && std::none_of(found->begin(), found->end(),
                                         [](const Json& value) { return value.is_object(); });
  if (!pairs) {
    for (const Parameters& one : given.objects(name)) all.push_back(variable_of(one));
    return all;
  }
  const Parameters values(*found);
  for (const auto& [key, value] : found->items()) {
    ci::Variable variable;
    variable.key = key;
    variable.value = values.text(key);
    variable.is_public = false;
    check_key(key);
    all.push_back(std::move(variable));
  }
  return all;
}

std::set<ci::Status> statuses_of(const Parameters& given, std::string_view name) {
  std::set<ci::Status> all;
  for (const std::string& word : given.texts(name)) {
    const auto status = ci::status_of(word);
    if (!status) refuse_parameter(std::string(name) + " does not have a valid value");
    all.insert(*status);
  }
  return all;
}

}  // namespace slipway::gitlab
