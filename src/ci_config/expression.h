#pragma once

// The language of rules:if and only:variables:
// $VAR "str" 'str' null /regex/ == != =~ !~ && || ( ).

#include <memory>
#include <string>
#include <string_view>

#include "ci_config/variables.h"

namespace slipway::ci_config {

class Expression {
 public:
  // Throws Error{InvalidExpression}.
  static Expression parse(std::string_view text);
  static bool is_valid(std::string_view text) noexcept;

  // As GitLab evaluates it: an undefined variable is null; null and false are false, any text is
  // true inside && and ||, but a blank text as the whole result is not.
  bool holds(const Variables& variables) const;

  struct Term;  // an operation or an operand

 private:
  std::shared_ptr<const Term> root_;
};

}  // namespace slipway::ci_config
