#include "notify/mime.h"

#include <gtest/gtest.h>

namespace slipway::notify {
namespace {

Mail mail() {
  return {"d-1",    "slipway@example.com", "", "ana@example.com", "Hello",
          "text\n", "<p>html</p>",         "", 1'700'000'000'000};
}

TEST(Headers, AreEncodedWhereTheyMustBe) {
  EXPECT_EQ(encode_header("Tumour 7 waits"), "Tumour 7 waits");
  EXPECT_EQ(encode_header("Prüfung"), "=?UTF-8?B?UHLDvGZ1bmc=?=");
  // What looks like an encoded word is one more reason.
  EXPECT_EQ(encode_header("=?x"), "=?UTF-8?B?PT94?=");
  // No line can be smuggled in.
  EXPECT_EQ(encode_header("a\r\nBcc: x").find("\r\nBcc"), std::string::npos);
}

TEST(Headers, AreFoldedBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "ü";
  const std::string encoded = encode_header(text);
  std::size_t start = 0;
  int words = 0;
  while (start < encoded.size()) {
    const std::size_t end = std::min(encoded.find("\r\n ", start), encoded.size());
    EXPECT_LE(end - start, 75u);
    ++words;
    start = end + 3;
  }
  EXPECT_EQ(words, 2);
  // 22 characters of two bytes: 44 of the 45 bytes, the 23rd is not cut in two.
  EXPECT_EQ(encoded.find("\r\n"), std::string("=?UTF-8?B?").size() + 60 + 2);
}

TEST(Mime, IsTheSameEachTime) {
  const std::string text = to_mime(mail());
  EXPECT_EQ(text, to_mime(mail()));
  EXPECT_EQ(text,
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
            "From: <slipway@example.com>\r\n"
            "To: <ana@example.com>\r\n"
            "Subject: Hello\r\n"
            "Message-ID: <d-1@example.com>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative; boundary=\"slipway-d-1\"\r\n"
            "\r\n"
            "--slipway-d-1\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            "\r\n"
            "dGV4dAo=\r\n"
            "--slipway-d-1\r\n"
            "Content-Type: text/html; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            "\r\n"
            "PHA+aHRtbDwvcD4=\r\n"
            "--slipway-d-1--\r\n");
}

TEST(Mime, NamesItsSenderAndTheWayOut) {
  Mail one = mail();
  one.from_name = "Health \"models\"";
  one.unsubscribe_url = "http://127.0.0.1:4700/?Action=Unsubscribe";
  const std::string text = to_mime(one);
  EXPECT_NE(text.find("From: \"Health \\\"models\\\"\" <slipway@example.com>\r\n"),
            std::string::npos);
  EXPECT_NE(text.find("List-Unsubscribe: <http://127.0.0.1:4700/?Action=Unsubscribe>\r\n"
                      "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            std::string::npos);
}

TEST(Mime, KeepsItsLinesShort) {
  Mail one = mail();
  one.text = std::string(10'000, 'x');
  one.subject = std::string(190, 'a') + "ö";
  const std::string text = to_mime(one);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find("\r\n", start);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - start, 200u);
    start = end + 2;
  }
}

TEST(Domains, OfMailboxes) {
  EXPECT_EQ(domain_of("slipway@example.com"), "example.com");
  EXPECT_EQ(domain_of("slipway"), "localhost");
  EXPECT_EQ(domain_of("slipway@"), "localhost");
}

}  // namespace
}  // namespace slipway::notify
