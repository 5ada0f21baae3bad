#pragma once

// Semantic versions (semver.org 2.0.0) and which one comes next.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::ship {

struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;
  int retraining = 0;  // "+rN": the same code, trained again

  std::string image() const;  // "1.2.0": what an image is tagged with
  std::string text() const;   // "1.2.0+r3"
  friend auto operator<=>(const Version&, const Version&) = default;
};

// "1.2.0" or "1.2.0+r3"; nothing for any other text.
std::optional<Version> parse_version(std::string_view text);

// The highest of the tags that are versions.
std::optional<Version> latest(const std::vector<std::string>& tags);

// The version after `last` for these commit messages (whole, newest first), by Conventional
// Commits 1.0.0: "BREAKING CHANGE" or "type!:" raises the major part, "feat" the minor
// part, anything else the patch. 1.0.0 where there is no last version.
Version next_version(const std::optional<Version>& last, const std::vector<std::string>& messages);

}  // namespace slipway::ship
