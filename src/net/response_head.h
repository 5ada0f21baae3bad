#pragma once

// A response's head as bytes, and how its body is delimited.

#include <cstdint>
#include <string>

#include "net/http.h"

namespace slipway::net {

// What the request and its connection allow of the response.
struct ResponseTerms {
  bool answers_head = false;  // the request was HEAD: no body
  int minor_version = 1;      // the client's
  bool keep_alive = true;
};

struct ResponseHead {
  std::string bytes;  // status line, fields, empty line
  bool has_body = true;
  bool chunked = false;
  bool keep_alive = true;
};

// Content-Length, Transfer-Encoding and Connection are the server's own: the response's fields
// of these names are dropped (but "Connection: close" is obeyed). Date and Server's absence
// as RFC 9110 wants: Date is added where the response has none. Control characters in
// values become spaces, and fields whose name is no token are dropped: no response can be split.
ResponseHead make_response_head(const Response& response, const ResponseTerms& terms);

// The whole of a short answer of the server's own, plain text, after which the connection closes.
std::string closing_answer(int status, std::string_view sentence);

}  // namespace slipway::net
