#pragma once

// Cron schedules with time zones: when is the next time?

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace slipway::base {

// Five fields (minute, hour, day of month, month, day of week) with "*", lists, ranges, steps and
// the names jan-dec and sun-sat; 7 is Sunday. Where both day fields are restricted, either
// fits, as in Vixie cron. Also @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually.
//
// A local time that a change of the clocks leaves out fires at the first moment after the gap; one
// that comes twice fires the first time only. What fires in every hour of a day goes by the time
// that passes: in the hour that comes twice too, and not for the one that is left out. Immutable,
// thus thread-safe.
class Cron {
 public:
  // Throws Error{InvalidCron} with the field that is wrong, or with the unknown time zone (an IANA
  // name, "UTC", or a Rails name such as "Eastern Time (US & Canada)", which GitLab sends).
  Cron(std::string_view expression, std::string_view time_zone);

  // The first time strictly after `after`, or nothing within four years (30 February).
  std::optional<Millis> next_after(Millis after) const;

 private:
  struct Fields;
  std::shared_ptr<const Fields> fields_;
};

}  // namespace slipway::base
