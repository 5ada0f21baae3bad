#pragma once

// multipart/form-data (RFC 7578), read in pieces: of the parts only their heads are kept.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::runner {

struct PartHead {
  std::string name;
  std::optional<std::string> filename;
  std::string content_type;
};

// The boundary of a Content-Type; nothing where it is another type or has none.
std::optional<std::string> boundary_of(std::string_view content_type);

// Takes a body in pieces of any size. Not thread-safe.
class MultipartReader {
 public:
  using Begin = std::function<void(const PartHead&)>;
  using Data = std::function<void(std::string_view)>;
  // `begin` is called for each part, `data` with its contents in order.
  MultipartReader(const std::string& boundary, Begin begin, Data data);

  // Throws Error{400} for what is no multipart body.
  void take(std::string_view piece);
  // Throws Error{400} where the last boundary has not come.
  void finish() const;

 private:
  bool step();
  void read_head(std::string_view text);

  enum class State { kPreamble, kBoundary, kHead, kData, kEnd };
  const std::string delimiter_;  // "\r\n--boundary"
  const Begin begin_;
  const Data data_;
  State state_ = State::kPreamble;
  std::string pending_ = "\r\n";  // so that the first boundary is found like the others
  int parts_ = 0;
};

}  // namespace slipway::runner
