#include "objects/decide.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/digest.h"
#include "base/strings.h"
#include "objects/errors.h"

namespace slipway::objects {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_edge(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }

bool is_ip_address(std::string_view name) {
  auto groups = base::split(name, '.');
  return groups.size() == 4 && std::all_of(groups.begin(), groups.end(), [](const std::string& g) {
           return !g.empty() && g.size() <= 3 && std::all_of(g.begin(), g.end(), is_digit);
         });
}

bool is_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  if (!is_name_edge(name.front()) || !is_name_edge(name.back())) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    if (!is_name_edge(c) && c != '-' && c != '.') return false;
    if (c == '.' && name[i - 1] == '.') return false;  // i > 0: the edge is no dot
  }
  if (is_ip_address(name)) return false;
  return !name.starts_with("xn--") && !name.starts_with("sthree-") && !name.ends_with("-s3alias") &&
         !name.ends_with("--ol-s3");
}

// Only digits, and few enough for 64 bits.
std::optional<std::uint64_t> parse_offset(std::string_view text) {
  if (text.empty() || text.size() > 18 || !std::all_of(text.begin(), text.end(), is_digit)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*base::parse_integer(text));
}

std::string_view without_quotes(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

// HTTP dates have whole seconds, so stored times are compared without their fraction.
base::Millis whole_seconds(base::Millis at) { return at - at % 1000; }

}  // namespace

std::string owner_id(const std::string& account) {
  return base::sha256_hex("slipway account " + account);
}

void check_bucket_name(const std::string& name) {
  if (is_bucket_name(name)) return;
  throw Error("InvalidBucketName", "The specified bucket is not valid.", 400,
              {{"BucketName", name}});
}

void check_key(const std::string& key) {
  if (key.size() > 1024) {
    throw Error("KeyTooLongError", "Your key is too long", 400,
                {{"Size", std::to_string(key.size())}, {"MaxSizeAllowed", "1024"}});
  }
  if (key.empty() || !base::is_utf8(key)) {
    throw Error("InvalidURI", "Couldn't parse the specified URI.", 400);
  }
}

void check_storage_class(const std::string& name) {
  static constexpr std::array<std::string_view, 8> kKnown = {
      "STANDARD",   "REDUCED_REDUNDANCY",  "STANDARD_IA",     "ONEZONE_IA",
      "GLACIER_IR", "INTELLIGENT_TIERING", "EXPRESS_ONEZONE", "OUTPOSTS"};
  if (std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end()) return;
  throw Error("InvalidStorageClass", "The storage class you specified is not valid", 400,
              {{"StorageClassRequested", name}});
}

void check_tags(const std::map<std::string, std::string>& tags, std::size_t limit) {
  if (tags.size() > limit) {
    throw Error("BadRequest", "Object tags cannot be greater than " + std::to_string(limit), 400);
  }
  for (const auto& [key, value] : tags) {
    if (key.empty() || key.size() > 128 * 4 || key.starts_with("aws:")) {
      throw Error("InvalidTag", "The TagKey you have provided is invalid", 400, {{"TagKey", key}});
    }
    if (value.size() > 256 * 4) {
      throw Error("InvalidTag", "The TagValue you have provided is invalid", 400,
                  {{"TagKey", key}});
    }
  }
}

std::map<std::string, std::string> parse_tagging(const std::string& header) {
  std::map<std::string, std::string> tags;
  for (auto& [key, value] : base::parse_query(header)) {
    if (key.empty() || !tags.emplace(key, value).second) {
      throw invalid_argument(
          "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
          "parameters without tag name duplicates.",
          "x-amz-tagging", header);
    }
  }
  check_tags(tags, 10);
  return tags;
}

std::optional<Range> decide_range(std::string_view header, std::uint64_t size) {
  if (!header.starts_with("bytes=")) return std::nullopt;
  std::string_view spec = base::trim(header.substr(6));
  std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) {
    return std::nullopt;
  }
  auto first = parse_offset(spec.substr(0, dash));
  auto last = parse_offset(spec.substr(dash + 1));
  if (dash == 0) {
    if (!last) return std::nullopt;
    if (*last == 0 || size == 0) throw invalid_range(std::string(header), size);
    std::uint64_t length = std::min(*last, size);
    return Range{size - length, length};
  }
  if (!first) return std::nullopt;
  bool open_ended = dash + 1 == spec.size();
  if (!open_ended && (!last || *last < *first)) return std::nullopt;
  if (*first >= size) throw invalid_range(std::string(header), size);
  std::uint64_t end = open_ended ? size - 1 : std::min(*last, size - 1);
  return Range{*first, end - *first + 1};
}

