#pragma once

// Identifiers: random ones, and Amazon Resource Names.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

// From the system's cryptographic generator; thread-safe.
std::string random_bytes(std::size_t count);
std::string random_hex(std::size_t digits);
// Letters and digits of `alphabet`, uniformly.
std::string random_text(std::size_t length, std::string_view alphabet);
// RFC 4122 version 4.
std::string uuid();

// arn:aws:<service>:<region>:<account>:<resource>
struct Arn {
  std::string service;
  std::string region;
  std::string account;
  std::string resource;  // everything after the fifth colon, e.g. "training-job/a"

  std::string text() const;
};
std::optional<Arn> parse_arn(std::string_view text);

// The part after the last "/" or, where there is none, the whole text: clients may
// give a name or an ARN.
std::string name_of(std::string_view name_or_arn);

}  // namespace slipway::base
