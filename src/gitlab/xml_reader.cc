#include "gitlab/xml_reader.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::gitlab {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kLongestEntity = 10;
constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
    {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}}};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z') || c == '_' || c == '-' || c == '.' || c == ':';
}

bool is_character(std::uint32_t code) {
  return code == 9 || code == 10 || code == 13 || (code >= 0x20 && code < 0xD800) ||
         (code > 0xDFFF && code < 0xFFFE) || (code > 0xFFFF && code <= 0x10FFFF);
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto rest = [&](int shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    rest(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    rest(6);
    rest(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    rest(12);
    rest(6);
    rest(0);
  }
}

}  // namespace

std::string_view XmlPiece::attribute(std::string_view attribute_name) const {
  for (const auto& [each, value] : attributes) {
    if (each == attribute_name) return value;
  }
  return {};
}

XmlReader::XmlReader(std::string_view text, const XmlLimits& limits)
    : text_(text), limits_(limits) {
  if (comes(kByteOrderMark)) at_ = kByteOrderMark.size();
}

void XmlReader::fail(const std::string& why) const {
  const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<long>(at_), '\n');
  throw Error("MalformedXML", std::to_string(line) + ": " + why, 400);
}

void XmlReader::skip_spaces() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

void XmlReader::skip_past(std::string_view end) {
  const std::size_t found = text_.find(end, at_);
  if (found == std::string_view::npos) fail("expected " + std::string(end));
  at_ = found + end.size();
}

void XmlReader::expect(char c) {
  if (at_ >= text_.size() || text_[at_] != c) fail(std::string("expected '") + c + "'");
  ++at_;
}

XmlPiece XmlReader::next() {
  if (closes_) {
    closes_ = false;
    XmlPiece piece{.kind = XmlPiece::Kind::kEnd, .name = open_.back()};
    open_.pop_back();
    return piece;
  }
  for (;;) {
    if (open_.empty()) {
      skip_spaces();
      if (comes(kByteOrderMark)) at_ += kByteOrderMark.size();
    }
    if (at_ >= text_.size()) {
      if (!open_.empty()) fail("the document ends within <" + open_.back() + ">");
      if (elements_ == 0) fail("the document is empty");
      return {};
    }
    if (comes("<?")) {
      skip_past("?>");
    } else if (comes("<!--")) {
      skip_past("-->");
    } else if (comes("</")) {
      return end();
    } else if (text_[at_] == '<' && !comes("<![CDATA[")) {
      return start();
    } else {
      return text();
    }
  }
}

XmlPiece XmlReader::start() {
  if (comes("<!")) fail("document types are not supported");
  if (open_.size() >= limits_.depth) fail("elements nest too deep");
  if (++elements_ > limits_.elements) fail("too many elements");
  expect('<');
  XmlPiece piece{.kind = XmlPiece::Kind::kStart, .name = name()};
  for (;;) {
    const std::size_t before = at_;
    skip_spaces();
    if (comes("/>")) {
      at_ += 2;
      closes_ = true;
      break;
    }
    if (comes(">")) {
      ++at_;
      break;
    }
    if (at_ == before) fail("expected a space before an attribute");
    std::string attribute = name();
    if (std::any_of(piece.attributes.begin(), piece.attributes.end(),
                    [&](const auto& each) { return each.first == attribute; })) {
      fail("attribute " + attribute + " is there twice");
    }
    skip_spaces();
    expect('=');
    skip_spaces();
    piece.attributes.emplace_back(std::move(attribute), attribute_value());
  }
  open_.push_back(piece.name);
  return piece;
}

XmlPiece XmlReader::end() {
  at_ += 2;
  XmlPiece piece{.kind = XmlPiece::Kind::kEnd, .name = name()};
  if (open_.empty() || open_.back() != piece.name) {
    fail("</" + piece.name + "> closes another element than was opened");
  }
  skip_spaces();
  expect('>');
  open_.pop_back();
  return piece;
}

// Up to the next tag, what is between comments together.
XmlPiece XmlReader::text() {
  if (open_.empty()) fail("text outside of the root element");
  XmlPiece piece{.kind = XmlPiece::Kind::kText};
  while (at_ < text_.size()) {
    if (comes("<![CDATA[")) {
      const std::size_t begin = at_ + 9;
      skip_past("]]>");
      append(piece.text, text_.substr(begin, at_ - begin - 3));
    } else if (text_[at_] == '<') {
      break;
    } else if (text_[at_] == '&') {
      entity(piece.text);
    } else {
      const std::size_t stop = std::min(text_.find_first_of("<&", at_), text_.size());
      append(piece.text, text_.substr(at_, stop - at_));
      at_ = stop;
    }
  }
  return piece;
}

std::string XmlReader::name() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_name(text_[at_])) ++at_;
  if (at_ == begin) fail("expected a name");
  return std::string(text_.substr(begin, at_ - begin));
}

std::string XmlReader::attribute_value() {
  if (!comes("\"") && !comes("'")) fail("expected a quote");
  const char quote = text_[at_++];
  std::string value;
  while (at_ < text_.size() && text_[at_] != quote) {
    if (text_[at_] == '<') fail("'<' in an attribute");
    if (text_[at_] == '&') {
      entity(value);
    } else {
      append(value, text_.substr(at_, 1));
      ++at_;
    }
  }
  expect(quote);
  return value;
}

void XmlReader::append(std::string& out, std::string_view characters) const {
  const bool any = std::any_of(characters.begin(), characters.end(),
                               [](char c) { return !is_character(static_cast<unsigned char>(c)); });
  if (any) fail("a character that XML does not allow");
  out += characters;
}

void XmlReader::entity(std::string& out) {
  const std::size_t end = text_.find(';', at_);
  if (end == std::string_view::npos || end - at_ > kLongestEntity) fail("an entity without end");
  const std::string_view entity = text_.substr(at_ + 1, end - at_ - 1);
  if (entity.starts_with('#')) {
    append_utf8(out, code_of(entity.substr(1)));
  } else {
    const auto found = std::find_if(kEntities.begin(), kEntities.end(),
                                    [&](const auto& each) { return each.first == entity; });
    if (found == kEntities.end()) fail("entity '" + std::string(entity) + "' is not known");
    out += found->second;
  }
  at_ = end + 1;
}

std::uint32_t XmlReader::code_of(std::string_view digits) const {
  const bool hexadecimal = digits.starts_with('x');
  if (hexadecimal) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 7) fail("a bad character reference");
  std::uint32_t code = 0;
  for (const char c : digits) {
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      code = code * (hexadecimal ? 16 : 10) + static_cast<std::uint32_t>(c - '0');
    } else if (hexadecimal && lower >= 'a' && lower <= 'f') {
      code = code * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
    } else {
      fail("a bad character reference");
    }
  }
  if (!is_character(code)) fail("a reference to no character");
  return code;
}

}  // namespace slipway::gitlab
