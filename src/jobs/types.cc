#include "jobs/types.h"

#include <array>
#include <utility>

namespace slipway::jobs {
namespace {

constexpr std::array<std::pair<Phase, std::string_view>, 6> kPhases{{
    {Phase::kStarting, "Starting"},
    {Phase::kPending, "Pending"},
    {Phase::kDownloading, "Downloading"},
    {Phase::kRunning, "Running"},
    {Phase::kUploading, "Uploading"},
    {Phase::kEnded, "Ended"},
}};

constexpr std::array<std::pair<Ending, std::string_view>, 4> kEndings{{
    {Ending::kCompleted, "Completed"},
    {Ending::kFailed, "Failed"},
    {Ending::kStopped, "Stopped"},
    {Ending::kMaxRuntimeExceeded, "MaxRuntimeExceeded"},
}};

constexpr KindNames kTrainingNames{"training-job", "TrainingJob",
                                   "Training",     "/aws/sagemaker/TrainingJobs",
                                   "training-",    "training"};
constexpr KindNames kProcessingNames{"processing-job", "ProcessingJob",
                                     "Processing",     "/aws/sagemaker/ProcessingJobs",
                                     "processing-",    "processing"};

template <class Table, class Value>
std::string_view text_in(const Table& table, Value value) {
  for (const auto& [each, text] : table) {
    if (each == value) return text;
  }
  return "";
}

template <class Value, class Table>
std::optional<Value> value_in(const Table& table, std::string_view text) {
  for (const auto& [value, each] : table) {
    if (each == text) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view text_of(Phase phase) { return text_in(kPhases, phase); }
std::string_view text_of(Ending ending) { return text_in(kEndings, ending); }
std::optional<Phase> parse_phase(std::string_view text) { return value_in<Phase>(kPhases, text); }
std::optional<Ending> parse_ending(std::string_view text) {
  return value_in<Ending>(kEndings, text);
}

const KindNames& names_of(Kind kind) {
  return kind == Kind::kTraining ? kTrainingNames : kProcessingNames;
}

}  // namespace slipway::jobs
