#pragma once

// Time as an argument. Code that decides by time takes a Clock, so that tests
// can move it.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

// Milliseconds since the Unix epoch, UTC.
using Millis = std::int64_t;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Millis now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Millis now() const override;
};

// Stands still until it is moved.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Millis start = 1'700'000'000'000) : now_(start) {}
  Millis now() const override;
  void advance(Millis by);

 private:
  mutable std::mutex mutex_;
  Millis now_;
};

// "2026-11-22T16:52:00.123Z"
std::string iso8601_millis(Millis at);
// "2026-11-22T16:52:00Z"
std::string iso8601(Millis at);
// "20261122T165200Z", as SigV4 writes it.
std::string basic_time(Millis at);
// "Sun, 22 Nov 2026 16:52:00 GMT" (RFC 9110 IMF-fixdate).
std::string http_date(Millis at);

// The inverses; nothing where the text is not of the form. ISO 8601 with or
// without fraction, "Z" or an offset.
std::optional<Millis> parse_iso8601(std::string_view text);
std::optional<Millis> parse_basic_time(std::string_view text);
std::optional<Millis> parse_http_date(std::string_view text);

// Epoch seconds with three decimals: the timestamp of the AWS JSON protocols and
// of Slipway's own documents.
double epoch_seconds(Millis at);
Millis from_epoch_seconds(double seconds);

}  // namespace slipway::base
