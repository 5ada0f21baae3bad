#pragma once

// A container's log: what its two streams print, cut into lines with time and stream.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace slipway::containers {

enum class Stream { kOutput, kError };

// A longer line becomes several.
inline constexpr std::size_t kLongestLine = 256u << 10;

// Belongs to one thread. Writes to a descriptor that the caller keeps open; never throws: a
// full disk costs lines, not the container.
class OutputLog {
 public:
  // `limit`: bytes of the file; what comes after is dropped, and a last line says so.
  OutputLog(int descriptor, std::uint64_t limit);

  void take(Stream stream, std::string_view bytes, base::Millis now);
  // A line of the engine's own, on the error stream.
  void note(std::string_view text, base::Millis now);
  // Ends lines that have no line end yet.
  void finish(base::Millis now);

 private:
  void add_line(Stream stream, std::string_view text, base::Millis now);
  void write_out();

  const int descriptor_;
  const std::uint64_t limit_;
  std::array<std::string, 2> unfinished_;  // by stream
  std::string ready_;                      // lines to be written
  std::uint64_t written_ = 0;
  base::Millis last_ = 0;  // times never go back, so that readers may sort by them
  bool full_ = false;
};

}  // namespace slipway::containers
