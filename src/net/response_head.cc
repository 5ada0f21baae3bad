#include "net/response_head.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "base/clock.h"
#include "net/tokens.h"

namespace slipway::net {
namespace {

void append_field(std::string& to, std::string_view name, std::string_view value) {
  to.append(name).append(": ");
  const auto at = to.size();
  to.append(value);
  std::replace_if(
      to.begin() + static_cast<std::ptrdiff_t>(at), to.end(),
      [](char byte) { return !is_value_byte(byte); }, ' ');
  to.append("\r\n");
}

// Nothing for a stream, whose length nobody knows.
std::optional<std::uint64_t> length_of(const ResponseBody& body) {
  if (const auto* text = std::get_if<std::string>(&body)) return text->size();
  if (const auto* slice = std::get_if<FileSlice>(&body)) return slice->length;
  return std::nullopt;
}

bool is_the_servers_own(std::string_view name) {
  return same_ignoring_case(name, "connection") || same_ignoring_case(name, "content-length") ||
         same_ignoring_case(name, "transfer-encoding") || same_ignoring_case(name, "keep-alive");
}

void append_status_line(std::string& to, int status) {
  to.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
  to.append(reason_of(status)).append("\r\n");
}

}  // namespace

ResponseHead make_response_head(const Response& response, const ResponseTerms& terms) {
  ResponseHead head;
  head.keep_alive =
      terms.keep_alive && !same_ignoring_case(response.headers.get("connection"), "close");
  const bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
  head.has_body = !bodiless && !terms.answers_head;
  head.bytes.reserve(512);
  append_status_line(head.bytes, response.status);
  bool dated = false;
  for (const auto& [name, value] : response.headers) {
    if (is_the_servers_own(name) || name.empty() ||
        !std::all_of(name.begin(), name.end(), is_token_byte)) {
      continue;
    }
    dated = dated || same_ignoring_case(name, "date");
    append_field(head.bytes, name, value);
  }
  if (!dated) append_field(head.bytes, "Date", base::http_date(base::SystemClock().now()));

  auto length = length_of(response.body);
  if (terms.answers_head && response.content_length) length = response.content_length;
  if (bodiless) {
    // RFC 9110 8.6: no length where there can be no content.
  } else if (length) {
    append_field(head.bytes, "Content-Length", std::to_string(*length));
  } else if (head.has_body && terms.minor_version >= 1) {
    head.chunked = true;
    append_field(head.bytes, "Transfer-Encoding", "chunked");
  } else if (head.has_body) {
    head.keep_alive = false;  // the end of the connection is the end of the body
  }
  if (!head.keep_alive) {
    append_field(head.bytes, "Connection", "close");
  } else if (terms.minor_version == 0) {
    append_field(head.bytes, "Connection", "keep-alive");
  }
  head.bytes.append("\r\n");
  return head;
}

std::string closing_answer(int status, std::string_view sentence) {
  Response response = plain(status, std::string(sentence) + "\n");
  if (status == 503) response.headers.add("Retry-After", "1");
  const std::string body = std::get<std::string>(response.body);
  return make_response_head(response, {.keep_alive = false}).bytes + body;
}

}  // namespace slipway::net
