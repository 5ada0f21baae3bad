#pragma once

// Ruby's File.fnmatch with PATHNAME, DOTMATCH and EXTGLOB: rules:changes and rules:exists.

#include <string>
#include <string_view>
#include <vector>

namespace slipway::ci_config {

// `*` and `?` stay within a directory, `**/` is any number of directories, `{a,b}` one of them,
// `[a-z]` a character, `\` takes the special meaning from what follows.
class Glob {
 public:
  explicit Glob(std::string_view pattern);

  bool matches(std::string_view path) const;

 private:
  std::vector<std::string> alternatives_;  // without braces
};

// The pattern of include:local: `*` stays within a directory and `**` does not.
bool matches_include_pattern(std::string_view pattern, std::string_view path);

}  // namespace slipway::ci_config
