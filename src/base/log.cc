#include "base/log.h"

#include <atomic>
#include <memory>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.h"

namespace slipway::base {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";
// The line's tail, "%v", is made by json_line and closes the object.
constexpr const char* kJsonPattern = R"({"at":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)";

spdlog::level::level_enum severity(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The process's one standard error.
struct Sink {
  Sink() : logger("slipway", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()) {
    logger.set_pattern(kTextPattern, spdlog::pattern_time_type::utc);
  }
  spdlog::logger logger;
  std::atomic<LogFormat> format{LogFormat::kText};
};

Sink& sink() {
  // Never destroyed: threads may still log while the process ends.
  static Sink& instance = *new Sink;
  return instance;
}

// Values that could be mistaken for something else are quoted, so that a line stays a line.
std::string text_value(const std::string& value) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || c == '"' || c == '=' || c == '\\' || byte >= 0x7F) return dump_json(value);
  }
  return value.empty() ? "\"\"" : value;
}

std::string text_line(std::string_view message, std::initializer_list<Field> fields) {
  std::string line(message);
  for (const Field& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    line += text_value(field.value);
  }
  return line;
}

std::string json_line(std::string_view message, std::initializer_list<Field> fields) {
  Json object = Json::object();
  object["message"] = message;
  for (const Field& field : fields) object["fields"][std::string(field.name)] = field.value;
  return dump_json(object).substr(1);
}

}  // namespace

void log(Level level, std::string_view message, std::initializer_list<Field> fields) {
  Sink& out = sink();
  if (!out.logger.should_log(severity(level))) return;
  const std::string line =
      out.format == LogFormat::kJson ? json_line(message, fields) : text_line(message, fields);
  out.logger.log(severity(level), spdlog::string_view_t(line.data(), line.size()));
}

void set_log(Level least, LogFormat format) {
  Sink& out = sink();
  out.logger.set_level(severity(least));
  out.format = format;
  out.logger.set_pattern(format == LogFormat::kJson ? kJsonPattern : kTextPattern,
                         spdlog::pattern_time_type::utc);
}

}  // namespace slipway::base
