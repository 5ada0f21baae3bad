#pragma once

// Words that several files of this room share.

namespace slipway::gitlab {

inline constexpr const char* kPrefix = "/api/v4";
// GitLab's API as of this version is what clients find here.
inline constexpr const char* kVersion = "18.5.0";
inline constexpr const char* kRevision = "slipway";
// The code of an Error whose text goes into "error" and not into "message".
inline constexpr const char* kParameterError = "Parameter";

}  // namespace slipway::gitlab
