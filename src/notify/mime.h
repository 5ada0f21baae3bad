#pragma once

// Mails as text: headers (RFC 5322, RFC 2047) and a body in plain text and HTML.

#include <string>
#include <string_view>

#include "base/clock.h"

namespace slipway::notify {

struct Mail {
  std::string id;  // of the delivery: Message-ID and boundary, so that a repetition is recognised
  std::string from;
  std::string from_name;  // may be empty
  std::string to;
  std::string subject;
  std::string text;
  std::string html;
  std::string unsubscribe_url;  // empty: none
  base::Millis at = 0;
};

// The whole message with CRLF line ends. The same mail gives the same bytes.
std::string to_mime(const Mail& mail);

// A header's text: as it is where it is printable ASCII, otherwise encoded words, folded.
std::string encode_header(std::string_view text);

// "user@host" -> "host".
std::string domain_of(std::string_view mailbox);

}  // namespace slipway::notify
