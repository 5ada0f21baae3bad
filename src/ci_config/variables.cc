#include "ci_config/variables.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <unordered_map>

namespace slipway::ci_config {
namespace {

// One expanded value; what a chain of references makes of it is cut off there.
constexpr std::size_t kMostBytes = 1024 * 1024;

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool continues_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

struct Reference {
  std::string_view whole;
  std::string_view key;  // empty: "$$" or "%%", which stay
};

// The reference that begins at `text[at]`, if one does: $KEY, ${KEY}, %KEY%, $$, %%.
std::optional<Reference> reference_at(std::string_view text, std::size_t at) {
  const char mark = text[at];
  if ((mark != '$' && mark != '%') || at + 1 >= text.size()) return std::nullopt;
  if (text[at + 1] == mark) return Reference{text.substr(at, 2), {}};
  const bool braced = mark == '$' && text[at + 1] == '{';
  const std::size_t start = at + (braced ? 2 : 1);
  std::size_t end = start;
  if (end >= text.size() || !starts_name(text[end])) return std::nullopt;
  while (end < text.size() && continues_name(text[end])) ++end;
  const std::string_view key = text.substr(start, end - start);
  if (mark == '$' && !braced) return Reference{text.substr(at, end - at), key};
  const char closing = braced ? '}' : '%';
  if (end >= text.size() || text[end] != closing) return std::nullopt;
  return Reference{text.substr(at, end + 1 - at), key};
}

// `replacement` gets each reference with a key, and returns what stands for it.
std::string replace_references(std::string_view text,
                               const std::function<std::string(const Reference&)>& replacement) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto reference = reference_at(text, i);
    if (!reference) {
      result += text[i++];
      continue;
    }
    result += reference->key.empty() ? std::string(reference->whole) : replacement(*reference);
    i += reference->whole.size();
    if (result.size() > kMostBytes) {
      result.resize(kMostBytes);
      break;
    }
  }
  return result;
}

bool may_refer(std::string_view text) { return text.find_first_of("$%") != std::string_view::npos; }

// Expands each variable after those it refers to. A variable on a cycle keeps its value.
class Expansion {
 public:
  explicit Expansion(Variables variables) : variables_(std::move(variables)) {
    states_.resize(variables_.size(), State::kNew);
    for (std::size_t i = 0; i < variables_.size(); ++i) places_[variables_[i].key] = i;
    find_cycles();
  }

  Variables run() {
    for (std::size_t i : order_) expand_one(i);
    return std::move(variables_);
  }

 private:
  enum class State { kNew, kOpen, kDone };
  struct Frame {
    std::size_t index;
    std::vector<std::size_t> references;
    std::size_t next = 0;
  };

  std::vector<std::size_t> references_of(std::size_t index) const {
    std::vector<std::size_t> found;
    const Variable& variable = variables_[index];
    if (variable.raw || !may_refer(variable.value)) return found;
    for (std::size_t i = 0; i < variable.value.size(); ++i) {
      const auto reference = reference_at(variable.value, i);
      if (!reference) continue;
      i += reference->whole.size() - 1;
      const auto place = places_.find(std::string(reference->key));
      if (place != places_.end() && place->second != index) found.push_back(place->second);
    }
    return found;
  }

  // Depth first with an own stack: a chain of references may be as long as there are variables.
  void find_cycles() {
    cyclic_.resize(variables_.size(), false);
    std::vector<Frame> stack;
    for (std::size_t root = 0; root < variables_.size(); ++root) {
      if (states_[root] != State::kNew) continue;
      states_[root] = State::kOpen;
      stack.push_back({root, references_of(root)});
      while (!stack.empty()) {
        Frame& top = stack.back();
        if (top.next == top.references.size()) {
          states_[top.index] = State::kDone;
          order_.push_back(top.index);
          stack.pop_back();
          continue;
        }
        const std::size_t next = top.references[top.next++];
        if (states_[next] == State::kOpen) {
          for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
            cyclic_[frame->index] = true;
            if (frame->index == next) break;
          }
        } else if (states_[next] == State::kNew) {
          states_[next] = State::kOpen;
          stack.push_back({next, references_of(next)});
        }
      }
    }
  }

  void expand_one(std::size_t index) {
    Variable& variable = variables_[index];
    if (variable.raw || cyclic_[index] || !may_refer(variable.value)) return;
    variable.value = replace_references(variable.value, [&](const Reference& reference) {
      const auto place = places_.find(std::string(reference.key));
      if (place == places_.end() || place->second == index) return std::string(reference.whole);
      const Variable& other = variables_[place->second];
      // The runner knows what is a file and what is raw; put in here, it would be expanded again.
      if (other.file || other.raw) return std::string(reference.whole);
      return other.value;
    });
  }

  Variables variables_;
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<State> states_;
  std::vector<bool> cyclic_;
  std::vector<std::size_t> order_;
};

}  // namespace

const Variable* find(const Variables& variables, std::string_view key) {
  for (auto variable = variables.rbegin(); variable != variables.rend(); ++variable) {
    if (variable->key == key) return &*variable;
  }
  return nullptr;
}

std::string value_of(const Variables& variables, std::string_view key, std::string_view otherwise) {
  const Variable* found = find(variables, key);
  return found ? found->value : std::string(otherwise);
}

std::string expand(std::string_view text, const Variables& variables, bool keep_unknown) {
  if (!may_refer(text)) return std::string(text);
  return replace_references(text, [&](const Reference& reference) {
    const Variable* found = find(variables, reference.key);
    if (found && !found->file) return found->value;
    return found || keep_unknown ? std::string(reference.whole) : std::string();
  });
}

Variables without_duplicates(const Variables& variables) {
  std::unordered_map<std::string_view, std::size_t> last;
  for (std::size_t i = 0; i < variables.size(); ++i) last[variables[i].key] = i;
  Variables result;
  result.reserve(last.size());
  for (std::size_t i = 0; i < variables.size(); ++i) {
    if (last[variables[i].key] == i) result.push_back(variables[i]);
  }
  return result;
}

Variables expand_all(const Variables& variables) {
  return Expansion(without_duplicates(variables)).run();
}

std::vector<std::string> names_referred_to(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto reference = reference_at(text, i);
    if (!reference) continue;
    if (!reference->key.empty()) names.emplace_back(reference->key);
    i += reference->whole.size() - 1;
  }
  return names;
}

std::string slug(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 63)) {
    const auto low = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    result += (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') ? low : '-';
  }
  const std::size_t first = result.find_first_not_of('-');
  if (first == std::string::npos) return "";
  return result.substr(first, result.find_last_not_of('-') - first + 1);
}

}  // namespace slipway::ci_config
