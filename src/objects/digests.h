#pragma once

// MD5 and any further checksums of a content in one pass over it.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::objects {

struct Digests {
  std::string md5;                               // raw; empty where not computed
  std::map<std::string, std::string> checksums;  // "CRC32" -> base64
};

// Calls its argument with the pieces of the content in order.
using Pieces = std::function<void(const std::function<void(std::string_view)>&)>;

// `algorithms`: S3's names. Throws InvalidRequest for one that this server cannot compute.
Digests compute_digests(const Pieces& pieces, const std::vector<std::string>& algorithms);

}  // namespace slipway::objects
