#include "wire/sigv4_canonical.h"

#include <algorithm>

#include "base/strings.h"
#include "wire/sigv4_keys.h"

namespace slipway::wire {
namespace {

std::string_view path_of(std::string_view target) noexcept {
  return target.substr(0, target.find('?'));
}

std::string_view query_of(std::string_view target) noexcept {
  const std::size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

// Dot segments resolved and repeated slashes made one (RFC 3986, section 5.2.4, and more).
std::string normalized_path(std::string_view path) {
  std::vector<std::string_view> kept;
  bool directory = false;  // whether the last segment leaves a "/" behind
  std::size_t at = 0;
  while (at <= path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    directory = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!directory) {
      kept.push_back(segment);
    }
    at = end + 1;
  }
  std::string result;
  for (const std::string_view segment : kept) result.append(1, '/').append(segment);
  if (directory || result.empty()) result += '/';
  return result;
}

void append_canonical_path(std::string& out, std::string_view path, PathStyle style,
                           bool normalize) {
  if (path.empty()) {
    out += '/';
  } else if (style == PathStyle::kS3) {
    // S3's clients encode once; decoding first makes equal what they encode differently.
    out += base::percent_encode(base::percent_decode(path), base::Slash::kKeep);
  } else if (normalize && is_normalizable(path)) {
    out += base::percent_encode(normalized_path(path), base::Slash::kKeep);
  } else {
    out += base::percent_encode(path, base::Slash::kKeep);
  }
}

void append_canonical_query(std::string& out, std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::size_t at = 0;
  while (at < query.size()) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string_view pair = query.substr(at, end - at);
    at = end + 1;
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name = base::percent_encode(base::percent_decode(pair.substr(0, equals)));
    if (name == "X-Amz-Signature") continue;
    std::string value;
    if (equals < pair.size())
      value = base::percent_encode(base::percent_decode(pair.substr(equals + 1)));
    pairs.emplace_back(std::move(name), std::move(value));
  }
  std::sort(pairs.begin(), pairs.end());
  bool first = true;
  for (const auto& [name, value] : pairs) {
    if (!first) out += '&';
    first = false;
    out.append(name).append(1, '=').append(value);
  }
}

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Without space around it, and with one space for many within.
void append_trimmed(std::string& out, std::string_view value) {
  while (!value.empty() && is_space(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_space(value.back())) value.remove_suffix(1);
  while (!value.empty()) {
    const std::size_t end = std::min(value.find_first_of(" \t\r\n"), value.size());
    out.append(value.substr(0, end));
    value.remove_prefix(end);
    if (value.empty()) return;
    out += ' ';
    while (is_space(value.front())) value.remove_prefix(1);  // the last one is none
  }
}

}  // namespace

HeadView::HeadView(const net::RequestHead& head) {
  fields_.reserve(head.headers.size());
  for (const auto& [name, value] : head.headers) fields_.push_back({name, value});
  view_.method = head.method;
  view_.target = head.target;
  view_.fields = fields_.data();
  view_.field_count = fields_.size();
}

PathStyle path_style_of(std::string_view service) noexcept {
  return service == "s3" ? PathStyle::kS3 : PathStyle::kNormalized;
}

bool is_normalizable(std::string_view target) noexcept {
  return target.find("/.") != std::string_view::npos ||
         target.find("//") != std::string_view::npos || !target.starts_with('/');
}

std::string canonical_request(const net::RequestView& request,
                              std::span<const std::string_view> signed_headers,
                              std::string_view payload_sha256, PathStyle style, bool normalize) {
  std::string out;
  out.reserve(1024);
  out.append(request.method).append(1, '\n');
  append_canonical_path(out, path_of(request.target), style, normalize);
  out += '\n';
  append_canonical_query(out, query_of(request.target));
  out += '\n';
  for (const std::string_view name : signed_headers) {
    out.append(name).append(1, ':');
    bool first = true;
    for (std::size_t i = 0; i < request.field_count; ++i) {
      const std::string_view field = request.fields[i].name;
      if (field.size() != name.size() || !base::equals_ignoring_case(field, name)) continue;
      if (!first) out += ',';
      first = false;
      append_trimmed(out, request.fields[i].value);
    }
    out += '\n';
  }
  out += '\n';
  for (std::size_t i = 0; i < signed_headers.size(); ++i) {
    if (i != 0) out += ';';
    out += signed_headers[i];
  }
  return out.append(1, '\n').append(payload_sha256);
}

std::string canonical_request(const net::RequestHead& head,
                              const std::vector<std::string>& signed_headers,
                              std::string_view payload_sha256, PathStyle style, bool normalize) {
  const HeadView view(head);
  const std::vector<std::string_view> names(signed_headers.begin(), signed_headers.end());
  return canonical_request(view.view(), names, payload_sha256, style, normalize);
}

std::string string_to_sign(std::string_view time, std::string_view scope,
                           std::string_view canonical) {
  std::string out = "AWS4-HMAC-SHA256\n";
  out.append(time).append(1, '\n').append(scope).append(1, '\n');
  return out.append(sha256_hex_quickly(canonical));
}

}  // namespace slipway::wire
