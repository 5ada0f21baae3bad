#include "ship/versions.h"

#include "base/strings.h"

namespace slipway::ship {
namespace {

std::optional<int> part(std::string_view text) {
  if (text.empty() || text.size() > 9 || (text.size() > 1 && text.front() == '0')) return {};
  for (const char c : text)
    if (c < '0' || c > '9') return {};
  return static_cast<int>(*base::parse_integer(text));
}

enum class Change { kPatch, kMinor, kMajor };

// "feat(scope)!: subject"
Change change_of(std::string_view message) {
  if (message.find("BREAKING CHANGE") != std::string_view::npos) return Change::kMajor;
  const auto colon = message.substr(0, message.find('\n')).find(':');
  if (colon == std::string_view::npos) return Change::kPatch;
  std::string_view type = message.substr(0, colon);
  if (type.ends_with('!')) return Change::kMajor;
  type = type.substr(0, type.find('('));
  return type == "feat" ? Change::kMinor : Change::kPatch;
}

}  // namespace

std::string Version::image() const {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string Version::text() const {
  return retraining == 0 ? image() : image() + "+r" + std::to_string(retraining);
}

std::optional<Version> parse_version(std::string_view text) {
  Version version;
  if (const auto plus = text.find("+r"); plus != std::string_view::npos) {
    const auto build = part(text.substr(plus + 2));
    if (!build || *build == 0) return {};
    version.retraining = *build;
    text = text.substr(0, plus);
  }
  const std::vector<std::string> parts = base::split(text, '.');
  if (parts.size() != 3) return {};
  const auto major = part(parts[0]), minor = part(parts[1]), patch = part(parts[2]);
  if (!major || !minor || !patch) return {};
  version.major = *major;
  version.minor = *minor;
  version.patch = *patch;
  return version;
}

std::optional<Version> latest(const std::vector<std::string>& tags) {
  std::optional<Version> result;
  for (const std::string& tag : tags)
    if (const auto version = parse_version(tag); version && (!result || *result < *version))
      result = version;
  return result;
}

Version next_version(const std::optional<Version>& last, const std::vector<std::string>& messages) {
  if (!last) return Version{1, 0, 0, 0};
  Change change = Change::kPatch;
  for (const std::string& message : messages) change = std::max(change, change_of(message));
  switch (change) {
    case Change::kMajor:
      return Version{last->major + 1, 0, 0, 0};
    case Change::kMinor:
      return Version{last->major, last->minor + 1, 0, 0};
    case Change::kPatch:
      return Version{last->major, last->minor, last->patch + 1, 0};
  }
  return *last;
}

}  // namespace slipway::ship
