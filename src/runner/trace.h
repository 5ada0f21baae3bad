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
  // Goes on at the trace's size, which it asks for.
  Trace(ci::Queue& queue, ci::Id job);
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
  // `skip`: bytes of text from the log's begin that are known already. A trace has a log's text
  // byte for byte, so its size says how far it was read.
  LogTail(std::filesystem::path path, std::uint64_t skip) : path_(std::move(path)), skip_(skip) {}
  // The next piece, at most 1 MiB of the log; consumed 0 where there is nothing new.
  LogPiece read(bool at_end);

 private:
  const std::filesystem::path path_;
  std::uint64_t position_ = 0;
  std::uint64_t skip_;
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
