#pragma once

// What people set for CI and what deployments leave: stored variables, triggers, schedules,
// environments. Thread-safe.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ci/ci.h"
#include "ci/workshop.h"

namespace slipway::ci {

// Whether "review/*" covers "review/a"; "*" covers everything, also no environment at all.
bool scope_covers(const std::string& scope, const std::string& environment);

class Settings {
 public:
  explicit Settings(const Workshop& workshop) : workshop_(workshop) {}

  std::vector<StoredVariable> variables(Owner owner, Id id) const;
  void set_variable(Owner owner, Id id, const StoredVariable& variable, bool must_be_new);
  void remove_variable(Owner owner, Id id, const std::string& key, const std::string& scope);
  // Of instance, groups from the root and project, in rising precedence.
  Variables variables_for(const forge::Project& project, bool ref_protected,
                          const std::string& environment) const;

  std::vector<Trigger> triggers(Id project) const;
  Trigger save(Trigger trigger);
  void remove_trigger(Id project, Id id);
  // Notes its use.
  std::optional<Trigger> use_trigger(Id project, const std::string& token);

  std::vector<Schedule> schedules(Id project) const;
  std::optional<Schedule> schedule(Id id) const;
  Schedule save(Schedule schedule);
  void remove_schedule(Id id);
  void note_pipeline(Id schedule, Id pipeline);

  std::vector<Environment> environments(Id project) const;
  std::optional<Environment> environment(Id project, const std::string& name) const;
  // Makes it, or tells it of the job.
  Environment deploy(Id project, const std::string& name, const std::string& url,
                     const std::string& tier, const std::string& action, Id job);

 private:
  const Workshop& workshop_;
};

// Times that lie further ahead than they should: they were reckoned while the clock was wrong, and
// would keep a schedule silent until then.
void realign_schedules(store::Transaction& transaction, base::Millis now);

// Schedules that are due: each becomes one task and gets its next time. Returns the next one's.
std::optional<base::Millis> start_due_schedules(store::Transaction& transaction, base::Millis now,
                                                const Wakes& wakes);

}  // namespace slipway::ci
