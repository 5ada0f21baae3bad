#pragma once

// The decisions of the room, without state or side effects.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "images/types.h"

namespace slipway::images {

// "sha256:" and 64 lower-case hexadecimal digits.
bool is_digest(std::string_view text) noexcept;
// The hexadecimal part. Requires is_digest().
std::string hex_of(std::string_view digest);
// OCI distribution, "name": lower-case components of letters and digits, joined by ".", "_",
// "__" or "-", separated by "/"; 2 to 256 characters, as ECR has it.
bool is_repository_name(std::string_view text) noexcept;
// OCI distribution, "reference": at most 128 characters.
bool is_tag(std::string_view text) noexcept;

// Nothing where `text` is no image reference. A first component with "." or ":" in it, or
// "localhost", is the host.
std::optional<Reference> parse_reference(std::string_view text);

// Reads a manifest or index of OCI or Docker. Throws Error{MANIFEST_INVALID} that says what is
// wrong. `content_type` may be empty where the text names its own media type.
ParsedManifest parse_manifest(std::string_view content, std::string_view content_type);

// The digest of an index's manifest for linux on `architecture` ("amd64"), or nothing.
std::optional<std::string> choose_platform(const Json& index, std::string_view architecture);
// The name that OCI has for this machine's architecture.
std::string_view native_architecture() noexcept;

// Whether a tag that is there already may be moved to another image.
bool may_move_tag(const Repository& repository, std::string_view tag);
// "*" stands for any text.
bool matches_wildcard(std::string_view pattern, std::string_view text) noexcept;

// Whether the Accept values (joined by commas) name the media type; an empty one accepts all.
bool accepts(std::string_view accept, std::string_view media_type);

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
};
// An upload's Content-Range: "<first>-<last>", with or without "bytes " and "/<total>".
std::optional<ByteRange> parse_content_range(std::string_view text);

enum class RangeKind { kWhole, kPart, kUnsatisfiable };
struct RangeDecision {
  RangeKind kind = RangeKind::kWhole;
  ByteRange range;
};
// A download's Range header against a content of `size` bytes. Several ranges, other units and
// broken text are answered with the whole, as RFC 9110 allows.
RangeDecision decide_range(std::string_view header, std::uint64_t size);

enum class RouteKind {
  kNone,
  kBase,
  kCatalog,
  kTags,
  kManifest,
  kBlob,
  kUploads,
  kUpload,
  kReferrers,
};
struct Route {
  RouteKind kind = RouteKind::kNone;
  std::string repository;
  std::string reference;  // tag, digest or upload id
};
// What a path under /v2/ names; it is read from its end, for repository names have slashes.
Route route_of(std::string_view path);

}  // namespace slipway::images
