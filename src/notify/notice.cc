#include "notify/notice.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/strings.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kSlackHeader = 150;    // characters; bytes are never fewer
constexpr std::size_t kSlackSection = 2900;  // of 3,000
constexpr std::size_t kSlackField = 1900;    // of 2,000
constexpr std::size_t kSlackFields = 10;     // in one section
constexpr std::size_t kSlackBlocks = 50;
constexpr std::size_t kMostLines = 200;  // of a listing; the last ones

// Characters, not bytes: that columns stand below each other.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t own = width_of(text);
  return own < width ? text + std::string(width - own, ' ') : text;
}

// What would end a line or hide text is a space.
std::string one_line(std::string_view text) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < ' ' || c == 127; }, ' ');
  return result;
}

// With a text in the place of each of these characters.
std::string replaced(std::string_view text,
                     std::initializer_list<std::pair<char, std::string_view>> by) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto* const found =
        std::find_if(by.begin(), by.end(), [c](const auto& each) { return each.first == c; });
    if (found == by.end())
      result += c;
    else
      result += found->second;
  }
  return result;
}

std::string table_text(const std::vector<std::vector<std::string>>& table) {
  std::vector<std::size_t> widths;
  for (const auto& row : table) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : table) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += i + 1 < row.size() ? padded(one_line(row[i]), widths[i]) + "  " : one_line(row[i]);
    text += line + "\n";
  }
  return text;
}

std::vector<std::string> last_lines(const Listing& listing) {
  const std::size_t skip =
      listing.lines.size() > kMostLines ? listing.lines.size() - kMostLines : 0;
  return {listing.lines.begin() + static_cast<std::ptrdiff_t>(skip), listing.lines.end()};
}

Json mrkdwn(std::string text) {
  return {{"type", "mrkdwn"}, {"text", std::move(text)}, {"verbatim", true}};
}

Json section(std::string text) { return {{"type", "section"}, {"text", mrkdwn(std::move(text))}}; }

// The end of `text` in a code block. Three backquotes would end it.
std::string slack_code(std::string text) {
  text = base::replace_all(std::move(text), "```", "'''");
  std::string escaped = escape_slack(text);
  if (escaped.size() > kSlackSection) {
    const std::size_t line = escaped.find('\n', escaped.size() - kSlackSection);
    escaped = line == std::string::npos ? std::string(base::utf8_prefix(escaped, kSlackSection))
                                        : escaped.substr(line + 1);
  }
  return "```\n" + escaped + (escaped.ends_with('\n') ? "" : "\n") + "```";
}

// What is cut off shows: half a version number would pass for another one.
std::string shortened(std::string_view text, std::size_t bytes) {
  constexpr std::string_view kMore = "…";
  if (text.size() <= bytes) return std::string(text);
  return std::string(base::utf8_prefix(text, bytes - kMore.size())) + std::string(kMore);
}

Json header(const std::string& title) {
  return {{"type", "header"},
          {"text",
           {{"type", "plain_text"},
            {"text", shortened(one_line(title), kSlackHeader)},
            {"emoji", false}}}};
}

void add_facts(Json& blocks, const Page& page) {
  Json fields = Json::array();
  const auto flush = [&] {
    if (!fields.empty()) blocks.push_back({{"type", "section"}, {"fields", fields}});
    fields = Json::array();
  };
  for (const auto& [label, value] : page.facts) {
    if (value.empty()) continue;
    std::string escaped = escape_slack(one_line(value));
    // An escaped character has at most five.
    if (escaped.size() > kSlackField)
      escaped = escape_slack(shortened(one_line(value), kSlackField / 5));
    fields.push_back(mrkdwn("*" + escape_slack(label) + "*\n" + escaped));
    if (fields.size() == kSlackFields) flush();
  }
  flush();
}

}  // namespace

std::string escape_html(std::string_view text) {
  return replaced(text,
                  {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}});
}

