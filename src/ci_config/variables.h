#pragma once

// CI variables: their order of precedence, and GitLab's server-side expansion.

#include <string>
#include <string_view>
#include <vector>

namespace slipway::ci_config {

struct Variable {
  std::string key;
  std::string value;
  bool file = false;      // the job gets the path of a file with the value
  bool masked = false;    // never shows in a trace
  bool raw = false;       // neither expanded nor expanded into others
  bool is_public = true;  // of the configuration or predefined, not a secret
  bool is_protected = false;
};

// In rising precedence: a later variable of the same key wins.
using Variables = std::vector<Variable>;

// The value that counts, or null.
const Variable* find(const Variables& variables, std::string_view key);
std::string value_of(const Variables& variables, std::string_view key,
                     std::string_view otherwise = "");

// Replaces $KEY, ${KEY} and %KEY%; "$$" stays "$$"; what is not known stays as it is where
// `keep_unknown`, else becomes empty. File variables stay for the runner.
std::string expand(std::string_view text, const Variables& variables, bool keep_unknown = true);

// The variables with their values expanded in the order of their references. A cycle stays as it
// is. Duplicates are gone; the order is that of the last occurrence.
Variables expand_all(const Variables& variables);

// Of each key only the one that counts, in the order of the last occurrences.
Variables without_duplicates(const Variables& variables);

// The keys that `text` refers to, in their order, as often as it does.
std::vector<std::string> names_referred_to(std::string_view text);

// Lower-case, all but [a-z0-9] as "-", 63 bytes, no "-" at either end: CI_COMMIT_REF_SLUG.
std::string slug(std::string_view text);

}  // namespace slipway::ci_config
