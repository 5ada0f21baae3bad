#include "containers/output.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace slipway::containers {

OutputLog::OutputLog(int descriptor, std::uint64_t limit)
    : descriptor_(descriptor), limit_(limit) {}

void OutputLog::take(Stream stream, std::string_view bytes, base::Millis now) {
  std::string& unfinished = unfinished_[static_cast<std::size_t>(stream)];
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t room = kLongestLine - unfinished.size();
    const std::size_t length = std::min(end == std::string_view::npos ? bytes.size() : end, room);
    unfinished.append(bytes.substr(0, length));
    bytes.remove_prefix(length);
    const bool line_end = !bytes.empty() && bytes.front() == '\n';
    if (!line_end && unfinished.size() < kLongestLine) break;
    if (line_end) bytes.remove_prefix(1);
    add_line(stream, unfinished, now);
    unfinished.clear();
  }
  write_out();
}

void OutputLog::note(std::string_view text, base::Millis now) {
  add_line(Stream::kError, std::string("slipway: ").append(text), now);
  write_out();
}

void OutputLog::finish(base::Millis now) {
  for (const Stream stream : {Stream::kOutput, Stream::kError}) {
    std::string& unfinished = unfinished_[static_cast<std::size_t>(stream)];
    if (!unfinished.empty()) add_line(stream, unfinished, now);
    unfinished.clear();
  }
  write_out();
}

void OutputLog::add_line(Stream stream, std::string_view text, base::Millis now) {
  if (full_) return;
  if (text.ends_with('\r')) text.remove_suffix(1);
  last_ = std::max(last_, now);
  const std::string time = std::to_string(last_);
  const std::size_t length = time.size() + text.size() + 4;
  if (written_ + ready_.size() + length > limit_) {
    full_ = true;
    ready_ += time + " E slipway: the log has reached its limit of " + std::to_string(limit_) +
              " bytes; further output is not kept\n";
    return;
  }
  ready_ += time;
  ready_ += stream == Stream::kOutput ? " O " : " E ";
  ready_ += text;
  ready_ += '\n';
}

void OutputLog::write_out() {
  std::string_view rest = ready_;
  while (!rest.empty()) {
    const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(count));
    written_ += static_cast<std::uint64_t>(count);
  }
  // After a full disk the torn line is ended with the next one, by its reader's rules.
  ready_.clear();
}

}  // namespace slipway::containers
