#include "net/http.h"

#include <string>

#include <gtest/gtest.h>

#include "net/response_head.h"

namespace slipway::net {
namespace {

TEST(Headers, FindWithoutCaseAndKeepTheirOrder) {
  Headers headers;
  headers.add("B", "1");
  headers.add("a", "2");
  headers.add("b", "3");

  EXPECT_EQ(headers.get("b"), "1");
  EXPECT_FALSE(headers.find("c"));
  headers.set("b", "4");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.begin()->first, "a");
  EXPECT_EQ(headers.get("B"), "4");
}

TEST(Body, KnowsItsDigest) {
  EXPECT_EQ(Body("abc").sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(RequestHead, SplitsItsTarget) {
  RequestHead head;
  head.target = "/a%2Fb?x=1?y";
  EXPECT_EQ(head.path(), "/a%2Fb");
  EXPECT_EQ(head.query(), "x=1?y");
  head.target = "/a";
  EXPECT_EQ(head.query(), "");
}

TEST(ResponseHead, CannotBeSplitByAValue) {
  Response response = plain(200, "");
  response.headers.add("X-Name", "a\r\nSet-Cookie: b");
  response.headers.add("X Name", "c");

  const auto head = make_response_head(response, {});

  EXPECT_NE(head.bytes.find("X-Name: a  Set-Cookie: b\r\n"), std::string::npos);
  EXPECT_EQ(head.bytes.find("X Name"), std::string::npos);
}

TEST(ResponseHead, HasEachOfTheServersFieldsOnce) {
  Response response = plain(200, "abc");
  response.headers.add("Content-Length", "77");
  response.headers.add("Date", "Thu, 01 Jan 1970 00:00:00 GMT");
  response.headers.add("Connection", "close");

  const auto head = make_response_head(response, {});

  EXPECT_EQ(head.bytes,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 1970 00:00:00 "
            "GMT\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(head.keep_alive);
}

}  // namespace
}  // namespace slipway::net
