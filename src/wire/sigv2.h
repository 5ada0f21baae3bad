#pragma once

// Presigned URLs of Signature Version 2, for S3 alone: what boto3 still makes in us-east-1
// where nobody asks it for version 4.
// Format: "Signing and authenticating REST requests: query string request authentication
// alternative" in the Amazon S3 user guide.

#include <string>
#include <string_view>

#include "net/http.h"
#include "wire/sigv4.h"

namespace slipway::wire {

bool is_sigv2_url(const net::RequestHead& head) noexcept;

// `path` has the bucket in front, whatever the style of the URL. The claim that comes back is one
// of an unsigned payload. Throws Error as verify() does.
Verified verify_sigv2_url(const net::RequestHead& head, std::string_view path,
                          const Credentials& credentials, base::Millis now);

}  // namespace slipway::wire
