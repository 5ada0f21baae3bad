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
  // The rest: no more bytes follow.
  std::string flush();
  std::size_t held() const { return buffer_.size(); }

 private:
  enum class More { kMayFollow, kNone };
  std::string mask(More more);

  std::vector<std::string> secrets_;  // the longest first
  std::array<bool, 256> starts_{};    // first bytes of secrets and prefixes
  std::string buffer_;                // not shown yet
};

}  // namespace slipway::ci
