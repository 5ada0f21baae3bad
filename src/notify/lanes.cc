#include "notify/lanes.h"

#include <algorithm>

#include "notify/decide.h"

namespace slipway::notify {
namespace {
// A lane that works again is noticed within a minute.
constexpr base::Millis kLongestLanePause = 60'000;

// A pause that is longer was reckoned while the clock was wrong.
bool is_ahead(base::Millis moment, base::Millis now) {
  return moment > now && moment - now <= kLongestLanePause;
}
}  // namespace

Lanes::Lanes(std::size_t at_once, std::chrono::milliseconds first_pause,
             std::set<std::string> closed)
    : at_once_(std::max<std::size_t>(1, at_once)),
      first_pause_(first_pause),
      closed_(std::move(closed)) {}

void Lanes::begin(const std::string& lane) { ++lanes_[lane].running; }

bool Lanes::end(const std::string& name, bool reached, base::Millis now) {
  Lane& lane = lanes_[name];
  if (lane.running > 0) --lane.running;
  const bool recovered = reached && lane.failures > 0;
  if (reached) {
    lane.failures = 0;
    lane.not_before = 0;
  } else {
    ++lane.failures;
    lane.not_before = now + std::min(pause_after(lane.failures, first_pause_), kLongestLanePause);
  }
  if (lane.running == 0 && lane.failures == 0) lanes_.erase(name);
  return recovered;
}

std::vector<std::string> Lanes::blocked(base::Millis now) const {
  std::vector<std::string> result(closed_.begin(), closed_.end());
  for (const auto& [name, lane] : lanes_) {
    const std::size_t most = lane.failures > 0 ? 1 : at_once_;
    if (lane.running >= most || is_ahead(lane.not_before, now)) result.push_back(name);
  }
  return result;
}

std::optional<base::Millis> Lanes::next(base::Millis now) const {
  std::optional<base::Millis> result;
  for (const auto& [name, lane] : lanes_)
    if (is_ahead(lane.not_before, now) && (!result || lane.not_before < *result))
      result = lane.not_before;
  return result;
}

}  // namespace slipway::notify
