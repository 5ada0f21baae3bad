#pragma once

// As much XML as the AWS protocols use: elements, attributes, text. Reading knows the five
// named entities and numeric ones, no document types, and limits depth and size.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::wire {

struct XmlElement {
  std::string name;                                             // without its prefix
  std::vector<std::pair<std::string, std::string>> attributes;  // with theirs: "xsi:type"
  std::string text;                                             // all of it, joined
  std::vector<XmlElement> children;

  const XmlElement* find(std::string_view child) const noexcept;  // the first of the name
};

struct XmlLimits {
  std::size_t depth = 64;
  std::size_t elements = 200'000;
  std::size_t bytes = 16u << 20;
};

// Throws Error{MalformedXML} with the byte where the document ends to be one.
XmlElement parse_xml(std::string_view text, const XmlLimits& limits = {});

// Text with what XML reserves escaped. Characters that XML 1.0 cannot hold become U+FFFD.
std::string escape_xml(std::string_view text);

// Writes elements one after the other.
class XmlWriter {
 public:
  explicit XmlWriter(bool with_declaration);
  // `attributes` is empty or begins with a space: ` xmlns="…"`.
  void open(std::string_view name, std::string_view attributes = "");
  void close(std::string_view name);
  void text(std::string_view text);
  void element(std::string_view name, std::string_view text, std::string_view attributes = "");
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace slipway::wire
