#include "gitlab/html.h"

#include <array>
#include <vector>

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

constexpr std::array kColours{"black", "red",     "green", "yellow",
                              "blue",  "magenta", "cyan",  "white"};

// What the text is written in. Kept from line to line.
struct Style {
  int colour = -1;  // 0 to 7
  bool bold = false;
  bool operator==(const Style&) const = default;
  std::string classes() const {
    std::string text = colour >= 0 ? kColours[static_cast<std::size_t>(colour)] : "";
    if (bold) text += text.empty() ? "bold" : " bold";
    return text;
  }
};

void apply_code(Style& style, std::int64_t code) {
  if (code == 0) style = Style{};
  if (code == 1) style.bold = true;
  if (code == 22) style.bold = false;
  if (code >= 30 && code <= 37) style.colour = static_cast<int>(code - 30);
  if (code >= 90 && code <= 97) style.colour = static_cast<int>(code - 90);
  if (code == 39) style.colour = -1;
}

void apply_codes(Style& style, std::string_view codes) {
  if (codes.empty()) style = Style{};
  const auto numbers = base::split(codes, ';');
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto code = base::parse_integer(numbers[i]).value_or(numbers[i].empty() ? 0 : -1);
    // 38;5;n and 38;2;r;g;b: a colour that this page has no class for.
    if (code == 38 || code == 48) {
      const bool indexed = i + 1 < numbers.size() && numbers[i + 1] == "5";
      i += indexed ? 2 : 4;
      continue;
    }
    apply_code(style, code);
  }
}

// The end of the escape sequence that begins at `at`, behind its last character.
std::size_t end_of_sequence(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size()) return text.size();
  if (text[at + 1] == ']') {  // an operating system command, up to BEL or ST
    for (std::size_t i = at + 2; i < text.size(); ++i) {
      if (text[i] == '\a') return i + 1;
      if (text[i] == '\x1b') return std::min(text.size(), i + 2);
    }
    return text.size();
  }
  if (text[at + 1] != '[') return at + 2;
  std::size_t i = at + 2;
  while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
  return std::min(text.size(), i + 1);
}

// "section_start:1560896352:name[collapsed=true]" up to its \r.
bool is_section_mark(std::string_view part) {
  return part.starts_with("section_start:") || part.starts_with("section_end:");
}

void write_text(std::string& html, const Style& style, std::string_view text) {
  if (text.empty()) return;
  const std::string classes = style.classes();
  if (!classes.empty()) html += "<span class=\"" + classes + "\">";
  html += escaped(text);
  if (!classes.empty()) html += "</span>";
}

// The colours of a part of a line that was written over still count for what follows.
void write_part(std::string& html, Style& style, std::string_view part) {
  std::string plain;
  for (std::size_t i = 0; i < part.size();) {
    const auto letter = static_cast<unsigned char>(part[i]);
    if (letter == 0x1b) {
      const std::size_t end = end_of_sequence(part, i);
      const std::string_view sequence = part.substr(i, end - i);
      if (sequence.size() >= 3 && sequence[1] == '[' && sequence.back() == 'm') {
        Style next = style;
        apply_codes(next, sequence.substr(2, sequence.size() - 3));
        if (!(next == style)) {
          write_text(html, style, plain);
          plain.clear();
          style = next;
        }
      }
      i = end;
      continue;
    }
    if (letter >= ' ' || letter == '\t') plain += part[i];
    ++i;
  }
  write_text(html, style, plain);
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string all;
  all.reserve(text.size());
  for (const char letter : text) {
    switch (letter) {
      case '&':
        all += "&amp;";
        break;
      case '<':
        all += "&lt;";
        break;
      case '>':
        all += "&gt;";
        break;
      case '"':
        all += "&quot;";
        break;
      case '\'':
        all += "&#39;";
        break;
      default:
        all += letter;
    }
  }
  return all;
}

std::string trace_html(std::string_view trace) {
  std::string html;
  html.reserve(trace.size() + trace.size() / 8);
  Style style;
  while (!trace.empty()) {
    const std::size_t end = trace.find('\n');
    std::string_view line = trace.substr(0, end);
    trace.remove_prefix(end == std::string_view::npos ? trace.size() : end + 1);
    std::string shown;
    bool first = true;
    bool marked = false;
    while (first || !line.empty()) {
      first = false;
      const std::size_t cut = line.find('\r');
      const std::string_view part = line.substr(0, cut);
      line.remove_prefix(cut == std::string_view::npos ? line.size() : cut + 1);
      if (is_section_mark(part)) {
        marked = true;
        continue;
      }
      std::string written;
      write_part(written, style, part);
      if (!written.empty()) shown = std::move(written);
    }
    if (shown.empty() && marked) continue;  // a line of nothing but marks
    html += shown;
    if (end != std::string_view::npos) html += '\n';
  }
  return html;
}

}  // namespace slipway::gitlab
