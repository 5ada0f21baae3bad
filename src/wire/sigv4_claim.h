#pragma once

// What a request's signature claims, read in place: the gateway does this for every request.

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop_handler.h"
#include "wire/sigv4.h"

namespace slipway::wire {

// Claim as views into the request. Refers to the request, and to itself: it stays where it is.
struct ClaimView {
  ClaimView() = default;
  ClaimView(const ClaimView&) = delete;
  ClaimView& operator=(const ClaimView&) = delete;

  std::string_view access_key, date, region, service, signature, time, payload_sha256,
      session_token;
  bool presigned = false;
  std::chrono::seconds lifetime{0};
  std::array<std::string_view, 100> signed_headers;  // more are refused
  std::size_t signed_count = 0;
  std::vector<std::string> storage;  // what had to be decoded

  std::span<const std::string_view> signed_names() const {
    return {signed_headers.data(), signed_count};
  }
  Claim copy() const;
};

// kNone, kMissing or kIncomplete. `claim` is meant only after kNone.
Refusal parse_claim(const net::RequestView& request, ClaimView& claim);

}  // namespace slipway::wire
