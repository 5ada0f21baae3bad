#include "ci/types.h"

#include <array>
#include <utility>

namespace slipway::ci {
namespace {

constexpr std::array<std::pair<Status, std::string_view>, 12> kTexts{{
    {Status::kCreated, "created"},
    {Status::kWaitingForResource, "waiting_for_resource"},
    {Status::kPreparing, "preparing"},
    {Status::kPending, "pending"},
    {Status::kRunning, "running"},
    {Status::kSuccess, "success"},
    {Status::kFailed, "failed"},
    {Status::kCanceling, "canceling"},
    {Status::kCanceled, "canceled"},
    {Status::kSkipped, "skipped"},
    {Status::kManual, "manual"},
    {Status::kScheduled, "scheduled"},
}};

}  // namespace

std::string_view text(Status status) { return kTexts[static_cast<std::size_t>(status)].second; }

std::optional<Status> status_of(std::string_view text) {
  for (const auto& [status, name] : kTexts) {
    if (name == text) return status;
  }
  return std::nullopt;
}

bool is_complete(Status status) {
  return status == Status::kSuccess || status == Status::kFailed || status == Status::kCanceled ||
         status == Status::kSkipped;
}

}  // namespace slipway::ci
