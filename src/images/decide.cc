#include "images/decide.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::images {
namespace {

bool is_lower_or_digit(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_component(std::string_view text) noexcept {
  if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) {
    return false;
  }
  for (std::size_t at = 0; at < text.size();) {
    if (is_lower_or_digit(text[at])) {
      ++at;
      continue;
    }
    const std::size_t end = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(),
                                         is_lower_or_digit) -
                            text.begin();
    const std::string_view separator = text.substr(at, end - at);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    at = end;
  }
  return true;
}

[[noreturn]] void invalid_manifest(const std::string& why) {
  throw Error("MANIFEST_INVALID", "manifest invalid: " + why, 400);
}

Descriptor read_descriptor(const Json& value, const std::string& where) {
  if (!value.is_object()) invalid_manifest(where + " is not a descriptor");
  Descriptor result;
  result.media_type = base::text_or(value, "mediaType");
  result.digest = base::text_or(value, "digest");
  if (!is_digest(result.digest)) invalid_manifest(where + " has no sha256 digest");
  const std::int64_t size = base::integer_or(value, "size", -1);
  if (size < 0) invalid_manifest(where + " has no size");
  result.size = static_cast<std::uint64_t>(size);
  return result;
}

bool is_foreign(const Json& layer) {
  // Such a layer lies where its "urls" say; registries neither get nor check it.
  return !base::array_or_empty(layer, "urls").empty();
}

void read_index(const Json& json, ParsedManifest& result) {
  if (!json.contains("manifests") || !json["manifests"].is_array()) {
    invalid_manifest("an index needs \"manifests\"");
  }
  for (const Json& item : json["manifests"]) {
    result.manifests.push_back(read_descriptor(item, "manifests[]"));
  }
}

void read_image(const Json& json, ParsedManifest& result) {
  if (!json.contains("config")) invalid_manifest("\"config\" is missing");
  if (!json.contains("layers") || !json["layers"].is_array()) {
    invalid_manifest("\"layers\" is missing");
  }
  result.blobs.push_back(read_descriptor(json["config"], "config"));
  if (result.artifact_type.empty()) result.artifact_type = result.blobs.front().media_type;
  for (const Json& layer : json["layers"]) {
    const Descriptor descriptor = read_descriptor(layer, "layers[]");
    if (!is_foreign(layer)) result.blobs.push_back(descriptor);
  }
  for (const Descriptor& blob : result.blobs) {
    if (blob.size > kBlobLimit) invalid_manifest("a blob is larger than this registry keeps");
    result.image_size += blob.size;
  }
}

bool is_host(std::string_view text) {
  if (text.empty()) return false;
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return kLetters.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(std::string(kLetters) + ".:-") == std::string_view::npos;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto value = base::parse_integer(text);
  if (!value || *value < 0 || text.front() == '+') return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

}  // namespace

bool is_digest(std::string_view text) noexcept {
  if (text.size() != 71 || !text.starts_with("sha256:")) return false;
  return std::all_of(text.begin() + 7, text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string hex_of(std::string_view digest) { return std::string(digest.substr(7)); }

bool is_repository_name(std::string_view text) noexcept {
  if (text.size() < 2 || text.size() > 256) return false;
  for (std::size_t from = 0;;) {
    const std::size_t slash = text.find('/', from);
    const std::size_t length = slash == std::string_view::npos ? slash : slash - from;
    if (!is_component(text.substr(from, length))) return false;
    if (slash == std::string_view::npos) return true;
    from = slash + 1;
  }
}

bool is_tag(std::string_view text) noexcept {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
  });
}

std::optional<Reference> parse_reference(std::string_view text) {
  Reference result;
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view first = text.substr(0, slash);
    if (first.find_first_of(".:") != std::string_view::npos || first == "localhost") {
      if (!is_host(first)) return std::nullopt;
      result.host = first;
      text.remove_prefix(slash + 1);
    }
  }
  const std::size_t at = text.find('@');
  if (at != std::string_view::npos) {
    result.digest = text.substr(at + 1);
    if (!is_digest(result.digest)) return std::nullopt;
    text = text.substr(0, at);
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    // A digest says more than a tag, so a tag before it is only for people.
    if (!is_tag(text.substr(colon + 1))) return std::nullopt;
    if (result.digest.empty()) result.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
  } else if (result.digest.empty()) {
    result.tag = "latest";
  }
  if (!is_repository_name(text)) return std::nullopt;
  result.repository = text;
  return result;
}

