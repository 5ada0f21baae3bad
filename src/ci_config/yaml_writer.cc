#include "ci_config/yaml_writer.h"

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/yaml_scalar.h"

namespace slipway::ci_config {
namespace {

bool reads_as_text(const std::string& text) {
  try {
    return resolve_plain(text).is_text();
  } catch (const base::Error&) {
    return false;  // a date
  }
}

bool has_control(const std::string& text, bool newlines_too) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && (newlines_too || c != '\n')) || byte == 0x7F) return true;
  }
  // Line separators of Unicode would break a plain or literal text.
  return text.find("\xE2\x80\xA8") != std::string::npos ||
         text.find("\xE2\x80\xA9") != std::string::npos ||
         text.find("\xC2\x85") != std::string::npos ||
         text.find("\xEF\xBB\xBF") != std::string::npos;
}

bool is_plain(const std::string& text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (text == "<<" || text == "=" || text.starts_with("---") || text.starts_with("...")) {
    return false;
  }
  constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@`.~<=";
  if (kIndicators.find(text.front()) != std::string_view::npos) return false;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos) return false;
  if (has_control(text, true)) return false;
  return reads_as_text(text);
}

std::string double_quoted(const std::string& text) {
  std::string result = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '"' || byte == '\\') {
      result += '\\';
      result += text[i];
    } else if (byte == '\n') {
      result += "\\n";
    } else if (byte == '\t') {
      result += "\\t";
    } else if (byte == '\r') {
      result += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      result += "\\x" + base::upper(base::hex(std::string_view(text).substr(i, 1)));
    } else {
      result += text[i];
    }
  }
  return result + '"';
}

// Whether "|" can hold it: no line may begin with a space that would be read as indentation.
bool fits_literal(const std::string& text) {
  if (text.find('\n') == std::string::npos || has_control(text, false)) return false;
  return text.front() != ' ' && text.front() != '\n' &&
         text.find_first_not_of("\n ") != text.npos && text.find(" \n") == std::string::npos &&
         text.back() != ' ';
}

class Writer {
 public:
  std::string run(const Node& node) {
    out_ = "---";
    value(node, 0, Place::kTop);
    if (out_.back() != '\n') out_ += '\n';
    return std::move(out_);
  }

 private:
  enum class Place { kTop, kOfKey, kOfItem };

  void scalar(const std::string& text, int indent) {
    if (fits_literal(text)) {
      literal(text, indent);
    } else if (is_plain(text)) {
      out_ += text;
    } else if (has_control(text, true) || text.starts_with(".")) {
      out_ += double_quoted(text);
    } else {
      out_ += '\'' + base::replace_all(text, "'", "''") + '\'';
    }
  }

  void literal(const std::string& text, int indent) {
    std::size_t end = text.size();
    while (end > 0 && text[end - 1] == '\n') --end;
    const std::size_t newlines = text.size() - end;
    out_ += newlines == 0 ? "|-" : newlines == 1 ? "|" : "|+";
    out_ += '\n';
    for (const std::string& line : base::split(text.substr(0, end), '\n')) {
      if (!line.empty()) out_ += std::string(static_cast<std::size_t>(indent), ' ') + line;
      out_ += '\n';
    }
    for (std::size_t i = 1; i < newlines; ++i) out_ += '\n';
  }

  void lead(Place place) {
    if (place != Place::kTop || out_ == "---") out_ += ' ';
  }

  void value(const Node& node, int indent, Place place) {
    switch (node.kind) {
      case Kind::kNull:
        break;
      case Kind::kText:
        lead(place);
        scalar(node.text, std::max(indent, 2));
        break;
      case Kind::kBoolean:
      case Kind::kInteger:
        lead(place);
        out_ += node.text;
        break;
      case Kind::kFloat:
        lead(place);
        out_ += node.text == "NaN"         ? ".nan"
                : node.text == "Infinity"  ? ".inf"
                : node.text == "-Infinity" ? "-.inf"
                                           : node.text;
        break;
      case Kind::kReference:
      case Kind::kSequence:
        sequence(node, indent, place);
        break;
      case Kind::kMapping:
        mapping(node, indent, place);
        break;
    }
  }

  // Like Psych, a list stands at the indentation of its key.
  void sequence(const Node& node, int indent, Place place) {
    if (node.is(Kind::kReference)) out_ += " !reference";
    if (node.items.empty()) {
      out_ += " []";
      return;
    }
    // A tag needs a new line; otherwise a list in a list begins on the same one.
    const bool same_line = place == Place::kOfItem && !node.is(Kind::kReference);
    const int at = place == Place::kOfKey ? indent - 2 : indent;
    bool first = same_line;
    for (const Node& item : node.items) {
      if (first) {
        out_ += ' ';
        first = false;
      } else {
        begin_line(at);
      }
      out_ += '-';
      value(item, at + 2, Place::kOfItem);
    }
  }

  void mapping(const Node& node, int indent, Place place) {
    if (node.members.empty()) {
      out_ += " {}";
      return;
    }
    bool first = place == Place::kOfItem;
    for (const Member& member : node.members) {
      if (first) {
        out_ += ' ';
        first = false;
      } else {
        begin_line(indent);
      }
      key(member);
      out_ += ':';
      value(member.value, indent + 2, Place::kOfKey);
    }
  }

  void key(const Member& member) {
    const std::string& text = member.key;
    if (member.key_kind != Kind::kText) {
      out_ += member.key_kind == Kind::kNull ? "~" : text;
    } else if (is_plain(text)) {
      out_ += text;
    } else {
      out_ += double_quoted(text);
    }
  }

  void begin_line(int indent) {
    if (out_.back() != '\n') out_ += '\n';
    out_ += std::string(static_cast<std::size_t>(indent), ' ');
  }

  std::string out_;
};

}  // namespace

std::string write_yaml(const Node& node) { return Writer().run(node); }

}  // namespace slipway::ci_config
