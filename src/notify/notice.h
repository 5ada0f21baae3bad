#pragma once

// A notice before it has a form, and its three forms: plain text, HTML, Slack blocks. All text
// that goes in is anybody's and is escaped here.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace slipway::notify {

struct Listing {
  std::string caption;
  std::vector<std::string> lines;  // commands, or the end of a log
};

struct Page {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // those without a value are left out
  std::vector<std::vector<std::string>> table;             // the first row is its head
  std::vector<Listing> listings;
  std::string link;  // empty: none
};

std::string to_text(const Page& page);
std::string to_html(const Page& page);
// At most 50 blocks, within Slack's lengths.
Json to_slack_blocks(const Page& page);

std::string escape_html(std::string_view text);
// "&", "<" and ">": without them nothing is a link, a mention or a channel.
std::string escape_slack(std::string_view text);

// Plain text of somebody's message as HTML that keeps its lines, and as Slack's {"text", "blocks"}.
std::string plain_html(std::string_view text);
Json plain_slack_message(const std::string& subject, const std::string& text);

}  // namespace slipway::notify
