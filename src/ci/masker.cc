#include "ci/masker.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace slipway::ci {
namespace {

constexpr std::array<std::string_view, 9> kPrefixes{
    "glpat-", "glcbt-", "glrt-", "gldt-", "glptt-", "glrtr-", "glft-", "glsoat-", "glimt-"};
constexpr std::size_t kLongestToken = 256;

bool is_token_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ||
         c == '=';
}

std::string hidden(std::size_t length) {
  static constexpr std::string_view kText = "[MASKED]";
  if (length < kText.size()) return std::string(length, 'x');
  return std::string(kText) + std::string(length - kText.size(), 'x');
}

bool may_become(std::string_view rest, std::string_view whole) {
  return rest.size() < whole.size() && whole.starts_with(rest);
}

}  // namespace

Masker::Masker(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {
  std::erase_if(secrets_, [](const std::string& secret) { return secret.empty(); });
  std::sort(secrets_.begin(), secrets_.end(), [](const auto& one, const auto& other) {
    return one.size() != other.size() ? one.size() > other.size() : one < other;
  });
  secrets_.erase(std::unique(secrets_.begin(), secrets_.end()), secrets_.end());
  for (const std::string& secret : secrets_) starts_[static_cast<unsigned char>(secret[0])] = true;
  for (const std::string_view prefix : kPrefixes) {
    starts_[static_cast<unsigned char>(prefix[0])] = true;
  }
}

std::string Masker::feed(std::string_view bytes) {
  buffer_ += bytes;
  return mask(More::kMayFollow);
}

std::string Masker::flush() { return mask(More::kNone); }

std::string Masker::mask(More more) {
  std::string shown;
  shown.reserve(buffer_.size());
  const std::string_view all = buffer_;
  std::size_t at = 0;
  while (at < all.size()) {
    if (!starts_[static_cast<unsigned char>(all[at])]) {
      shown += all[at++];
      continue;
    }
    const std::string_view rest = all.substr(at);
    std::size_t length = 0;
    bool wait = false;
    for (const std::string& secret : secrets_) {
      if (rest.starts_with(secret)) {
        length = secret.size();
        break;  // the longest comes first
      }
      if (more == More::kMayFollow && may_become(rest, secret)) {
        wait = true;
        break;
      }
    }
    if (wait) break;
    if (length > 0) {
      shown += hidden(length);
      at += length;
      continue;
    }
    std::size_t prefix_length = 0;
    for (const std::string_view prefix : kPrefixes) {
      if (rest.starts_with(prefix)) prefix_length = prefix.size();
      if (more == More::kMayFollow && may_become(rest, prefix)) wait = true;
    }
    if (wait) break;
    if (prefix_length == 0) {
      shown += all[at++];
      continue;
    }
    std::size_t end = prefix_length;
    while (end < rest.size() && end < kLongestToken && is_token_byte(rest[end])) ++end;
    if (end == rest.size() && end < kLongestToken && more == More::kMayFollow) break;
    shown += rest.substr(0, prefix_length);
    shown += hidden(end - prefix_length);
    at += end;
  }
  buffer_.erase(0, at);
  return shown;
}

}  // namespace slipway::ci
