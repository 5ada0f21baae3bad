#pragma once

// The expressions of pipeline definitions: {"Get": …}, {"Std:Join": …}, {"Std:JsonGet": …}, and
// the conditions of Condition steps. All pure; files are read through the scope.

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"

namespace slipway::pipelines {

// A definition that somebody brings, or one that was accepted earlier.
enum class Reading { kNew, kStored };

// One part of a path: a member or subscript by name, or an index.
using PathPart = std::variant<std::string, std::size_t>;
using Path = std::vector<PathPart>;

// "A.B[0].C['k']". Throws Error{ValidationException} where the text is not a path.
Path parse_path(std::string_view text);
// The value at the path. A name on a list finds the element one of whose members …Name is that
// name. Null where there is none.
const Json* value_at(const Json& root, const Path& path, std::size_t from = 0);

// Where Get finds its values.
struct Scope {
  Json parameters = Json::object();  // by name, of their declared types
  Json execution = Json::object();   // Execution.X by X
  // The properties of a step that has ended well; null where it has none.
  std::function<const Json*(const std::string& step)> outputs;
  // The s3:// URI of a property file of a step; throws Error where there is none.
  std::function<std::string(const std::string& step, const std::string& file)> property_file;
  // The JSON at an s3:// URI. Where it is empty, resolve() leaves each Std:JsonGet, with what
  // contains it, as an expression without references, to be resolved again later.
  std::function<Json(const std::string& uri)> read;
};

// What a Get names.
struct Reference {
  enum class Root { kParameter, kExecution, kStep } root = Root::kStep;
  std::string name;  // of the parameter, the variable or the step
  Path path;         // behind it, in a step's properties
};
// Throws Error{ValidationException} where the text is none.
Reference parse_reference(std::string_view text);

// Every reference in `expression`, in order.
std::vector<Reference> references_in(const Json& expression);
bool reads_files(const Json& expression);

// The value. Throws Error{ValidationException} where something that is referred to is not there.
Json resolve(const Json& expression, const Scope& scope);

// Checks the form of a condition ("Equals", …); throws Error{ValidationException}.
void check_condition(const Json& condition, Reading reading = Reading::kNew);
// Checks the form of every Std:Join and Std:JsonGet; throws Error{ValidationException}.
void check_forms(const Json& expression);
// Whether all of `conditions`, fully resolved, hold. Numbers compare as numbers also where
// one of the two is spelled as text. Throws Error{ValidationException} where two values have no
// order.
bool all_hold(const Json& conditions);

// A value inside a text: strings as they are, everything else as JSON.
std::string text_in_join(const Json& value);

}  // namespace slipway::pipelines
