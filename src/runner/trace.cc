#include "runner/trace.h"

#include <algorithm>
#include <limits>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/error.h"

namespace slipway::runner {
namespace {

constexpr std::size_t kMuch = 256u << 10;
constexpr std::size_t kPiece = 1u << 20;  // longer than the engine's longest line
constexpr int kTries = 3;

void drain(int descriptor) {
  char buffer[4096];
  while (::read(descriptor, buffer, sizeof(buffer)) > 0) {
  }
}

}  // namespace

Trace::Trace(ci::Queue& queue, ci::Id job)
    : queue_(queue),
      job_(job),
      // No trace is so long: nothing is stored, and the answer has the size.
      size_(queue.append_trace(job, std::numeric_limits<std::int64_t>::max(), "").size) {}

void Trace::write(std::string_view text) {
  pending_ += text;
  if (pending_.size() >= kMuch) flush();
}

void Trace::flush() {
  for (int tries = 0; !pending_.empty() && !gone_ && tries < kTries; ++tries) {
    const ci::TraceResult result = queue_.append_trace(job_, size_, pending_);
    switch (result.outcome) {
      case ci::TraceResult::Outcome::kAccepted:
        size_ = result.size;
        pending_.clear();
        break;
      case ci::TraceResult::Outcome::kMismatch:
        size_ = result.size;  // somebody else's line came between
        break;
      case ci::TraceResult::Outcome::kGone:
      case ci::TraceResult::Outcome::kForbidden:
        gone_ = true;
        break;
    }
  }
  pending_.clear();
}

LogPiece parse_log(std::string_view bytes, bool at_end) {
  LogPiece piece;
  while (piece.consumed < bytes.size()) {
    std::string_view rest = bytes.substr(piece.consumed);
    std::size_t end = rest.find('\n');
    const bool complete = end != std::string_view::npos;
    if (!complete && !at_end) break;
    std::string_view line = rest.substr(0, end);
    // A line torn by a full disk has no time; it is kept as it is.
    const std::size_t blank = line.find(' ');
    if (blank == 13 && line.size() >= 16 && line[15] == ' ') line.remove_prefix(16);
    piece.text += line;
    piece.text += '\n';
    piece.consumed += complete ? end + 1 : rest.size();
  }
  return piece;
}

LogPiece LogTail::read(bool at_end) {
  if (!file_) {
    file_ = base::FileDescriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_) return {};
  }
  std::string bytes(kPiece, '\0');
  const ssize_t count =
      ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position_));
  if (count < 0) base::throw_errno("reading a job's output");
  bytes.resize(static_cast<std::size_t>(count));
  LogPiece piece = parse_log(bytes, at_end && bytes.size() < kPiece);
  position_ += piece.consumed;
  const std::uint64_t known = std::min<std::uint64_t>(skip_, piece.text.size());
  piece.text.erase(0, known);
  skip_ -= known;
  return piece;
}

Wake::Wake() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) base::throw_errno("making an event descriptor");
}

void Wake::ring() const {
  const std::uint64_t one = 1;
  if (::write(event_.get(), &one, sizeof(one)) < 0) return;  // it is ringing already
}

LogWatch::LogWatch(const std::filesystem::path& log, const Wake& wake)
    : wake_(wake), notices_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!notices_) base::throw_errno("watching a job's output");
  ::inotify_add_watch(notices_.get(), log.c_str(), IN_MODIFY);
}

void LogWatch::wait(std::chrono::milliseconds timeout) { wait_for(2, timeout); }

void LogWatch::rest(std::chrono::milliseconds timeout) { wait_for(1, timeout); }

void LogWatch::wait_for(int count, std::chrono::milliseconds timeout) {
  pollfd watched[] = {{wake_.descriptor(), POLLIN, 0}, {notices_.get(), POLLIN, 0}};
  const auto milliseconds = std::clamp<std::int64_t>(timeout.count(), 0, 60'000);
  if (::poll(watched, static_cast<nfds_t>(count), static_cast<int>(milliseconds)) <= 0) return;
  if (watched[0].revents != 0) drain(wake_.descriptor());
  if (count > 1 && watched[1].revents != 0) drain(notices_.get());
}

}  // namespace slipway::runner
