#pragma once

// S3's "aws-chunked" framing inside an HTTP body, taken off: chunks with or without a
// signature each, and trailers.
// Format: "Signature calculations for the Authorization header: transferring payload in
// multiple chunks" in the Amazon S3 API reference.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"
#include "store/files.h"
#include "wire/sigv4.h"

namespace slipway::wire {

struct ChunkedPayload {
  net::Body body;
  net::Headers trailers;
};

// What the request's head promised about its chunks.
struct ChunkPromise {
  bool is_signed = false;    // each chunk
  bool has_trailer = false;  // after the last
  // Where signed: the key, the head's signature, and what they were made with.
  std::string signing_key;
  std::string signature;
  std::string time;
  std::string scope;
  std::optional<std::uint64_t> decoded_length;
};

// Nothing where the claim's payload is not a streaming one. Throws Error{NotImplemented, 501}
// for a kind that is unknown here.
std::optional<ChunkPromise> chunk_promise(const Verified& verified, const net::Headers& headers);

// The payload without framing: in memory where `framed` is, otherwise a file of `spool`. Throws
// Error{SignatureDoesNotMatch, 403}, Error{IncompleteBody} or Error{InvalidRequest}.
ChunkedPayload decode_chunks(const net::Body& framed, const ChunkPromise& promise,
                             store::Spool* spool);

}  // namespace slipway::wire
