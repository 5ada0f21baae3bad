#pragma once

// The gateway's answers as text, and the requests that it makes of replicas.

#include <string>
#include <string_view>

#include "net/loop_handler.h"

namespace slipway::endpoints {

// `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& to, std::string_view text);
void append_number(std::string& to, std::uint64_t number);
void append_status_line(std::string& to, int status);
// "Name: value" and the line's end.
void append_field(std::string& to, std::string_view name, std::string_view value);

// The head of POST /invocations: what a model may see of the client's request.
void append_model_request(std::string& to, const net::RequestView& request);

// {"Message":"…"}; the error's name stands in x-amzn-ErrorType.
void append_error_body(std::string& to, std::string_view message);

// ModelError's members. `code`: "CLIENT_ERROR_FROM_MODEL" or "INTERNAL_FAILURE_FROM_MODEL".
struct ModelErrorText {
  std::string_view region;
  std::string_view account;
  std::string_view endpoint;
  int original_status = 0;  // 0: the model gave no answer
  std::string_view original_message;
};
void append_model_error_body(std::string& to, const ModelErrorText& text);

// Whether a model's answer's field reaches the client beside Content-Type.
bool is_relayed(std::string_view name) noexcept;

// The endpoint's name in "/endpoints/{name}/invocations"; empty where the target is another.
std::string_view endpoint_in(std::string_view target) noexcept;

}  // namespace slipway::endpoints
