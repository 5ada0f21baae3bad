#pragma once

// What a request says: query, form, multipart and JSON as one object, read with GitLab's words for
// what is wrong.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "net/http.h"

namespace slipway::gitlab {

// Ends a request with 400 {"error": text}: a parameter is missing or has the wrong form.
[[noreturn]] void refuse_parameter(const std::string& text);

// "a[b][]" style names nest, as in Rails: "variables[KEY]=v" is {"variables": {"KEY": "v"}},
// "s[]=x" is {"s": ["x"]}. At most 8 levels and 10'000 values; beyond that the request is refused.
void assign_nested(Json& values, std::string_view name, std::string value);

// The fields of a multipart/form-data body as name and contents. Throws like refuse_parameter().
std::vector<std::pair<std::string, std::string>> parse_multipart(std::string_view body,
                                                                 std::string_view boundary);

// Immutable. Each read throws like refuse_parameter() where the value has the wrong form.
class Parameters {
 public:
  explicit Parameters(Json values) : values_(std::move(values)) {}
  // Of the query, then of the body, which wins.
  static Parameters of(const net::Request& request);

  const Json& all() const { return values_; }
  bool has(std::string_view name) const;  // given, and not null
  // Throws "a is missing, b is missing" for those that are absent.
  void require(std::initializer_list<std::string_view> names) const;

  std::string text(std::string_view name, std::string_view otherwise = "") const;
  std::optional<std::string> optional_text(std::string_view name) const;
  std::string required(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::int64_t required_integer(std::string_view name) const;
  bool boolean(std::string_view name, bool otherwise) const;
  std::optional<bool> optional_boolean(std::string_view name) const;
  std::optional<base::Millis> time(std::string_view name) const;
  // An array, or a text with commas.
  std::vector<std::string> texts(std::string_view name) const;
  // An array of objects, or Rails' {"0": {…}}.
  std::vector<Parameters> objects(std::string_view name) const;
  // The text where it is one of these; `otherwise` where it is absent. Throws "x does not have a
  // valid value".
  std::string one_of(std::string_view name, std::initializer_list<std::string_view> values,
                     std::string_view otherwise) const;

 private:
  const Json* find(std::string_view name) const;
  Json values_;
};

}  // namespace slipway::gitlab
