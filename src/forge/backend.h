#pragma once

// One run of `git http-backend`: a CGI program whose input is a file and whose output is given out
// piece by piece.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "net/http.h"

namespace slipway::forge {

struct BackendLimits {
  std::chrono::seconds time{3600};                 // then it is ended
  std::uint64_t output = std::uint64_t{64} << 30;  // bytes; then it is ended
};

// Not thread-safe. The destructor ends the process, which may take a few seconds where it does not
// want to, and reaps it.
class Backend {
 public:
  // The whole environment is given. Throws Error where it cannot be started.
  Backend(const std::map<std::string, std::string>& environment, base::FileDescriptor input,
          BackendLimits limits);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  struct Head {
    int status = 200;
    net::Headers headers;
  };
  // First. Throws Error where the program gives none.
  Head head();
  // The next piece of the body; nothing after the last one. Throws Error where a limit is reached.
  std::optional<std::string> next();

 private:
  std::optional<std::string> read_piece();
  void take_errors();
  void reap();

  const std::chrono::steady_clock::time_point deadline_;
  std::uint64_t output_left_;
  int process_ = -1;
  base::FileDescriptor output_;
  base::FileDescriptor error_;
  std::string errors_;   // the beginning of what it said, for the log
  std::string waiting_;  // read with the head, and of the body
};

// A file without a name that holds these bytes, to be read from its beginning.
base::FileDescriptor file_in_memory(const std::string& bytes);

}  // namespace slipway::forge
