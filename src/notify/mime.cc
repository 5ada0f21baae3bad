#include "notify/mime.h"

#include <algorithm>

#include "base/strings.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kBase64Line = 76;    // RFC 2045
constexpr std::size_t kEncodedBytes = 45;  // of text in one encoded word of at most 75 characters

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c < 127; });
}

// RFC 5322 dates want "+0000" where HTTP's end with "GMT".
std::string mail_date(base::Millis at) {
  std::string date = base::http_date(at);
  return date.substr(0, date.size() - 3) + "+0000";
}

std::string quoted_name(std::string_view name) {
  if (!is_printable_ascii(name)) return encode_header(name);
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string part(std::string_view type, std::string_view content) {
  std::string result = "Content-Type: " + std::string(type) +
                       "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const std::string encoded = base::base64(content);
  for (std::size_t at = 0; at < encoded.size(); at += kBase64Line)
    result += encoded.substr(at, kBase64Line) + "\r\n";
  return result;
}

}  // namespace

std::string encode_header(std::string_view text) {
  // "=?" would be read as an encoded word.
  if (is_printable_ascii(text) && text.size() <= 200 && text.find("=?") == std::string_view::npos)
    return std::string(text);
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(), [](unsigned char c) { return c < ' ' || c == 127; }, ' ');
  std::string result;
  for (std::string_view rest = clean; !rest.empty();) {
    std::string_view word = base::utf8_prefix(rest, kEncodedBytes);
    if (word.empty()) word = rest.substr(0, kEncodedBytes);  // not UTF-8
    rest.remove_prefix(word.size());
    result += (result.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") + base::base64(word) + "?=";
  }
  return result;
}

std::string domain_of(std::string_view mailbox) {
  const std::size_t at = mailbox.rfind('@');
  return at == std::string_view::npos || at + 1 == mailbox.size()
             ? "localhost"
             : std::string(mailbox.substr(at + 1));
}

std::string to_mime(const Mail& mail) {
  const std::string boundary = "slipway-" + mail.id;
  std::string text = "Date: " + mail_date(mail.at) + "\r\n";
  text += "From: " + (mail.from_name.empty() ? "" : quoted_name(mail.from_name) + " ") + "<" +
          mail.from + ">\r\n";
  text += "To: <" + mail.to + ">\r\n";
  text += "Subject: " + encode_header(mail.subject) + "\r\n";
  text += "Message-ID: <" + mail.id + "@" + domain_of(mail.from) + ">\r\n";
  text += "Auto-Submitted: auto-generated\r\n";
  if (!mail.unsubscribe_url.empty()) {
    // RFC 8058: mail programs end a subscription by one POST.
    text += "List-Unsubscribe: <" + mail.unsubscribe_url + ">\r\n";
    text += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
  }
  text += "MIME-Version: 1.0\r\n";
  text += "Content-Type: multipart/alternative; boundary=\"" + boundary + "\"\r\n\r\n";
  text += "--" + boundary + "\r\n" + part("text/plain", mail.text);
  text += "--" + boundary + "\r\n" + part("text/html", mail.html);
  text += "--" + boundary + "--\r\n";
  return text;
}

}  // namespace slipway::notify
