#pragma once

// The checksums that a client declares for its payload, compared with the payload.

#include <map>
#include <string>

#include "net/http.h"

namespace slipway::wire {

enum class ChecksumNeed { kOptional, kRequired };

// Verifies every x-amz-checksum-* of `headers` and `trailers`, and Content-MD5. Returns the former,
// {"x-amz-checksum-crc32", "…"}. Throws Error{BadDigest | InvalidDigest | InvalidRequest} in S3's
// words, the last also where one is required and none is there.
std::map<std::string, std::string> verify_checksums(const net::Headers& headers,
                                                    const net::Headers& trailers,
                                                    const net::Body& payload, ChecksumNeed need);

}  // namespace slipway::wire
