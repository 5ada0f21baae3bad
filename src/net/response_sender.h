#pragma once

// Sends one response over a non-blocking socket, as far as it takes bytes; to be called
// again when it takes more.

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "net/http.h"
#include "net/response_head.h"
#include "net/socket.h"

namespace slipway::net {

// Used by one thread at a time.
class ResponseSender {
 public:
  // Opens the file of a FileSlice: throws Error where it cannot be read.
  ResponseSender(Response response, const ResponseTerms& terms);

  enum class State { kSent, kWouldBlock, kClosed };
  // kClosed: the client is gone, or the file is shorter than promised. Throws what a
  // Stream throws; the connection is then beyond repair.
  State send(Socket& socket);
  bool keep_alive() const noexcept { return head_.keep_alive; }
  // Bytes that the socket has taken so far.
  std::uint64_t sent() const noexcept { return total_; }

 private:
  State flush(Socket& socket, More more);
  State send_file(Socket& socket);
  bool next_piece();
  void open_file();

  Response response_;
  ResponseHead head_;
  // What goes out next: the head and a body in memory, or a chunk's size, bytes and end.
  std::array<std::string, 3> parts_;
  std::size_t taken_ = 0;  // bytes of the parts that the socket took
  std::uint64_t total_ = 0;
  base::FileDescriptor file_;
  std::uint64_t file_at_ = 0;
  std::uint64_t file_left_ = 0;
  bool streaming_ = false;
};

}  // namespace slipway::net
