#pragma once

// What ends a request or a task. Thrown where the work cannot go on; caught in
// three places only: the request's session, the task loop, and main.
//
// Code and message are part of the API: clients steer by both (see
// docs/formats/errors.md), so they are written where the operation is.

#include <stdexcept>
#include <string>

#include "base/json.h"

namespace slipway::base {

class Error : public std::runtime_error {
 public:
  // `code`: the service's error name, e.g. "ValidationException".
  // `status`: the HTTP status where the protocol does not fix one.
  // `detail`: further members of the error's shape; an object or null.
  Error(std::string code, const std::string& message, int status = 400, Json detail = nullptr)
      : std::runtime_error(message),
        code_(std::move(code)),
        status_(status),
        detail_(std::move(detail)) {}

  const std::string& code() const noexcept { return code_; }
  std::string message() const { return what(); }
  int status() const noexcept { return status_; }
  const Json& detail() const noexcept { return detail_; }

 private:
  std::string code_;
  int status_;
  Json detail_;
};

// Something that a correct program and a healthy machine do not meet: answered
// with 500 and logged with its message.
[[noreturn]] void throw_internal(const std::string& message);

// The same with the text of `errno`.
[[noreturn]] void throw_errno(const std::string& doing);

}  // namespace slipway::base

namespace slipway {
using base::Error;
}