std::string escape_slack(std::string_view text) {
  return replaced(text, {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}});
}

std::string to_text(const Page& page) {
  std::string text = one_line(page.title) + "\n";
  std::vector<std::vector<std::string>> facts;
  for (const auto& [label, value] : page.facts)
    if (!value.empty()) facts.push_back({label + ":", value});
  if (!facts.empty()) text += "\n" + table_text(facts);
  if (!page.table.empty()) text += "\n" + table_text(page.table);
  for (const Listing& listing : page.listings) {
    text += "\n" + listing.caption + ":\n";
    for (const std::string& line : last_lines(listing)) text += "    " + line + "\n";
  }
  if (!page.link.empty()) text += "\n" + page.link + "\n";
  return text;
}

std::string to_html(const Page& page) {
  std::string html =
      "<html><body style=\"font-family:sans-serif\">\n<h2>" + escape_html(page.title) + "</h2>\n";
  const auto row = [&](const std::vector<std::string>& cells, const char* element) {
    html += "<tr>";
    for (const std::string& cell : cells)
      html += std::string("<") + element + " align=\"left\">" + escape_html(cell) + "</" + element +
              ">";
    html += "</tr>\n";
  };
  html += "<table cellpadding=\"4\">\n";
  for (const auto& [label, value] : page.facts)
    if (!value.empty()) row({label, value}, "td");
  html += "</table>\n";
  if (!page.table.empty()) {
    html += "<table border=\"1\" cellpadding=\"4\" cellspacing=\"0\">\n";
    for (std::size_t i = 0; i < page.table.size(); ++i) row(page.table[i], i == 0 ? "th" : "td");
    html += "</table>\n";
  }
  for (const Listing& listing : page.listings) {
    html += "<p>" + escape_html(listing.caption) + ":</p>\n<pre>";
    for (const std::string& line : last_lines(listing)) html += escape_html(line) + "\n";
    html += "</pre>\n";
  }
  if (!page.link.empty())
    html +=
        "<p><a href=\"" + escape_html(page.link) + "\">" + escape_html(page.link) + "</a></p>\n";
  return html + "</body></html>\n";
}

Json to_slack_blocks(const Page& page) {
  Json blocks = Json::array({header(page.title)});
  add_facts(blocks, page);
  if (!page.table.empty()) blocks.push_back(section(slack_code(table_text(page.table))));
  for (const Listing& listing : page.listings) {
    if (blocks.size() + 2 > kSlackBlocks) break;
    blocks.push_back(section(escape_slack(listing.caption) + ":\n" +
                             slack_code(base::join(last_lines(listing), "\n"))));
  }
  if (!page.link.empty()) blocks.push_back(section(escape_slack(page.link)));
  return blocks;
}

std::string plain_html(std::string_view text) {
  return "<html><body style=\"font-family:sans-serif\">\n<div style=\"white-space:pre-wrap\">" +
         escape_html(text) + "</div>\n</body></html>\n";
}

Json plain_slack_message(const std::string& subject, const std::string& text) {
  Json blocks = Json::array();
  if (!subject.empty()) blocks.push_back(header(subject));
  for (std::string_view rest = text; !rest.empty() && blocks.size() < kSlackBlocks;) {
    // An escaped character has at most five.
    std::string_view piece = base::utf8_prefix(rest, kSlackSection / 5);
    if (piece.empty()) break;
    if (const std::size_t line = piece.rfind('\n');
        piece.size() < rest.size() && line != std::string_view::npos && line > 0)
      piece = piece.substr(0, line + 1);
    rest.remove_prefix(piece.size());
    if (base::trim(piece).empty()) continue;  // Slack refuses an empty text
    blocks.push_back(section(escape_slack(piece)));
  }
  const std::string summary = subject.empty() ? text : subject + "\n" + text;
  return {{"text", escape_slack(base::utf8_prefix(summary, kSlackSection))}, {"blocks", blocks}};
}

}  // namespace slipway::notify
