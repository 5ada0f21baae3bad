#pragma once

// S3's errors, with the codes, texts and details that its clients know.
// Source: the list of error responses in the S3 API reference.

#include <cstdint>
#include <string>

#include "base/error.h"

namespace slipway::objects {

Error no_such_bucket(const std::string& bucket);
Error no_such_key(const std::string& key);
Error no_such_version(const std::string& key, const std::string& version);
Error no_such_upload(const std::string& upload);
Error access_denied();
Error precondition_failed(const std::string& condition);
Error invalid_argument(const std::string& message, const std::string& name,
                       const std::string& value);
Error invalid_request(const std::string& message);
Error invalid_range(const std::string& range, std::uint64_t size);
Error malformed_xml();
Error not_implemented(const std::string& what);
Error bad_digest(const std::string& algorithm);

}  // namespace slipway::objects
