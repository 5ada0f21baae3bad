#pragma once

// The heads of HTTP/1.1 messages (RFC 9112) and the chunked coding, parsed strictly and
// in place: results are views into the caller's bytes.
//
// Two programs that read one byte stream differently can be made to see different
// requests in it (request smuggling). So whatever the standard leaves open is refused
// here rather than repaired: folded lines, bare line feeds, spaces before colons, two
// lengths, lengths beside codings, unknown codings.
//
// Nothing here throws, keeps state beyond its object or knows about threads.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "net/loop_handler.h"

namespace slipway::net {

enum class Progress { kIncomplete, kComplete, kBad };

// Why a message was refused: the status that answers it, and one sentence.
struct Refusal {
  int status = 0;
  std::string_view sentence;
};

enum class BodyKind { kNone, kLength, kChunked, kUntilClose };

struct MessageHead {
  std::vector<RequestView::Field> fields;  // keeps its capacity between messages
  std::size_t size = 0;                    // bytes of the head, the empty line included
  int minor_version = 1;                   // of HTTP/1
  BodyKind body = BodyKind::kNone;
  std::uint64_t content_length = 0;  // where body is kLength
  bool keep_alive = true;

  std::string_view header(std::string_view name) const noexcept;  // empty where absent
};

struct RequestLineAndHead : MessageHead {
  std::string_view method;
  // As sent. Of an absolute target ("http://host/path") only the path and the query; its
  // host then stands in the Host field.
  std::string_view target;
  bool expects_continue = false;
};

struct StatusLineAndHead : MessageHead {
  int status = 0;
  std::string_view reason;
};

// Parses one head after another. Not thread-safe.
class HeadParser {
 public:
  // A head of more than `limit` bytes is refused with 431.
  explicit HeadParser(std::size_t limit) noexcept : limit_(limit) {}

  // `bytes`: all that has arrived since the message's first byte; it may lie elsewhere
  // than at the call before. Bytes that were seen are not searched again.
  Progress parse(std::string_view bytes, RequestLineAndHead& head) noexcept;
  // The same for a response. `answers_head`: the request was HEAD, so no body follows.
  // A 1xx response is a head of its own without a body; the caller goes on to the next.
  Progress parse(std::string_view bytes, StatusLineAndHead& head, bool answers_head) noexcept;

  // After kBad.
  const Refusal& refusal() const noexcept { return refusal_; }
  // Before the next message.
  void reset() noexcept;

 private:
  Progress find_end(std::string_view bytes) noexcept;
  Progress refuse(int status, std::string_view sentence) noexcept;
  bool parse_fields(const char* at, const char* end, MessageHead& head) noexcept;
  bool note_field(RequestView::Field& field, MessageHead& head) noexcept;
  void note_connection(std::string_view value) noexcept;
  bool note_transfer_encoding(std::string_view value) noexcept;
  bool settle_request(RequestLineAndHead& head) noexcept;
  bool parse_request_line(const char* at, const char* end, RequestLineAndHead& head) noexcept;

  // What the fields said of the message, until the whole head is known.
  struct Noted {
    bool length = false;
    bool chunked = false;
    bool close = false;
    bool keep_alive = false;
    bool expects = false;
    bool expects_continue = false;
    std::size_t hosts = 0;
    std::size_t host_index = 0;
  };

  const std::size_t limit_;
  std::size_t begin_ = 0;       // of the start line: an empty line before it is skipped
  std::size_t line_start_ = 0;  // of the line that is being received
  std::size_t searched_ = 0;    // bytes known to hold no further line end
  std::size_t end_ = 0;         // one past the head
  Noted noted_;
  Refusal refusal_;
};

// Takes the chunked coding off a body, piece by piece. Trailer fields are checked and
// dropped. Not thread-safe.
class ChunkedDecoder {
 public:
  struct Step {
    Progress progress = Progress::kIncomplete;
    std::size_t consumed = 0;  // of the bytes given; all of them unless complete or bad
    std::size_t produced = 0;  // bytes of content, now at the start of the bytes given
  };
  // Decodes in place.
  Step decode(char* bytes, std::size_t size) noexcept;

 private:
  enum class State { kSize, kExtension, kSizeEnd, kData, kDataCr, kDataLf, kTrailer, kDone };
  bool take(char byte) noexcept;
  bool take_trailer(char byte) noexcept;

  State state_ = State::kSize;
  std::uint64_t left_ = 0;       // of the chunk
  std::size_t digits_ = 0;       // of its size
  std::size_t overhead_ = 0;     // bytes of this chunk's extension, or of the trailer
  std::size_t line_length_ = 0;  // of the trailer's current line
  bool after_cr_ = false;        // within the trailer
};

}  // namespace slipway::net
