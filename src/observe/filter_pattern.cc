#include "observe/filter_pattern.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::observe {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error("InvalidParameterException", "Invalid filter pattern: " + why);
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Takes one term, quoted or not, from the front of `rest`.
std::string take_term(std::string_view& rest) {
  std::string term;
  if (rest.front() != '"') {
    while (!rest.empty() && !is_blank(rest.front())) {
      term += rest.front();
      rest.remove_prefix(1);
    }
    return term;
  }
  rest.remove_prefix(1);
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
    term += rest.front();
    rest.remove_prefix(1);
  }
  if (rest.empty()) refuse("a quotation mark is not closed.");
  rest.remove_prefix(1);
  return term;
}

bool has(std::string_view line, const std::string& term) {
  return line.find(term) != std::string_view::npos;
}

}  // namespace

FilterPattern FilterPattern::parse(std::string_view text) {
  FilterPattern pattern;
  std::string_view rest = base::trim(text);
  if (rest.starts_with('{')) refuse("JSON patterns ({ $.field = … }) are not supported.");
  if (rest.starts_with('[')) refuse("space-delimited patterns ([a, b]) are not supported.");
  if (rest.starts_with('%')) refuse("regular expressions (%…%) are not supported.");
  while (!rest.empty()) {
    if (is_blank(rest.front())) {
      rest.remove_prefix(1);
      continue;
    }
    std::vector<std::string>* terms = &pattern.required_;
    if (rest.size() > 1 && (rest.front() == '?' || rest.front() == '-')) {
      terms = rest.front() == '?' ? &pattern.alternatives_ : &pattern.forbidden_;
      rest.remove_prefix(1);
      if (is_blank(rest.front())) refuse("a term is missing.");
    }
    std::string term = take_term(rest);
    if (!term.empty()) terms->push_back(std::move(term));
  }
  return pattern;
}

bool FilterPattern::matches(std::string_view line) const {
  const auto in_line = [&](const std::string& term) { return has(line, term); };
  if (std::any_of(forbidden_.begin(), forbidden_.end(), in_line)) return false;
  if (!std::all_of(required_.begin(), required_.end(), in_line)) return false;
  return !required_.empty() || alternatives_.empty() ||
         std::any_of(alternatives_.begin(), alternatives_.end(), in_line);
}

}  // namespace slipway::observe
