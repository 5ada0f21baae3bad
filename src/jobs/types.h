#pragma once

// The values of this room: which job, where it stands, how it ended.

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::jobs {

// Each kind of job that is one container run from start to end.
enum class Kind { kTraining, kProcessing };

struct JobKey {
  Kind kind = Kind::kTraining;
  std::string account;
  std::string name;
  auto operator<=>(const JobKey&) const = default;
};

// Where a job stands. Recorded in its document ("SlipwayRun"/"Phase") before the work of the
// phase begins, so a restart knows what to repeat.
enum class Phase {
  kStarting,     // accepted
  kPending,      // waits for one of the places
  kDownloading,  // image and input data are made ready
  kRunning,      // the container runs, or must be started
  kUploading,    // the container has ended and its ending is recorded
  kEnded,
};

enum class Ending { kCompleted, kFailed, kStopped, kMaxRuntimeExceeded };

std::string_view text_of(Phase phase);
std::string_view text_of(Ending ending);
std::optional<Phase> parse_phase(std::string_view text);
std::optional<Ending> parse_ending(std::string_view text);

// What differs between the kinds by name alone.
struct KindNames {
  std::string_view resource;  // of store::Resource, and the start of the ARN's resource part
  std::string_view job;       // "TrainingJob": the start of member names and event types
  std::string_view times;     // "Training": the start of …StartTime and …EndTime
  std::string_view log_group;
  std::string_view container;  // the start of container ids
  std::string_view noun;       // in status messages
};
const KindNames& names_of(Kind kind);
inline constexpr Kind kKinds[] = {Kind::kTraining, Kind::kProcessing};

}  // namespace slipway::jobs
