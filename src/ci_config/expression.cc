#include "ci_config/expression.h"

#include <cctype>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/ci_config.h"
#include "ci_config/regex.h"

namespace slipway::ci_config {
namespace {

constexpr std::size_t kMostTokens = 100;

enum class Token {
  kOpen,
  kClose,
  kVariable,
  kText,
  kPattern,
  kNull,
  kEquals,
  kNotEquals,
  kMatches,
  kNotMatches,
  kAnd,
  kOr
};

struct Lexeme {
  Token token;
  std::string text;
};

[[noreturn]] void fail(const char* reason) {
  throw base::Error("InvalidExpression", std::string("Invalid expression syntax: ") + reason);
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The length of /pattern/flags at the start of `text`: at least two characters between the
// slashes (GitLab refuses /a/), "\/" for a slash inside; the longest such, but no further slash.
std::size_t pattern_length(std::string_view text) {
  std::size_t i = 1;
  while (i < text.size() && text[i] != '/' && text[i] != '\n') {
    i += text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '/' ? 2 : 1;
  }
  if (i >= text.size() || text[i] != '/' || i < 3) return 0;
  ++i;
  while (i < text.size() && std::string_view("ismU").find(text[i]) != std::string_view::npos) ++i;
  return i;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Lexeme> run() {
    std::vector<Lexeme> lexemes;
    while (skip_space(), !text_.empty()) {
      if (lexemes.size() == kMostTokens) fail("too many tokens");
      lexemes.push_back(next());
    }
    return lexemes;
  }

 private:
  void skip_space() {
    while (!text_.empty() && std::isspace(static_cast<unsigned char>(text_.front()))) {
      text_.remove_prefix(1);
    }
  }

  Lexeme take(Token token, std::size_t length) {
    Lexeme lexeme{token, std::string(text_.substr(0, length))};
    text_.remove_prefix(length);
    return lexeme;
  }

  Lexeme next() {
    static constexpr std::pair<std::string_view, Token> kFixed[] = {
        {"(", Token::kOpen},        {")", Token::kClose},      {"null", Token::kNull},
        {"==", Token::kEquals},     {"!=", Token::kNotEquals}, {"=~", Token::kMatches},
        {"!~", Token::kNotMatches}, {"&&", Token::kAnd},       {"||", Token::kOr}};
    const char first = text_.front();
    if (first == '$') {
      std::size_t end = 1;
      while (end < text_.size() && is_word(text_[end])) ++end;
      if (end == 1) fail("a variable is written $NAME");
      Lexeme lexeme = take(Token::kVariable, end);
      lexeme.text.erase(0, 1);
      return lexeme;
    }
    if (first == '"' || first == '\'') {
      const std::size_t end = text_.find(first, 1);
      if (end == std::string_view::npos || text_.substr(0, end).find('\n') != text_.npos) {
        fail("a text has no end");
      }
      Lexeme lexeme = take(Token::kText, end + 1);
      lexeme.text = lexeme.text.substr(1, lexeme.text.size() - 2);
      return lexeme;
    }
    if (first == '/') {
      const std::size_t length = pattern_length(text_);
      if (length == 0) fail("a pattern has no end, or fewer than two characters");
      return take(Token::kPattern, length);
    }
    for (const auto& [word, token] : kFixed) {
      if (text_.starts_with(word)) return take(token, word.size());
    }
    fail("unknown token");
  }

  std::string_view text_;
};

using Value = std::optional<std::string>;  // a text, or null

}  // namespace

struct Expression::Term {
  Token token;
  std::string text;
  std::shared_ptr<const Term> left, right;
  std::optional<Regex> regex;  // of a pattern
};

namespace {

using TermPointer = std::shared_ptr<const Expression::Term>;

class Parser {
 public:
  explicit Parser(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

  TermPointer run() {
    if (lexemes_.empty()) fail("it is empty");
    auto term = either();
    if (at_ < lexemes_.size()) fail("an operator is missing");
    return term;
  }

 private:
  bool is(Token token) const { return at_ < lexemes_.size() && lexemes_[at_].token == token; }

  TermPointer join(Token token, TermPointer left, TermPointer right) {
    return std::make_shared<Expression::Term>(
        Expression::Term{token, "", std::move(left), std::move(right), std::nullopt});
  }

  TermPointer either() {
    auto left = both();
    while (is(Token::kOr)) {
      ++at_;
      auto right = both();
      left = join(Token::kOr, std::move(left), std::move(right));
    }
    return left;
  }

  TermPointer both() {
    auto left = comparison();
    while (is(Token::kAnd)) {
      ++at_;
      auto right = comparison();
      left = join(Token::kAnd, std::move(left), std::move(right));
    }
    return left;
  }

  TermPointer comparison() {
    auto left = operand();
    while (is(Token::kEquals) || is(Token::kNotEquals) || is(Token::kMatches) ||
           is(Token::kNotMatches)) {
      const Token token = lexemes_[at_++].token;
      auto right = operand();
      left = join(token, std::move(left), std::move(right));
    }
    return left;
  }

  TermPointer operand() {
    if (at_ >= lexemes_.size()) fail("an operand is missing");
    Lexeme& lexeme = lexemes_[at_++];
    Expression::Term term{lexeme.token, std::move(lexeme.text), nullptr, nullptr, std::nullopt};
    switch (lexeme.token) {
      case Token::kVariable:
      case Token::kText:
      case Token::kNull:
        break;
      case Token::kPattern:
        term.text = base::replace_all(std::move(term.text), "\\/", "/");
        term.regex = Regex::parse(term.text);
        if (!term.regex) fail("invalid regular expression");
        break;
      case Token::kOpen: {
        auto inner = either();
        if (!is(Token::kClose)) fail("a parenthesis is not closed");
        ++at_;
        return inner;
      }
      default:
        fail("an operand is missing");
    }
    return std::make_shared<Expression::Term>(std::move(term));
  }

  std::vector<Lexeme> lexemes_;
  std::size_t at_ = 0;
};

// What an evaluation gives: null, a boolean or a text; only null and false are false to && and ||.
struct Outcome {
  enum class Kind { kNull, kBoolean, kText } kind = Kind::kNull;
  bool boolean = false;
  std::string text;