Range decide_copy_range(const std::string& header, std::uint64_t size) {
  std::string_view text = header;
  std::size_t dash = text.find('-');
  if (text.starts_with("bytes=") && dash != std::string_view::npos) {
    auto first = parse_offset(text.substr(6, dash - 6));
    auto last = parse_offset(text.substr(dash + 1));
    if (first && last && *first <= *last) {
      if (*last < size) return Range{*first, *last - *first + 1};
      throw invalid_argument(
          "Range specified is not valid for source object of size: " + std::to_string(size),
          "x-amz-copy-source-range", header);
    }
  }
  throw invalid_argument(
      "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
      "last are the zero-based offsets of the first and last bytes to copy",
      "x-amz-copy-source-range", header);
}

bool etag_matches(std::string_view list, std::string_view etag) {
  for (const std::string& item : base::split(list, ',')) {
    std::string_view candidate = base::trim(item);
    if (candidate == "*" || without_quotes(candidate) == without_quotes(etag)) return true;
  }
  return false;
}

ReadOutcome decide_read(const ReadConditions& conditions, const Version& version) {
  base::Millis modified = whole_seconds(version.modified);
  if (!conditions.if_match.empty()) {
    if (!etag_matches(conditions.if_match, version.etag)) return ReadOutcome::kPreconditionFailed;
  } else if (conditions.if_unmodified_since && modified > *conditions.if_unmodified_since) {
    return ReadOutcome::kPreconditionFailed;
  }
  if (!conditions.if_none_match.empty()) {
    if (etag_matches(conditions.if_none_match, version.etag)) return ReadOutcome::kNotModified;
  } else if (conditions.if_modified_since && modified <= *conditions.if_modified_since) {
    return ReadOutcome::kNotModified;
  }
  return ReadOutcome::kProceed;
}

void check_write(const WriteConditions& conditions, const std::string& key,
                 const std::optional<Version>& current) {
  if (!conditions.if_none_match.empty()) {
    if (conditions.if_none_match != "*") {
      throw Error("NotImplemented",
                  "A header you provided implies functionality that is not implemented", 501,
                  {{"Header", "If-None-Match"}});
    }
    if (current) throw precondition_failed("If-None-Match");
  }
  if (!conditions.if_match.empty()) {
    if (!current) throw no_such_key(key);
    if (!etag_matches(conditions.if_match, current->etag)) throw precondition_failed("If-Match");
  }
}

CopySource parse_copy_source(const std::string& header) {
  std::string path = header;
  CopySource source;
  // The query is split off before decoding: a "?" of the key comes as %3F.
  static constexpr std::string_view kVersion = "?versionId=";
  if (std::size_t at = path.rfind(kVersion); at != std::string::npos) {
    source.version = base::percent_decode(path.substr(at + kVersion.size()));
    path.resize(at);
  }
  path = base::percent_decode(path);
  if (path.starts_with("/")) path.erase(0, 1);
  std::size_t slash = path.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == path.size()) {
    throw invalid_argument("Invalid copy source object key", "x-amz-copy-source", header);
  }
  source.bucket = path.substr(0, slash);
  source.key = path.substr(slash + 1);
  return source;
}

std::vector<Part> decide_parts(const std::vector<ClaimedPart>& claimed,
                               const std::map<int, Part>& stored) {
  if (claimed.empty() || claimed.size() > kMostParts) throw malformed_xml();
  for (std::size_t i = 1; i < claimed.size(); ++i) {
    if (claimed[i].number <= claimed[i - 1].number) {
      throw Error("InvalidPartOrder",
                  "The list of parts was not in ascending order. Parts must be ordered by part "
                  "number.",
                  400);
    }
  }
  std::vector<Part> parts;
  for (const ClaimedPart& claim : claimed) {
    auto found = stored.find(claim.number);
    bool same =
        found != stored.end() && without_quotes(claim.etag) == without_quotes(found->second.etag);
    for (const auto& [algorithm, checksum] : claim.checksums) {
      if (!same) break;
      auto known = found->second.checksums.find(algorithm);
      same = known == found->second.checksums.end() || known->second == checksum;
    }
    if (!same) {
      throw Error("InvalidPart",
                  "One or more of the specified parts could not be found.  The part may not have "
                  "been uploaded, or the specified entity tag may not match the part's entity tag.",
                  400, {{"PartNumber", std::to_string(claim.number)}, {"ETag", claim.etag}});
    }
    parts.push_back(found->second);
  }
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i].content.size >= kSmallestPart) continue;
    throw Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
                400,
                {{"ProposedSize", std::to_string(parts[i].content.size)},
                 {"MinSizeAllowed", std::to_string(kSmallestPart)},
                 {"PartNumber", std::to_string(parts[i].number)},
                 {"ETag", std::string(without_quotes(parts[i].etag))}});
  }
  return parts;
}

std::string composite_etag(const std::vector<Part>& parts) {
  std::string digests;
  for (const Part& part : parts) {
    digests += base::from_hex(without_quotes(part.etag)).value_or("");
  }
  return "\"" + base::md5_hex(digests) + "-" + std::to_string(parts.size()) + "\"";
}

}  // namespace slipway::objects
