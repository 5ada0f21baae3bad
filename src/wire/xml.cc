#include "wire/xml.h"

#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z') || c == '_' || c == '-' || c == '.' || c == ':';
}

bool is_character(std::uint32_t code) noexcept {
  return code == 9 || code == 10 || code == 13 || (code >= 0x20 && code < 0xD800) ||
         (code > 0xDFFF && code < 0xFFFE) || (code > 0xFFFF && code <= 0x10FFFF);
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 63));
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

class Parser {
 public:
  Parser(std::string_view text, const XmlLimits& limits) : text_(text), limits_(limits) {}

  XmlElement document() {
    if (text_.size() > limits_.bytes) fail("is too large");
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    skip_between();
    XmlElement root = element(1);
    skip_between();
    if (at_ != text_.size()) fail("goes on after its root");
    return root;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("MalformedXML",
                "The XML you provided was not well-formed or did not validate against our "
                "published schema (the document " +
                    why + ", at byte " + std::to_string(at_) + ")");
  }

  bool comes(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  void skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  void skip_past(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) fail("lacks " + std::string(end));
    at_ = found + end.size();
  }

  // Declarations, instructions and comments around the root. A document type is refused: it is
  // where entities come from.
  void skip_between() {
    for (;;) {
      skip_spaces();
      if (comes("<?"))
        skip_past("?>");
      else if (comes("<!--"))
        skip_past("-->");
      else
        return;
    }
  }

  std::string_view name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == start) fail("lacks a name");
    return text_.substr(start, at_ - start);
  }

  void expect(char c) {
    if (at_ >= text_.size() || text_[at_] != c) fail(std::string("lacks '") + c + "'");
    ++at_;
  }

  void entity(std::string& out) {
    const std::size_t end = text_.find(';', at_);
    if (end == std::string_view::npos || end - at_ > 10) fail("has an entity without end");
    const std::string_view entity = text_.substr(at_ + 1, end - at_ - 1);
    if (entity == "lt")
      out += '<';
    else if (entity == "gt")
      out += '>';
    else if (entity == "amp")
      out += '&';
    else if (entity == "quot")
      out += '"';
    else if (entity == "apos")
      out += '\'';
    else if (entity.starts_with('#'))
      append_utf8(out, code_of(entity.substr(1)));
    else
      fail("has an unknown entity");
    at_ = end + 1;
  }

  std::uint32_t code_of(std::string_view digits) const {
    const bool hexadecimal = digits.starts_with('x');
    if (hexadecimal) digits.remove_prefix(1);
    if (digits.empty() || digits.size() > 7) fail("has a bad character reference");
    std::uint32_t code = 0;
    for (const char c : digits) {
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9')
        code = code * (hexadecimal ? 16 : 10) + static_cast<std::uint32_t>(c - '0');
      else if (hexadecimal && lower >= 'a' && lower <= 'f')
        code = code * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
      else
        fail("has a bad character reference");
    }
    if (!is_character(code)) fail("refers to no character");
    return code;
  }

  std::string attribute_value() {
    if (at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) fail("lacks a quote");
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '<') fail("has '<' in an attribute");
      if (text_[at_] == '&')
        entity(value);
      else
        value += text_[at_++];
    }
    expect(quote);
    return value;
  }

  XmlElement element(std::size_t depth) {
    if (depth > limits_.depth) fail("nests too deep");
    if (++elements_ > limits_.elements) fail("has too many elements");
    expect('<');
    const std::string_view full = name();
    XmlElement result;
    result.name = full.substr(full.find(':') == std::string_view::npos ? 0 : full.find(':') + 1);
    for (;;) {
      skip_spaces();
      if (comes("/>")) {
        at_ += 2;
        return result;
      }
      if (comes(">")) {
        ++at_;
        break;
      }
      std::string attribute(name());
      skip_spaces();
      expect('=');
      skip_spaces();
      result.attributes.emplace_back(std::move(attribute), attribute_value());
    }
    content(result, depth);
    if (name() != full) fail("closes another element than it opened");
    skip_spaces();
    expect('>');
    return result;
  }

  // Up to the name in the end tag.
  void content(XmlElement& parent, std::size_t depth) {
    while (at_ < text_.size()) {
      if (text_[at_] == '&') {
        entity(parent.text);
      } else if (text_[at_] != '<') {
        const std::size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
        parent.text.append(text_.substr(at_, end - at_));
        at_ = end;
      } else if (comes("</")) {
        at_ += 2;
        return;
      } else if (comes("<!--")) {
        skip_past("-->");
      } else if (comes("<![CDATA[")) {
        at_ += 9;
        const std::size_t start = at_;
        skip_past("]]>");
        parent.text.append(text_.substr(start, at_ - start - 3));
      } else if (comes("<?")) {
        skip_past("?>");
      } else {
        parent.children.push_back(element(depth + 1));
      }
    }
    fail("ends too early");
  }

  const std::string_view text_;
  const XmlLimits limits_;
  std::size_t at_ = 0;
  std::size_t elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::find(std::string_view child) const noexcept {
  for (const XmlElement& candidate : children)
    if (candidate.name == child) return &candidate;
  return nullptr;
}

XmlElement parse_xml(std::string_view text, const XmlLimits& limits) {
  return Parser(text, limits).document();
}

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\r')
      out += "&#xD;";
    else if (byte < 0x20 && c != '\n' && c != '\t')
      out += "\xEF\xBF\xBD";
    else
      out += c;
  }
  return out;
}

XmlWriter::XmlWriter(bool with_declaration) {
  if (with_declaration) out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
}

void XmlWriter::open(std::string_view name, std::string_view attributes) {
  out_.append(1, '<').append(name).append(attributes).append(1, '>');
}

void XmlWriter::close(std::string_view name) { out_.append("</").append(name).append(1, '>'); }

void XmlWriter::text(std::string_view text) { out_ += escape_xml(text); }

void XmlWriter::element(std::string_view name, std::string_view value,
                        std::string_view attributes) {
  open(name, attributes);
  text(value);
  close(name);
}

}  // namespace slipway::wire
