#pragma once

// The server's own log, to standard error. The message is a constant, lower-case
// sentence; what varies goes into the fields. Thread-safe.
//
//   log(Level::kInfo, "listening", {{"address", address}});
//
// kError: somebody must act. kWarning: somebody should look. kInfo: what happened.
// Nothing at kInfo or above may be written at will by a stranger.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace slipway::base {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct Field {
  std::string_view name;
  std::string value;
  Field(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  Field(std::string_view n, const char* v) : name(n), value(v) {}
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view n, Number v)
      : name(n), value(std::to_string(v)) {}
};

void log(Level level, std::string_view message, std::initializer_list<Field> fields = {});
// From the process's start on; the default is text from kInfo up.
void set_log(Level least, LogFormat format);

}  // namespace slipway::base

namespace slipway {
using base::Level;
using base::log;
}  // namespace slipway
