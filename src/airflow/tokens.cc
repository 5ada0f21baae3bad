#include "airflow/tokens.h"

#include "base/digest.h"
#include "base/ids.h"

namespace slipway::airflow {
namespace {

constexpr std::size_t kMost = 10'000;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

}  // namespace

std::string Tokens::issue(const wire::Caller& caller, TokenUse use, base::Millis life) {
  const std::string token = base::random_text(48, kAlphabet);
  const std::lock_guard lock(mutex_);
  make_room();
  entries_[base::sha256_hex(token)] = {caller, use, clock_.now() + life};
  return token;
}

std::optional<wire::Caller> Tokens::find(std::string_view token, TokenUse use) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(base::sha256_hex(token));
  if (found == entries_.end() || found->second.use != use) return std::nullopt;
  if (found->second.expires <= clock_.now()) {
    entries_.erase(found);
    return std::nullopt;
  }
  return found->second.caller;
}

std::optional<wire::Caller> Tokens::take(std::string_view token, TokenUse use) {
  auto caller = find(token, use);
  const std::lock_guard lock(mutex_);
  // Of two that come at once, the one that removes it has it.
  if (!caller || entries_.erase(base::sha256_hex(token)) == 0) return std::nullopt;
  return caller;
}

void Tokens::make_room() {
  if (entries_.size() < kMost) return;
  const base::Millis now = clock_.now();
  std::erase_if(entries_, [now](const auto& entry) { return entry.second.expires <= now; });
  if (entries_.size() < kMost) return;
  entries_.erase(std::min_element(
      entries_.begin(), entries_.end(),
      [](const auto& a, const auto& b) { return a.second.expires < b.second.expires; }));
}

}  // namespace slipway::airflow
