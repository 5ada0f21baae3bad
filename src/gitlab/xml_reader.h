#pragma once

// Reads XML piece by piece: elements, attributes, text. Strict, and bounded in depth, elements and
// bytes; it knows the five named entities and numeric ones, and refuses document types.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::gitlab {

struct XmlLimits {
  std::size_t depth = 64;
  std::size_t elements = 1'000'000;
};

struct XmlPiece {
  enum class Kind { kStart, kEnd, kText, kDone } kind = Kind::kDone;
  std::string name;  // with its prefix
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string text;

  // Empty where there is none.
  std::string_view attribute(std::string_view attribute_name) const;
};

// Of one document, or of several that follow one another, as runners pack several reports into
// one file. The text outlives the reader.
class XmlReader {
 public:
  explicit XmlReader(std::string_view text, const XmlLimits& limits = {});
  // Throws Error{MalformedXML} with the line. kDone once all documents have ended.
  XmlPiece next();

 private:
  [[noreturn]] void fail(const std::string& why) const;
  bool comes(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  void skip_spaces();
  void skip_past(std::string_view end);
  void expect(char c);
  XmlPiece start();
  XmlPiece end();
  XmlPiece text();
  std::string name();
  std::string attribute_value();
  void append(std::string& out, std::string_view characters) const;
  void entity(std::string& out);
  std::uint32_t code_of(std::string_view digits) const;

  const std::string_view text_;
  const XmlLimits limits_;
  std::size_t at_ = 0;
  std::size_t elements_ = 0;
  std::vector<std::string> open_;
  bool closes_ = false;  // the element that was just opened has no contents
};

}  // namespace slipway::gitlab
