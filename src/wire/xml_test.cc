#include "wire/xml.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::wire {
namespace {

std::string refusal(const std::string& text, const XmlLimits& limits = {}) {
  try {
    parse_xml(text, limits);
    return "";
  } catch (const Error& error) {
    const std::string message = error.message();
    const std::size_t start = message.find("(the document ") + 14;
    return message.substr(start, message.rfind(", at byte") - start);
  }
}

TEST(XmlReader, ReadsElementsAttributesAndText) {
  const XmlElement root = parse_xml(
      "<?xml version=\"1.0\"?><!-- hi -->\n<a:Root xmlns:a=\"u\" x='1 &lt; 2'><b>t&amp;x</b><c/>"
      "<b><![CDATA[<raw>]]> &#x41;&#66;</b></a:Root>\n");
  EXPECT_EQ(root.name, "Root");
  ASSERT_EQ(root.attributes.size(), 2u);
  EXPECT_EQ(root.attributes[1].second, "1 < 2");
  ASSERT_EQ(root.children.size(), 3u);
  EXPECT_EQ(root.children[0].text, "t&x");
  EXPECT_EQ(root.children[2].text, "<raw> AB");
  EXPECT_EQ(root.find("c")->text, "");
  EXPECT_EQ(root.find("d"), nullptr);
}

TEST(XmlReader, RefusesWhatIsNoDocument) {
  EXPECT_EQ(refusal(""), "lacks '<'");
  EXPECT_EQ(refusal("<a>"), "ends too early");
  EXPECT_EQ(refusal("<a></b>"), "closes another element than it opened");
  EXPECT_EQ(refusal("<a></a><b/>"), "goes on after its root");
  EXPECT_EQ(refusal("<a b></a>"), "lacks '='");
  EXPECT_EQ(refusal("<a b=\"1></a>"), "has '<' in an attribute");
  EXPECT_EQ(refusal("<a>&nbsp;</a>"), "has an unknown entity");
  EXPECT_EQ(refusal("<a>&#0;</a>"), "refers to no character");
  EXPECT_EQ(refusal("<a>&#xD800;</a>"), "refers to no character");
  EXPECT_EQ(refusal("<a>& b</a>"), "has an entity without end");
}

TEST(XmlReader, KnowsNoDocumentTypes) {
  EXPECT_EQ(refusal("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>"),
            "lacks a name");
}

TEST(XmlReader, KeepsToItsLimits) {
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "<a>";
  EXPECT_EQ(refusal(deep), "nests too deep");
  EXPECT_EQ(refusal("<a><b/><b/></a>", {.elements = 2}), "has too many elements");
  EXPECT_EQ(refusal("<a>12345</a>", {.bytes = 5}), "is too large");
}

TEST(XmlWriter, EscapesWhatXmlReserves) {
  XmlWriter writer(false);
  writer.open("a", " b=\"1\"");
  writer.element("c", "<&>\"\r\x01");
  writer.close("a");
  EXPECT_EQ(writer.take(), "<a b=\"1\"><c>&lt;&amp;&gt;&quot;&#xD;\xEF\xBF\xBD</c></a>");
}

}  // namespace
}  // namespace slipway::wire
