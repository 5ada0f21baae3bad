#pragma once

// The filter patterns of CloudWatch Logs for unstructured lines ("Filter pattern syntax" in the
// CloudWatch Logs user guide): terms that must all be there, "quoted terms", ?alternatives
// of which one must be there, -terms that must not. Case matters.

#include <string>
#include <string_view>
#include <vector>

namespace slipway::observe {

// A value.
class FilterPattern {
 public:
  // Throws Error{InvalidParameterException} for a pattern that is broken, and for the JSON, space-
  // delimited and regular-expression patterns, which are not supported.
  static FilterPattern parse(std::string_view text);

  bool matches(std::string_view line) const;

 private:
  std::vector<std::string> required_;
  std::vector<std::string> alternatives_;  // count only where nothing is required
  std::vector<std::string> forbidden_;
};

}  // namespace slipway::observe
