#include "ci/masker.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace slipway::ci {
namespace {

constexpr std::array<std::string_view, 9> kPrefixes{
    "glpat-", "glcbt-", "glrt-", "gldt-", "glptt-", "glrtr-", "glft-", "glsoat-", "glimt-"};
constexpr std::size_t kLongestToken = 4096;
// Of secrets that overlap one another: more is not held back.
constexpr std::size_t kLongestRun = 64 * 1024;
// A secret's beginning at the end of all is hidden from this length on.
constexpr std::size_t kTelling = 4;

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

Masker::Masker(std::vector<std::string> secrets) {
  for (const std::string_view prefix : kPrefixes) {
    starts_[static_cast<unsigned char>(prefix[0])] = true;
  }
  add(std::move(secrets));
}

void Masker::add(std::vector<std::string> secrets) {
  for (std::string& secret : secrets) {
    if (secret.empty()) continue;
    starts_[static_cast<unsigned char>(secret[0])] = true;
    secrets_.push_back(std::move(secret));
  }
  std::sort(secrets_.begin(), secrets_.end(), [](const auto& one, const auto& other) {
    return one.size() != other.size() ? one.size() > other.size() : one < other;
  });
  secrets_.erase(std::unique(secrets_.begin(), secrets_.end()), secrets_.end());
}

std::string Masker::feed(std::string_view bytes) {
  buffer_ += bytes;
  return mask(More::kMayFollow);
}

std::string Masker::flush() { return mask(More::kNone); }

Masker::Found Masker::secret_at(std::string_view rest, More more) const {
  for (const std::string& secret : secrets_) {
    if (rest.starts_with(secret)) return {.length = secret.size()};  // the longest comes first
    if (!may_become(rest, secret)) continue;
    if (more == More::kMayFollow) return {.wait = true};
    if (rest.size() >= kTelling) return {.length = rest.size()};
  }
  return {};
}

Masker::Found Masker::token_at(std::string_view rest, More more) const {
  std::size_t prefix_length = 0;
  for (const std::string_view prefix : kPrefixes) {
    if (rest.starts_with(prefix)) prefix_length = prefix.size();
    if (more == More::kMayFollow && may_become(rest, prefix)) return {.wait = true};
  }
  if (prefix_length == 0) return {};
  std::size_t end = prefix_length;
  while (end < rest.size() && end < kLongestToken && is_token_byte(rest[end])) ++end;
  if (end == rest.size() && end < kLongestToken && more == More::kMayFollow) return {.wait = true};
  return {.length = end, .shown = prefix_length};
}

// Secrets may overlap: what is hidden is a run from where the first begins to where the last ends.
std::string Masker::mask(More more) {
  std::string shown;
  shown.reserve(buffer_.size());
  const std::string_view all = buffer_;
  std::size_t at = 0;
  std::size_t run = 0;
  std::size_t run_end = std::exchange(still_hidden_, 0);
  const auto close_run = [&](std::size_t end) {
    if (end > run) shown += hidden(end - run);
    run = end;
  };
  bool wait = false;
  while (at < all.size()) {
    const bool is_hidden = at < run_end;
    if (!is_hidden) close_run(run_end);
    Found found;
    if (starts_[static_cast<unsigned char>(all[at])]) {
      found = secret_at(all.substr(at), more);
      if (found.length == 0 && !found.wait) found = token_at(all.substr(at), more);
    }
    wait = found.wait;
    if (wait) break;
    if (!is_hidden) {
      const std::size_t open = found.length == 0 ? 1 : found.shown;
      shown += all.substr(at, open);
      run = run_end = at + open;
    }
    if (found.length > 0) run_end = std::max(run_end, at + found.length);
    at += found.length > 0 ? std::max<std::size_t>(found.shown, 1) : 1;
  }
  if (wait && at < run_end && at - run <= kLongestRun) {
    at = run;  // the run may grow
  } else {
    still_hidden_ = run_end > at ? run_end - at : 0;
    close_run(std::min(run_end, at));
  }
  buffer_.erase(0, at);
  return shown;
}

bool shows_secret(std::string_view text, const std::vector<std::string>& secrets) {
  return std::any_of(secrets.begin(), secrets.end(), [&](const std::string& secret) {
    return !secret.empty() && text.find(secret) != std::string_view::npos;
  });
}

}  // namespace slipway::ci
