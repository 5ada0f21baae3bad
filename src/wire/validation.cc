#define PCRE2_CODE_UNIT_WIDTH 8
#include "wire/validation.h"

#include <cctype>
#include <vector>

#include <pcre2.h>

#include "base/strings.h"
#include "wire/scalar.h"

namespace slipway::wire {

struct Pattern {
  explicit Pattern(const std::string& source) {
    int error = 0;
    PCRE2_SIZE where = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(),
                         PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
                         &error, &where, nullptr);
    if (code) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  }
  ~Pattern() { pcre2_code_free(code); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  pcre2_code* code = nullptr;
};

namespace {

constexpr std::uint32_t kMatchLimit = 1'000'000;  // steps
constexpr std::size_t kMostViolations = 50;       // told; a client reads no more
constexpr std::size_t kLongestValue = 1024;       // bytes of a value that are repeated

std::string lower_camel(const std::string& name) {
  std::string result = name;
  // "VPCConfig" stays readable as "vPCConfig", as Java's bean names have it.
  if (!result.empty()) result[0] = static_cast<char>(std::tolower(result[0]));
  return result;
}

std::string number_text(double number) {
  return number == static_cast<double>(static_cast<std::int64_t>(number))
             ? std::to_string(static_cast<std::int64_t>(number))
             : std::to_string(number);
}

// Characters, not bytes: limits of the models count the former.
std::size_t length_of(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++count;
  return count;
}

class Validator {
 public:
  explicit Validator(Strictness strictness) : strictness_(strictness) {}

  void structure(const Shape& shape, const Json& value, const std::string& path) {
    for (const Member& member : shape.members) {
      const std::string where =
          path.empty() ? lower_camel(member.name) : path + "." + lower_camel(member.name);
      const auto found = value.find(member.name);
      if (found != value.end()) {
        any(*member.shape, *found, where);
      } else if (member.required && !member.streaming) {
        add("Value null at '" + where + "'", "Member must not be null");
      }
    }
  }

  std::vector<std::string> violations;

 private:
  void add(const std::string& what, const std::string& constraint) {
    if (violations.size() < kMostViolations)
      violations.push_back(what + " failed to satisfy constraint: " + constraint);
  }

  static std::string told(const Shape& shape, const Json& value, const std::string& path) {
    if (shape.sensitive) return "Value at '" + path + "'";
    const std::string text = value.is_string() ? value.get<std::string>() : base::dump_json(value);
    return "Value '" + std::string(base::utf8_prefix(text, kLongestValue)) + "' at '" + path + "'";
  }

  // What a scalar or a size violates; empty where nothing.
  static std::vector<std::string> constraints_broken(const Shape& shape, const Json& value) {
    std::vector<std::string> broken;
    if (value.is_number()) {
      const double number = value.get<double>();
      if (shape.type == ShapeType::kTimestamp) return broken;
      if (shape.least && number < *shape.least)
        broken.push_back("Member must have value greater than or equal to " +
                         number_text(*shape.least));
      if (shape.most && number > *shape.most)
        broken.push_back("Member must have value less than or equal to " +
                         number_text(*shape.most));
      return broken;
    }
    double length = 0;
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      length = static_cast<double>(shape.type == ShapeType::kBlob ? text.size() / 4 * 3
                                                                  : length_of(text));
    } else if (value.is_structured()) {
      length = static_cast<double>(value.size());
    } else {
      return broken;
    }
    if (shape.most && length > *shape.most)
      broken.push_back("Member must have length less than or equal to " + number_text(*shape.most));
    if (shape.least && length < *shape.least)
      broken.push_back("Member must have length greater than or equal to " +
                       number_text(*shape.least));
    if (shape.type != ShapeType::kString) return broken;
    const auto& text = value.get_ref<const std::string&>();
    if (!shape.values.empty()) {
      bool known = false;
      for (const std::string& allowed : shape.values) known = known || allowed == text;
      if (!known)
        broken.push_back("Member must satisfy enum value set: [" + base::join(shape.values, ", ") +
                         "]");
    }
    if (!shape.pattern.empty() && !matches_pattern(shape, text))
      broken.push_back("Member must satisfy regular expression pattern: " + shape.pattern);
    return broken;
  }

  void any(const Shape& shape, const Json& value, const std::string& path) {
    if (strictness_ == Strictness::kAll && shape.type != ShapeType::kDocument)
      for (const std::string& broken : constraints_broken(shape, value))
        add(told(shape, value, path), broken);
    if (shape.type == ShapeType::kStructure && value.is_object()) {
      structure(shape, value, path);
    } else if (shape.type == ShapeType::kList && value.is_array()) {
      std::size_t index = 0;
      for (const Json& element : value)
        any(*shape.element.shape, element, path + "." + std::to_string(++index) + ".member");
    } else if (shape.type == ShapeType::kMap && value.is_object()) {
      map(shape, value, path);
    }
  }

  void map(const Shape& shape, const Json& value, const std::string& path) {
    for (const auto& [key, element] : value.items()) {
      if (strictness_ == Strictness::kAll) {
        const Json as_value = key;
        if (const auto broken = constraints_broken(*shape.key.shape, as_value); !broken.empty())
          add(told(shape, value, path),
              "Map keys must satisfy constraint: [" + base::join(broken, ", ") + "]");
        if (!element.is_structured()) {
          if (const auto broken = constraints_broken(*shape.value.shape, element); !broken.empty())
            add(told(shape, value, path),
                "Map value must satisfy constraint: [" + base::join(broken, ", ") + "]");
          continue;
        }
      }
      any(*shape.value.shape, element, path + "." + key + ".member");
    }
  }

  const Strictness strictness_;
};

struct MatchMemory {
  MatchMemory()
      : data(pcre2_match_data_create(1, nullptr)), context(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(context, kMatchLimit);
  }
  ~MatchMemory() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  MatchMemory(const MatchMemory&) = delete;
  MatchMemory& operator=(const MatchMemory&) = delete;
  pcre2_match_data* data;
  pcre2_match_context* context;
};

}  // namespace

bool matches_pattern(const Shape& shape, std::string_view text) {
  std::call_once(shape.pattern_once,
                 [&] { shape.compiled = std::make_shared<Pattern>(shape.pattern); });
  if (!shape.compiled->code) return true;
  const MatchMemory memory;
  return pcre2_match(shape.compiled->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                     0, 0, memory.data, memory.context) >= 0;
}

std::optional<std::string> find_violations(const Shape& shape, const Json& input,
                                           Strictness strictness) {
  Validator validator(strictness);
  validator.structure(shape, input, "");
  const auto& violations = validator.violations;
  if (violations.empty()) return std::nullopt;
  return std::to_string(violations.size()) +
         (violations.size() == 1 ? " validation error detected: "
                                 : " validation errors detected: ") +
         base::join(violations, "; ");
}

}  // namespace slipway::wire
