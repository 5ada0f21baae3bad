#include "net/parser.h"

#include <array>
#include <cstring>

#include "net/tokens.h"

namespace slipway::net {
namespace {

constexpr std::size_t kMostFields = 100;
constexpr std::size_t kLongestMethod = 32;

bool is_target_byte(unsigned char byte) { return byte > 0x20 && byte < 0x7f; }

// Where the line that starts at `at` ends; every line up to `end` ends in CRLF.
const char* line_end(const char* at, const char* end) {
  return static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at))) - 1;
}

bool parse_length(std::string_view text, std::uint64_t& length) {
  if (text.empty() || text.size() > 18) return false;  // 18 digits cannot overflow
  length = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    length = length * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return true;
}

}  // namespace

std::string_view MessageHead::header(std::string_view name) const noexcept {
  for (const auto& field : fields) {
    if (same_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

std::string_view RequestView::header(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < field_count; ++i) {
    if (same_ignoring_case(fields[i].name, name)) return fields[i].value;
  }
  return {};
}

void HeadParser::reset() noexcept {
  begin_ = line_start_ = searched_ = end_ = 0;
  noted_ = {};
  refusal_ = {};
}

Progress HeadParser::refuse(int status, std::string_view sentence) noexcept {
  refusal_ = {status, sentence};
  return Progress::kBad;
}

Progress HeadParser::find_end(std::string_view bytes) noexcept {
  // A client that speaks TLS, or noise, is told at once instead of after a timeout.
  if (!bytes.empty() && bytes[0] != '\r' && !is_token_byte(bytes[0])) {
    return refuse(400, "This is not an HTTP request.");
  }
  const std::string_view within = bytes.substr(0, limit_);
  while (searched_ < within.size()) {
    const void* found = std::memchr(within.data() + searched_, '\n', within.size() - searched_);
    if (!found) break;
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - within.data());
    if (at == 0 || within[at - 1] != '\r') {
      return refuse(400, "A line of the head ends in a line feed without a carriage return.");
    }
    searched_ = at + 1;
    const bool empty = at - line_start_ == 1;
    if (empty && line_start_ != begin_) {
      end_ = at + 1;
      return Progress::kComplete;
    }
    if (empty) {
      if (begin_ > 0) return refuse(400, "The message starts with empty lines.");
      begin_ = at + 1;
    }
    line_start_ = at + 1;
  }
  searched_ = within.size();
  if (bytes.size() >= limit_) return refuse(431, "The head of the message is too large.");
  return Progress::kIncomplete;
}

void HeadParser::note_connection(std::string_view value) noexcept {
  for (std::string_view rest = value; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string_view token = trim_spaces(rest.substr(0, comma));
    if (same_ignoring_case(token, "close")) noted_.close = true;
    if (same_ignoring_case(token, "keep-alive")) noted_.keep_alive = true;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

bool HeadParser::note_transfer_encoding(std::string_view value) noexcept {
  if (noted_.chunked) {
    refuse(400, "The message has two Transfer-Encoding fields.");
    return false;
  }
  if (same_ignoring_case(value, "chunked")) {
    noted_.chunked = true;
    return true;
  }
  refuse(501, "The only transfer coding understood is chunked, alone and once.");
  return false;
}

// Fields are told apart by the length of their names first: most need no comparison.
bool HeadParser::note_field(RequestView::Field& field, MessageHead& head) noexcept {
  const std::string_view name = field.name;
  switch (name.size()) {
    case 4:
      if (same_ignoring_case(name, "host")) {
        ++noted_.hosts;
        noted_.host_index = head.fields.size();
      }
      return true;
    case 6:
      if (same_ignoring_case(name, "expect")) {
        noted_.expects = true;
        noted_.expects_continue = same_ignoring_case(field.value, "100-continue");
      }
      return true;
    case 10:
      if (same_ignoring_case(name, "connection")) note_connection(field.value);
      return true;
    case 14:
      if (!same_ignoring_case(name, "content-length")) return true;
      if (noted_.length) {
        refuse(400, "The message has two Content-Length fields.");
        return false;
      }
      noted_.length = true;
      if (!parse_length(field.value, head.content_length)) {
        refuse(400, "The Content-Length is not a number of bytes.");
        return false;
      }
      return true;
    case 17:
      return same_ignoring_case(name, "transfer-encoding") ? note_transfer_encoding(field.value)
                                                           : true;
    default:
      return true;
  }
}

bool HeadParser::parse_fields(const char* at, const char* end, MessageHead& head) noexcept {
  head.fields.clear();
  while (at < end) {
    const char* const stop = line_end(at, end);
    const char* colon = at;
    while (is_token_byte(*colon)) ++colon;  // CR is none, so this ends
    if (*colon != ':' || colon == at) {
      refuse(400, *at == ' ' || *at == '\t'         ? "A header field is folded over several lines."
                  : *colon == ' ' || *colon == '\t' ? "A header field has a space before its colon."
                                                    : "A header field's name is not a token.");
      return false;
    }
    const char* value = colon + 1;
    const char* value_end = stop;
    while (value < value_end && is_space(*value)) ++value;
    while (value_end > value && is_space(value_end[-1])) --value_end;
    for (const char* byte = value; byte < value_end; ++byte) {
      if (!is_value_byte(*byte)) {
        refuse(400, "A header field's value holds a control character.");
        return false;
      }
    }
    if (head.fields.size() == kMostFields) {
      refuse(431, "The message has more than 100 header fields.");
      return false;
    }
    RequestView::Field field{{at, static_cast<std::size_t>(colon - at)},
                             {value, static_cast<std::size_t>(value_end - value)}};
    if (!note_field(field, head)) return false;
    head.fields.push_back(field);
    at = stop + 2;
  }
  if (noted_.chunked && noted_.length) {
    refuse(400, "The message has both Transfer-Encoding and Content-Length.");
    return false;
  }
  return true;
}

bool HeadParser::parse_request_line(const char* at, const char* end,
                                    RequestLineAndHead& head) noexcept {
  const char* method_end = at;
  while (is_token_byte(*method_end)) ++method_end;
  head.method = {at, static_cast<std::size_t>(method_end - at)};
  if (*method_end != ' ' || head.method.empty() || head.method.size() > kLongestMethod) {
    refuse(400, "The request line does not start with a method and a space.");
    return false;
  }
  const char* const target = method_end + 1;
  const char* target_end = target;
  while (is_target_byte(static_cast<unsigned char>(*target_end))) ++target_end;
  head.target = {target, static_cast<std::size_t>(target_end - target)};
  if (*target_end != ' ' || head.target.empty()) {
    refuse(400, "The request target is missing or holds bytes that must be percent-encoded.");
    return false;
  }
  const std::string_view version(target_end + 1, static_cast<std::size_t>(end - target_end - 1));
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool other = version.size() == 8 && version.substr(0, 5) == "HTTP/";
    refuse(other ? 505 : 400, other ? "This server speaks HTTP/1.1."
                                    : "The request line does not end in an HTTP version.");
    return false;
  }
  head.minor_version = version[7] - '0';
  return true;
}

bool HeadParser::settle_request(RequestLineAndHead& head) noexcept {
  if (noted_.hosts > 1 || (noted_.hosts == 0 && head.minor_version == 1)) {
    refuse(400, "The request must have exactly one Host field.");
    return false;
  }
  if (noted_.chunked && head.minor_version == 0) {
    refuse(400, "An HTTP/1.0 request cannot have a transfer coding.");
    return false;
  }
  if (noted_.expects && !noted_.expects_continue) {
    refuse(417, "The only expectation that can be met is 100-continue.");
    return false;
  }
  head.expects_continue = noted_.expects_continue && head.minor_version == 1;
  head.keep_alive = !noted_.close && (head.minor_version == 1 || noted_.keep_alive);
  head.body = noted_.chunked                             ? BodyKind::kChunked
              : noted_.length && head.content_length > 0 ? BodyKind::kLength
                                                         : BodyKind::kNone;
  if (head.target[0] == '/') return true;
  if (head.target == "*" && head.method == "OPTIONS") return true;
  const std::size_t scheme = starts_ignoring_case(head.target, "http://")    ? 7
                             : starts_ignoring_case(head.target, "https://") ? 8
                                                                             : 0;
  if (scheme == 0) {
    refuse(400, "The request target must start with a slash.");
    return false;
  }
  const std::string_view rest = head.target.substr(scheme);
  const auto slash = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, slash);
  if (authority.empty() || (slash != std::string_view::npos && rest[slash] == '?')) {
    refuse(400, "The request target has no host or no path.");
    return false;
  }
  head.target = slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
  if (noted_.hosts == 1) head.fields[noted_.host_index].value = authority;
  return true;
}

Progress HeadParser::parse(std::string_view bytes, RequestLineAndHead& head) noexcept {
  const Progress progress = find_end(bytes);
  if (progress != Progress::kComplete) return progress;
  const char* const start = bytes.data() + begin_;
  const char* const end = bytes.data() + end_ - 2;  // before the empty line
  const char* const first = line_end(start, end);
  head.size = end_;
  if (!parse_request_line(start, first, head) || !parse_fields(first + 2, end, head) ||
      !settle_request(head)) {
    return Progress::kBad;
  }
  return Progress::kComplete;
}

Progress HeadParser::parse(std::string_view bytes, StatusLineAndHead& head,
                           bool answers_head) noexcept {
  const Progress progress = find_end(bytes);
  if (progress != Progress::kComplete) return progress;
  const char* const end = bytes.data() + end_ - 2;
  const char* const first = line_end(bytes.data() + begin_, end);
  const std::string_view line(bytes.data() + begin_,
                              static_cast<std::size_t>(first - bytes.data()) - begin_);
  const auto digit = [&](std::size_t at) { return line[at] >= '0' && line[at] <= '9'; };
  if (line.size() < 12 || (line.substr(0, 9) != "HTTP/1.1 " && line.substr(0, 9) != "HTTP/1.0 ") ||
      !digit(9) || !digit(10) || !digit(11) || line[9] == '0' ||
      (line.size() > 12 && line[12] != ' ')) {
    return refuse(502, "The response does not start with an HTTP/1 status line.");
  }
  head.minor_version = line[7] - '0';
  head.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  for (const char byte : head.reason) {
    if (!is_value_byte(byte)) return refuse(502, "The response's reason holds control characters.");
  }
  head.size = end_;
  if (!parse_fields(first + 2, end, head)) return Progress::kBad;
  head.keep_alive = !noted_.close && (head.minor_version == 1 || noted_.keep_alive);
  if (answers_head || head.status < 200 || head.status == 204 || head.status == 304) {
    head.body = BodyKind::kNone;
  } else if (noted_.chunked) {
    head.body = BodyKind::kChunked;
  } else if (noted_.length) {
    head.body = head.content_length > 0 ? BodyKind::kLength : BodyKind::kNone;
  } else {
    head.body = BodyKind::kUntilClose;
    head.keep_alive = false;
  }
  return Progress::kComplete;
}

}  // namespace slipway::net
