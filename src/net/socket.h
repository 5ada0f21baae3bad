#pragma once

// A connected, non-blocking socket. All bytes of a connection pass here, so encryption
// has one place to come in.

#include <cstddef>
#include <cstdint>

#include <sys/uio.h>

#include "base/file_descriptor.h"

namespace slipway::net {

enum class Transfer { kProgress, kWouldBlock, kClosed };

struct Moved {
  Transfer state = Transfer::kWouldBlock;
  std::size_t bytes = 0;
  // After a read: nothing more is there for now, so the next sign comes from epoll.
  bool drained = true;
};

enum class More { kNo, kFollows };  // kFollows: do not send a small packet yet

// Used by one thread at a time; shut_down() by any. Errors of the connection are kClosed.
class Socket {
 public:
  explicit Socket(base::FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  Moved read(char* to, std::size_t size) noexcept;
  Moved write(const iovec* parts, std::size_t count, More more = More::kNo) noexcept;
  // From the page cache to the socket. kClosed also where the file ends too early.
  Moved send_file(int file, std::uint64_t offset, std::uint64_t length) noexcept;

  void shut_down_writing() noexcept;
  // Both ways: whoever waits on the socket sees its end.
  void shut_down() noexcept;
  int descriptor() const noexcept { return descriptor_.get(); }

 private:
  base::FileDescriptor descriptor_;
};

}  // namespace slipway::net
