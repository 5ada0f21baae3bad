#pragma once

// Regular expressions as GitLab takes them: /re2 syntax/flags.
//
// Matched by PCRE2 with limits instead of RE2: what RE2 does not know (look-around, backreferences,
// possessive and atomic groups) is refused, so that a file accepted here is accepted there.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::ci_config {

// Immutable; copies share the compiled expression. Not thread-safe.
class Regex {
 public:
  // "/pattern/ismU", or nothing where the text is no such thing or the pattern is not valid.
  static std::optional<Regex> parse(std::string_view text);
  // Whether the text has the form /…/flags, valid or not.
  static bool looks_like(std::string_view text);

  // Whether it matches anywhere. False also where a limit of work is met.
  bool matches(std::string_view text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace slipway::ci_config
