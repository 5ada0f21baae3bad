#pragma once

// Hides secrets in a stream of bytes, piece by piece: a secret that is cut in two by the border of
// two pieces is still hidden, because what may be its beginning is held back.
//
// The length stays the same, so that offsets mean the same before and after: a secret of 12
// bytes becomes "[MASKED]xxxx".

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::ci {

// Not thread-safe.
class Masker {
 public:
  // Secrets: values of masked variables. Tokens are known by their prefixes (glpat-, glcbt-, …).
  explicit Masker(std::vector<std::string> secrets);

  // What may be shown after these bytes.
  std::string feed(std::string_view bytes);
  // The rest: no more bytes follow. A secret that was cut off is hidden from its 4th byte on.
  std::string flush();
  // More secrets, from here on.
  void add(std::vector<std::string> secrets);
  std::size_t held() const { return buffer_.size(); }

 private:
  enum class More { kMayFollow, kNone };
  struct Found {
    std::size_t length = 0;  // 0: neither a secret nor a token begins here
    std::size_t shown = 0;   // of it, a token's prefix
    bool wait = false;       // what follows decides
  };
  Found secret_at(std::string_view rest, More more) const;
  Found token_at(std::string_view rest, More more) const;
  std::string mask(More more);

  std::vector<std::string> secrets_;  // the longest first
  std::array<bool, 256> starts_{};    // first bytes of secrets and prefixes
  std::string buffer_;                // not shown yet
  std::size_t still_hidden_ = 0;      // bytes at its begin that are a secret's
};

// Whether the text holds one of the secrets.
bool shows_secret(std::string_view text, const std::vector<std::string>& secrets);

}  // namespace slipway::ci