ParsedManifest parse_manifest(std::string_view content, std::string_view content_type) {
  const std::optional<Json> json = base::try_parse_json(content);
  if (!json || !json->is_object()) invalid_manifest("it is not a JSON object");
  if (base::integer_or(*json, "schemaVersion", 0) != 2) {
    invalid_manifest("only schemaVersion 2 is supported");
  }
  content_type = base::trim(content_type.substr(0, content_type.find(';')));
  ParsedManifest result;
  result.media_type = base::text_or(*json, "mediaType", content_type);
  if (!content_type.empty() && content_type != result.media_type) {
    invalid_manifest("Content-Type is " + std::string(content_type) + ", mediaType is " +
                     result.media_type);
  }
  if (result.media_type.empty()) {
    result.media_type = json->contains("manifests") ? kOciIndex : kOciManifest;
  }
  result.is_index = result.media_type == kOciIndex || result.media_type == kDockerList;
  if (!result.is_index && result.media_type != kOciManifest &&
      result.media_type != kDockerManifest) {
    invalid_manifest("media type " + result.media_type + " is not supported");
  }
  result.artifact_type = base::text_or(*json, "artifactType");
  result.annotations = base::object_or_empty(*json, "annotations");
  if (json->contains("subject") && !(*json)["subject"].is_null()) {
    result.subject = read_descriptor((*json)["subject"], "subject").digest;
  }
  if (result.is_index) {
    read_index(*json, result);
  } else {
    read_image(*json, result);
  }
  return result;
}

std::optional<std::string> choose_platform(const Json& index, std::string_view architecture) {
  for (const Json& item : base::array_or_empty(index, "manifests")) {
    const Json& platform = base::object_or_empty(item, "platform");
    const std::string digest = base::text_or(item, "digest");
    if (base::text_or(platform, "os") == "linux" &&
        base::text_or(platform, "architecture") == architecture && is_digest(digest)) {
      return digest;
    }
  }
  return std::nullopt;
}

std::string_view native_architecture() noexcept {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#elif defined(__powerpc64__)
  return "ppc64le";
#elif defined(__s390x__)
  return "s390x";
#elif defined(__riscv)
  return "riscv64";
#else
  return "unknown";
#endif
}

bool matches_wildcard(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool may_move_tag(const Repository& repository, std::string_view tag) {
  const bool usually = repository.tag_mutability.starts_with("MUTABLE");
  if (!repository.tag_mutability.ends_with("_WITH_EXCLUSION")) return usually;
  for (const Json& filter : repository.exclusion_filters) {
    if (matches_wildcard(base::text_or(filter, "filter"), tag)) return !usually;
  }
  return usually;
}

bool accepts(std::string_view accept, std::string_view media_type) {
  if (base::trim(accept).empty()) return true;
  for (const std::string& item : base::split(accept, ',')) {
    const std::string_view name = base::trim(std::string_view(item).substr(0, item.find(';')));
    if (name == media_type || name == "*/*" || name == "application/*") return true;
  }
  return false;
}

std::optional<ByteRange> parse_content_range(std::string_view text) {
  text = base::trim(text);
  if (text.starts_with("bytes ") || text.starts_with("bytes=")) text.remove_prefix(6);
  text = base::trim(text.substr(0, text.find('/')));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == text.size()) return std::nullopt;
  const auto first = parse_size(text.substr(0, dash));
  const auto last = parse_size(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return ByteRange{*first, *last};
}

RangeDecision decide_range(std::string_view header, std::uint64_t size) {
  header = base::trim(header);
  if (!header.starts_with("bytes=")) return {};
  header.remove_prefix(6);
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return {};
  const std::string_view from = base::trim(header.substr(0, dash));
  const std::string_view to = base::trim(header.substr(dash + 1));
  if (from.empty()) {
    if (to.empty()) return {};
    const auto suffix = parse_size(to);
    if (!suffix) return {};
    if (*suffix == 0 || size == 0) return {RangeKind::kUnsatisfiable, {}};
    return {RangeKind::kPart, {size - std::min(*suffix, size), size - 1}};
  }
  const auto first = parse_size(from);
  const auto last = to.empty() ? std::optional<std::uint64_t>(UINT64_MAX) : parse_size(to);
  if (!first || !last || *last < *first) return {};
  if (*first >= size) return {RangeKind::kUnsatisfiable, {}};
  return {RangeKind::kPart, {*first, std::min(*last, size - 1)}};
}

Route route_of(std::string_view path) {
  if (path == "/v2" || path == "/v2/") return {RouteKind::kBase, "", ""};
  if (!path.starts_with("/v2/")) return {};
  path.remove_prefix(4);
  if (path == "_catalog") return {RouteKind::kCatalog, "", ""};
  if (path.ends_with("/tags/list")) {
    return {RouteKind::kTags, std::string(path.substr(0, path.size() - 10)), ""};
  }
  for (const std::string_view form : {"/blobs/uploads/", "/blobs/uploads"}) {
    if (path.ends_with(form)) {
      return {RouteKind::kUploads, std::string(path.substr(0, path.size() - form.size())), ""};
    }
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string reference(path.substr(slash + 1));
  const std::string_view before = path.substr(0, slash);
  struct Form {
    std::string_view suffix;
    RouteKind kind;
  };
  // The longer one first, for both end in a segment of their own.
  for (const Form form :
       {Form{"/blobs/uploads", RouteKind::kUpload}, Form{"/blobs", RouteKind::kBlob},
        Form{"/manifests", RouteKind::kManifest}, Form{"/referrers", RouteKind::kReferrers}}) {
    if (before.ends_with(form.suffix)) {
      return {form.kind, std::string(before.substr(0, before.size() - form.suffix.size())),
              reference};
    }
  }
  return {};
}

}  // namespace slipway::images
