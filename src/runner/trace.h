#pragma once

// From a container's log to a job's trace.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "ci/queue.h"

namespace slipway::runner {

// Appends to a job's trace. Belongs to one thread.
class Trace {
 public:
  Trace(ci::Queue& queue, ci::Id job, std::uint64_t size) : queue_(queue), job_(job), size_(size) {}
  // Kept until flush(), or until it is much.
  void write(std::string_view text);
  void flush();
  std::uint64_t size() const { return size_; }  // as stored
  // The job is no longer this runner's: it was erased, or ended by somebody else.
  bool is_gone() const { return gone_; }

 private:
  ci::Queue& queue_;
  const ci::Id job_;
  std::uint64_t size_;
  std::string pending_;
  bool gone_ = false;
};

struct LogPiece {
  std::string text;            // what was printed, with "\n"
  std::uint64_t consumed = 0;  // bytes of the log
};
// Of lines "<epoch ms> <O|E> <text>". An unfinished last line is taken only at the log's end.
LogPiece parse_log(std::string_view bytes, bool at_end);

// Reads a log as it grows. Belongs to one thread.
class LogTail {
 public:
  LogTail(std::filesystem::path path, std::uint64_t position)
      : path_(std::move(path)), position_(position) {}
  // The next piece, at most 1 MiB of the log; empty where there is nothing new. The
  // position moves on only by advance().
  LogPiece read(bool at_end);
  void advance(const LogPiece& piece) { position_ += piece.consumed; }
  std::uint64_t position() const { return position_; }

 private:
  const std::filesystem::path path_;
  std::uint64_t position_;
  base::FileDescriptor file_;
};

// Wakes the thread that waits in LogWatch. Thread-safe.
class Wake {
 public:
  Wake();
  void ring() const;
  int descriptor() const { return event_.get(); }

 private:
  base::FileDescriptor event_;
};

// Waits for a log to grow or a Wake to ring. Belongs to one thread.
class LogWatch {
 public:
  LogWatch(const std::filesystem::path& log, const Wake& wake);
  void wait(std::chrono::milliseconds timeout);
  // The same without looking at the log: a breath between two appends.
  void rest(std::chrono::milliseconds timeout);

 private:
  void wait_for(int count, std::chrono::milliseconds timeout);

  const Wake& wake_;
  base::FileDescriptor notices_;
};

}  // namespace slipway::runner
