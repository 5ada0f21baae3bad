#include "endpoints/answers.h"

#include <charconv>

#include "base/strings.h"
#include "net/http.h"
#include "net/tokens.h"

namespace slipway::endpoints {
namespace {

constexpr std::string_view kPrefix = "/endpoints/";
constexpr std::string_view kSuffix = "/invocations";
constexpr std::string_view kSageMakerFields = "x-amzn-sagemaker-";
// The original message's share of a ModelError: enough for any stack trace.
constexpr std::size_t kOriginalMessageBytes = 64u << 10;

void append_escape(std::string& to, unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  to += "\\u00";
  to += kDigits[byte >> 4];
  to += kDigits[byte & 15];
}

// Bytes of the UTF-8 character at the start of `text`; 0 where there is none.
std::size_t character_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  std::size_t length = 1;
  if (lead >= 0xf0) {
    length = 4;
  } else if (lead >= 0xe0) {
    length = 3;
  } else if (lead >= 0x80) {
    length = 2;
  }
  return length <= text.size() && base::is_utf8(text.substr(0, length)) ? length : 0;
}

}  // namespace

void append_json_string(std::string& to, std::string_view text) {
  to += '"';
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    if (byte == '"' || byte == '\\') {
      to += '\\';
      to += static_cast<char>(byte);
    } else if (byte == '\n') {
      to += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      append_escape(to, byte);
    } else if (byte < 0x80) {
      to += static_cast<char>(byte);
    } else if (length = character_length(text); length > 0) {
      to += text.substr(0, length);
    } else {
      to += "\xef\xbf\xbd";
      length = 1;
    }
    text.remove_prefix(length);
  }
  to += '"';
}

void append_number(std::string& to, std::uint64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  to.append(digits, static_cast<std::size_t>(end - digits));
}

void append_status_line(std::string& to, int status) {
  to += "HTTP/1.1 ";
  append_number(to, static_cast<std::uint64_t>(status));
  to += ' ';
  to += net::reason_of(status);
  to += "\r\n";
}

void append_field(std::string& to, std::string_view name, std::string_view value) {
  to += name;
  to += ": ";
  to += value;
  to += "\r\n";
}

void append_model_request(std::string& to, const net::RequestView& request) {
  to += "POST /invocations HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: ";
  append_number(to, request.body.size());
  to += "\r\n";
  for (std::size_t i = 0; i < request.field_count; ++i) {
    const net::RequestView::Field& field = request.fields[i];
    const bool passed = net::same_ignoring_case(field.name, "content-type") ||
                        net::same_ignoring_case(field.name, "accept") ||
                        (net::starts_ignoring_case(field.name, kSageMakerFields) &&
                         !net::same_ignoring_case(field.name, "x-amzn-sagemaker-target-variant"));
    if (passed) append_field(to, field.name, field.value);
  }
  to += "\r\n";
}

void append_error_body(std::string& to, std::string_view message) {
  to += "{\"Message\":";
  append_json_string(to, message);
  to += '}';
}

void append_model_error_body(std::string& to, const ModelErrorText& text) {
  const bool client = text.original_status >= 400 && text.original_status < 500;
  const std::string_view original = base::utf8_prefix(text.original_message, kOriginalMessageBytes);
  std::string message = "Received ";
  message += client ? "client error (" : "server error (";
  append_number(message, static_cast<std::uint64_t>(text.original_status));
  message += ") from primary with message \"";
  message += original;
  message += "\". Show the log with: aws logs tail /aws/sagemaker/Endpoints/";
  message += text.endpoint;
  to += "{\"ErrorCode\":\"";
  to += client ? "CLIENT_ERROR_FROM_MODEL" : "INTERNAL_FAILURE_FROM_MODEL";
  to += "\",\"LogStreamArn\":\"arn:aws:logs:";
  to += text.region;
  to += ':';
  to += text.account;
  to += ":log-group:/aws/sagemaker/Endpoints/";
  to += text.endpoint;
  to += "\",\"Message\":";
  append_json_string(to, message);
  to += ",\"OriginalMessage\":";
  append_json_string(to, original);
  to += ",\"OriginalStatusCode\":";
  append_number(to, static_cast<std::uint64_t>(text.original_status));
  to += '}';
}

bool is_relayed(std::string_view name) noexcept {
  return net::starts_ignoring_case(name, kSageMakerFields);
}

std::string_view endpoint_in(std::string_view target) noexcept {
  if (!target.starts_with(kPrefix)) return {};
  target = target.substr(0, target.find('?'));
  target.remove_prefix(kPrefix.size());
  if (target.size() <= kSuffix.size() || !target.ends_with(kSuffix)) return {};
  target.remove_suffix(kSuffix.size());
  return target.find('/') == std::string_view::npos ? target : std::string_view();
}

}  // namespace slipway::endpoints
