#pragma once

// The additional checksums of S3: names, values, and those of objects in parts.
// Source: "Checking object integrity" of the S3 user guide.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "objects/types.h"

namespace slipway::objects {

// By S3's name ("CRC32"); nothing for those that this server can keep but not compute.
std::optional<base::Algorithm> checksum_algorithm(std::string_view name);

// {"x-amz-checksum-crc32": v} as {"CRC32": v}.
std::map<std::string, std::string> checksums_of_headers(
    const std::map<std::string, std::string>& headers);

// The members ChecksumCRC32, … of a request or a structure.
std::map<std::string, std::string> checksums_of_members(const Json& object);
void add_checksum_members(Json& object, const std::map<std::string, std::string>& checksums);

// FULL_OBJECT or COMPOSITE for an upload in parts: what the client asked, or the
// algorithm's default. Throws InvalidRequest for a pair that S3 does not have.
std::string decide_checksum_type(const std::string& algorithm, const std::string& asked);

// The checksum of an object from those of its parts; nothing where a part lacks it.
std::optional<std::string> checksum_of_parts(const std::string& algorithm, const std::string& type,
                                             const std::vector<Part>& parts);

// The CRC (raw, big-endian) of a followed by b, from both CRCs and b's length.
std::string combine_crc(base::Algorithm algorithm, std::string_view crc_a, std::string_view crc_b,
                        std::uint64_t length_b);

}  // namespace slipway::objects
