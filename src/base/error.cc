#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace slipway::base {

void throw_internal(const std::string& message) { throw Error("InternalError", message, 500); }

void throw_errno(const std::string& doing) {
  const int number = errno;
  throw_internal(doing + ": " + std::generic_category().message(number));
}

}  // namespace slipway::base
