#pragma once

// The forge's bounds.

#include <chrono>
#include <cstddef>
#include <string_view>

namespace slipway::forge {

// One git process that serves a client.
inline constexpr std::chrono::seconds kGitTime{3600};
inline constexpr int kMostGitProcesses = 64;
// Between looks at what an earlier process's git may still do: doubling from one to the other.
inline constexpr std::chrono::milliseconds kFirstLook{200};
inline constexpr std::chrono::milliseconds kLastLook{60'000};
// Changes of one commit through the API.
inline constexpr std::size_t kMostChanges = 10'000;
inline constexpr std::size_t kDeepestGroup = 20;
inline constexpr std::size_t kLongestText = 2000;  // of descriptions and names
// A token's use is noted this often.
inline constexpr std::chrono::minutes kNoteUse{10};
inline constexpr std::string_view kTokenAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace slipway::forge
