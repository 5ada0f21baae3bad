#pragma once

// The canonical forms that a signature covers.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop_handler.h"
#include "wire/sigv4.h"

namespace slipway::wire {

// A head as the loop's view of it. Refers to the head, which outlives it.
class HeadView {
 public:
  explicit HeadView(const net::RequestHead& head);
  const net::RequestView& view() const noexcept { return view_; }

 private:
  std::vector<net::RequestView::Field> fields_;
  net::RequestView view_;
};

std::string canonical_request(const net::RequestView& request,
                              std::span<const std::string_view> signed_headers,
                              std::string_view payload_sha256, PathStyle style, bool normalize);

// Whether normalising the path of the target may change it.
bool is_normalizable(std::string_view target) noexcept;

// "s3" and its kin sign the path as it is.
PathStyle path_style_of(std::string_view service) noexcept;

}  // namespace slipway::wire