  bool truthy() const { return kind == Kind::kText || (kind == Kind::kBoolean && boolean); }
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome of(bool value) { return {Outcome::Kind::kBoolean, value, ""}; }

Outcome evaluate(const Expression::Term& term, const Variables& variables);

// Of `left =~ right`: null where there is nothing to match with.
std::optional<bool> match(const Expression::Term& term, const Variables& variables) {
  const std::string text = evaluate(*term.left, variables).text;
  if (term.right->regex) return term.right->regex->matches(text);
  const Outcome right = evaluate(*term.right, variables);
  if (right.kind != Outcome::Kind::kText) return std::nullopt;
  if (Regex::looks_like(right.text)) {
    const auto regex = Regex::parse(right.text);
    if (!regex) throw base::Error("InvalidExpression", "Invalid regular expression!");
    return regex->matches(text);
  }
  // Ruby's "right".scan(left): a text on the right is searched for the one on the left.
  return right.text.find(text) != std::string::npos;
}

Outcome evaluate(const Expression::Term& term, const Variables& variables) {
  switch (term.token) {
    case Token::kVariable: {
      const Variable* found = find(variables, term.text);
      if (!found) return {};
      return {Outcome::Kind::kText, false, found->value};
    }
    case Token::kText:
    case Token::kPattern:
      return {Outcome::Kind::kText, false, term.text};
    case Token::kAnd: {
      Outcome left = evaluate(*term.left, variables);
      return left.truthy() ? evaluate(*term.right, variables) : left;
    }
    case Token::kOr: {
      Outcome left = evaluate(*term.left, variables);
      return left.truthy() ? left : evaluate(*term.right, variables);
    }
    case Token::kEquals:
      return of(evaluate(*term.left, variables) == evaluate(*term.right, variables));
    case Token::kNotEquals:
      return of(!(evaluate(*term.left, variables) == evaluate(*term.right, variables)));
    case Token::kMatches:
      return of(match(term, variables).value_or(false));
    case Token::kNotMatches:
      return of(!match(term, variables).value_or(false));
    default:
      return {};
  }
}

}  // namespace

Expression Expression::parse(std::string_view text) {
  Expression expression;
  expression.root_ = Parser(Lexer(text).run()).run();
  return expression;
}

bool Expression::is_valid(std::string_view text) noexcept {
  try {
    parse(text);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

bool Expression::holds(const Variables& variables) const {
  try {
    const Outcome outcome = evaluate(*root_, variables);
    if (outcome.kind == Outcome::Kind::kText) return !base::trim(outcome.text).empty();
    return outcome.truthy();
  } catch (const base::Error&) {
    return false;  // a variable holds a bad pattern: GitLab lets the rule not match
  }
}

bool holds(const std::string& expression, const Variables& variables) {
  return Expression::parse(expression).holds(variables);
}

}  // namespace slipway::ci_config
