#include "gitlab/html.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
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

// "section_start:1560896352:name[collapsed=true]" or "section_end:1560896353:name", up to its \r.
struct Mark {
  bool begins = false;
  std::int64_t at = 0;  // seconds since 1970
  std::string_view name;
  bool collapsed = false;
};

std::optional<Mark> mark_in(std::string_view part) {
  constexpr std::string_view kEraseLine = "\x1b[0K";  // what runners send behind each mark
  while (part.starts_with(kEraseLine)) part.remove_prefix(kEraseLine.size());
  Mark mark;
  mark.begins = part.starts_with("section_start:");
  if (!mark.begins && !part.starts_with("section_end:")) return {};
  part.remove_prefix(part.find(':') + 1);
  const std::size_t colon = part.find(':');
  if (colon == std::string_view::npos) return {};
  const auto at = base::parse_integer(part.substr(0, colon));
  if (!at || *at < 0) return {};
  mark.at = *at;
  part.remove_prefix(colon + 1);
  const std::size_t options = part.find('[');
  mark.name = part.substr(0, options);
  mark.collapsed = options != std::string_view::npos &&
                   part.substr(options).find("collapsed=true") != std::string_view::npos;
  return mark;
}

// The sections that are open, each with what it holds so far; the page itself is the first.
class Sections {
 public:
  // What is printed next is the title of the section that begins.
  void take(const Mark& mark) {
    if (mark.begins) {
      if (open_.size() < kMostDepth) open_.push_back({std::string(mark.name), mark});
    } else if (holds(mark.name)) {
      while (open_.back().name != mark.name) close({});
      const std::int64_t seconds = mark.at - open_.back().mark.at;
      close(seconds >= 0 ? std::to_string(seconds) + " s" : "");
    }
  }
  void print(const std::string& html, bool ends_line) {
    Section& last = open_.back();
    if (open_.size() > 1 && !last.titled) {
      last.titled = true;
      last.title = html;
      return;
    }
    last.body += html;
    if (ends_line) last.body += '\n';
  }
  std::string all() {
    while (open_.size() > 1) close({});
    return std::move(open_.front().body);
  }

 private:
  static constexpr std::size_t kMostDepth = 16;
  struct Section {
    std::string name;
    Mark mark;
    bool titled = false;
    std::string title{}, body{};
  };
  bool holds(std::string_view name) const {
    return std::any_of(open_.begin() + 1, open_.end(),
                       [&](const Section& section) { return section.name == name; });
  }
  void close(const std::string& time) {
    const Section last = std::move(open_.back());
    open_.pop_back();
    std::string& body = open_.back().body;
    body += last.mark.collapsed ? "<details><summary>" : "<details open><summary>";
    body += last.title.empty() ? escaped(last.name) : last.title;
    if (!time.empty()) body += " <i>" + time + "</i>";
    body += "</summary>" + last.body + "</details>";
  }

  std::vector<Section> open_{{"", {}, true}};
};

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
  Sections sections;
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
      if (const auto mark = mark_in(part)) {
        marked = true;
        if (!shown.empty()) sections.print(std::exchange(shown, {}), true);
        sections.take(*mark);
        continue;
      }
      std::string written;
      write_part(written, style, part);
      if (!written.empty()) shown = std::move(written);
    }
    if (shown.empty() && marked) continue;  // a line of nothing but marks
    sections.print(shown, end != std::string_view::npos);
  }
  return sections.all();
}

}  // namespace slipway::gitlab
