#include "ci/settings.h"

#include <algorithm>
#include <regex>
#include <utility>

#include <fnmatch.h>

#include "base/cron.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "ci/predefined.h"
#include "ci/record.h"

namespace slipway::ci {
namespace {

std::string name_of(Owner owner) {
  switch (owner) {
    case Owner::kInstance:
      return "instance";
    case Owner::kGroup:
      return "group";
    case Owner::kProject:
      return "project";
  }
  return "";
}

[[noreturn]] void refuse_field(const std::string& field, const std::string& reason) {
  throw Error("Invalid", field + " " + reason, 400, Json{{field, Json::array({reason})}});
}

StoredVariable stored_variable_of(const Json& document, const std::string& scope) {
  StoredVariable stored;
  stored.variable = variables_of_json(Json::array({document}))[0];
  stored.environment_scope = scope;
  stored.description = base::text_or(document, "description");
  stored.hidden = base::boolean_or(document, "hidden", false);
  return stored;
}

void check(const StoredVariable& stored) {
  static const std::regex key_form("[A-Za-z0-9_]{1,255}");
  static const std::regex masked_form("[^\\s]{8,}");
  if (!std::regex_match(stored.variable.key, key_form)) {
    refuse_field("key", "can contain only letters, digits and '_'.");
  }
  if (stored.variable.value.size() > 10'000) {
    refuse_field("value", "is too long (maximum is 10000 characters)");
  }
  if ((stored.variable.masked || stored.hidden) &&
      !std::regex_match(stored.variable.value, masked_form)) {
    refuse_field("value", "is invalid");
  }
}

// Wildcards first, then by length: the closest scope comes last and wins.
bool is_wider(const StoredVariable& one, const StoredVariable& other) {
  const auto rank = [](const std::string& scope) {
    const int kind = scope == "*" ? 0 : scope.find('*') != std::string::npos ? 1 : 2;
    return std::pair(kind, scope.size());
  };
  return rank(one.environment_scope) < rank(other.environment_scope);
}

std::string tier_of(const std::string& name) {
  const std::string lower = base::lower(name);
  const auto has = [&](std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const char* word) { return lower.find(word) != std::string::npos; });
  };
  if (has({"dev", "review", "trunk"})) return "development";
  if (has({"test", "tst", "int", "acc", "qa", "qc", "control", "quality"})) return "testing";
  if (has({"st", "mod", "pre", "demo", "non"})) return "staging";
  if (has({"prod", "pr", "live"})) return "production";
  return "other";
}

}  // namespace

bool scope_covers(const std::string& scope, const std::string& environment) {
  if (scope == "*") return true;
  return !environment.empty() && ::fnmatch(scope.c_str(), environment.c_str(), 0) == 0;
}

std::vector<StoredVariable> Settings::variables(Owner owner, Id id) const {
  std::vector<StoredVariable> found;
  workshop_.database.read([&](store::Reader& reader) {
    reader.query(
        "select scope, document from ci_variables where owner = ? and owner_id = ?"
        " order by key, scope",
        {name_of(owner), owner == Owner::kInstance ? Id{0} : id}, [&](const store::Row& row) {
          found.push_back(
              stored_variable_of(base::parse_json(row.text(1), "variable"), row.text(0)));
        });
  });
  return found;
}

void Settings::set_variable(Owner owner, Id id, const StoredVariable& stored, bool must_be_new) {
  check(stored);
  Json document = json_of(Variables{stored.variable})[0];
  document["description"] = stored.description;
  document["hidden"] = stored.hidden;
  const Id owner_id = owner == Owner::kInstance ? 0 : id;
  workshop_.database.write([&](store::Transaction& transaction) {
    const auto there = count(
        transaction, "ci_variables where owner = ? and owner_id = ? and key = ? and scope = ?",
        {name_of(owner), owner_id, stored.variable.key, stored.environment_scope});
    if (must_be_new && there > 0) {
      refuse_field("key", "(" + stored.variable.key + ") has already been taken");
    }
    if (!must_be_new && there == 0) throw Error("NotFound", "404 Variable Not Found", 404);
    transaction.execute(
        "insert into ci_variables (owner, owner_id, key, scope, document) values (?, ?, ?, ?, ?)"
        " on conflict (owner, owner_id, key, scope) do update set document = excluded.document",
        {name_of(owner), owner_id, stored.variable.key, stored.environment_scope,
         base::dump_json(document)});
  });
}

void Settings::remove_variable(Owner owner, Id id, const std::string& key,
                               const std::string& scope) {
  const auto removed = workshop_.database.write([&](store::Transaction& transaction) {
    return transaction.execute(
        "delete from ci_variables where owner = ? and owner_id = ? and key = ? and scope = ?",
        {name_of(owner), owner == Owner::kInstance ? Id{0} : id, key, scope.empty() ? "*" : scope});
  });
  if (removed == 0) throw Error("NotFound", "404 Variable Not Found", 404);
}

Variables Settings::variables_for(const forge::Project& project, bool ref_protected,
                                  const std::string& environment) const {
  std::vector<Id> groups;
  for (auto space = workshop_.forge.space(project.space); space && space->kind == "group";) {
    groups.push_back(space->id);
    if (!space->parent) break;
    space = workshop_.forge.space(*space->parent);
  }
  Variables all;
  const auto take = [&](Owner owner, Id id) {
    auto found = variables(owner, id);
    std::stable_sort(found.begin(), found.end(), is_wider);
    for (StoredVariable& each : found) {
      if (each.variable.is_protected && !ref_protected) continue;
      if (!scope_covers(each.environment_scope, environment)) continue;
      each.variable.is_public = false;
      each.variable.masked = each.variable.masked || each.hidden;
      all.push_back(std::move(each.variable));
    }
  };
  take(Owner::kInstance, 0);
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) take(Owner::kGroup, *group);
  take(Owner::kProject, project.id);
  return all;
}

std::vector<Trigger> Settings::triggers(Id project) const {
  std::vector<Trigger> found;
  workshop_.database.read([&](store::Reader& reader) {
    reader.query("select document from ci_triggers where project = ? order by id", {project},
                 [&](const store::Row& row) {
                   found.push_back(trigger_of(base::parse_json(row.text(0), "trigger")));
                 });
  });
  return found;
}

Trigger Settings::save(Trigger trigger) {
  return workshop_.database.write([&](store::Transaction& transaction) {
    if (trigger.id == 0) {
      trigger.id = next_number(transaction, "trigger");
      trigger.token = "glptt-" + base::random_text(40, "0123456789abcdef");
      trigger.created = workshop_.clock.now();
    }
    transaction.execute(
        "insert into ci_triggers (id, project, token_hash, document) values (?, ?, ?, ?)"
        " on conflict (id) do update set document = excluded.document",
        {trigger.id, trigger.project, base::sha256_hex(trigger.token),
         base::dump_json(json_of(trigger))});
    return trigger;
  });
}

void Settings::remove_trigger(Id project, Id id) {
  const auto removed = workshop_.database.write([&](store::Transaction& transaction) {
    return transaction.execute("delete from ci_triggers where project = ? and id = ?",
                               {project, id});
  });
  if (removed == 0) throw Error("NotFound", "404 Trigger Not Found", 404);
}

std::optional<Trigger> Settings::use_trigger(Id project, const std::string& token) {
  std::optional<Trigger> found;
  workshop_.database.read([&](store::Reader& reader) {
    reader.query("select document from ci_triggers where token_hash = ? and project = ?",
                 {base::sha256_hex(token), project}, [&](const store::Row& row) {
                   found = trigger_of(base::parse_json(row.text(0), "trigger"));
                 });
  });
  if (!found) return std::nullopt;
  found->last_used = workshop_.clock.now();
  return save(*found);
}

std::vector<Schedule> Settings::schedules(Id project) const {
  std::vector<Schedule> found;
  workshop_.database.read([&](store::Reader& reader) {
    reader.query("select document from ci_schedules where project = ? order by id", {project},
                 [&](const store::Row& row) {
                   found.push_back(schedule_of(base::parse_json(row.text(0), "schedule")));
                 });
  });
  return found;
}

std::optional<Schedule> Settings::schedule(Id id) const {
  std::optional<Schedule> found;
  workshop_.database.read([&](store::Reader& reader) {
    reader.query("select document from ci_schedules where id = ?", {id},
                 [&](const store::Row& row) {
                   found = schedule_of(base::parse_json(row.text(0), "schedule"));
                 });
  });
  return found;
}

namespace {

void put(store::Transaction& transaction, const Schedule& schedule) {
  transaction.execute(
      "insert into ci_schedules (id, project, next_run, document) values (?, ?, ?, ?)"
      " on conflict (id) do update set next_run = excluded.next_run,"
      " document = excluded.document",
      {schedule.id, schedule.project,
       schedule.active && schedule.next_run ? store::Value(*schedule.next_run)
                                            : store::Value(nullptr),
       base::dump_json(json_of(schedule))});
}

}  // namespace

Schedule Settings::save(Schedule schedule) {
  std::optional<base::Millis> next;
  try {
    next = base::Cron(schedule.cron, schedule.time_zone).next_after(workshop_.clock.now());
  } catch (const Error& error) {
    const bool zone = error.message().find("time zone") != std::string::npos;
    refuse_field(zone ? "cron_timezone" : "cron", zone ? "syntax is invalid" : "syntax is invalid");
  }
  if (schedule.ref.empty()) refuse_field("ref", "can't be blank");
  if (schedule.description.empty()) refuse_field("description", "can't be blank");
  return workshop_.database.write([&](store::Transaction& transaction) {
    const base::Millis now = workshop_.clock.now();
    if (schedule.id == 0) {
      schedule.id = next_number(transaction, "schedule");
      schedule.created = now;
    }
    schedule.updated = now;
    schedule.next_run = next;
    // A moment that has come and is not started yet stays, whatever else is changed.
    transaction.query("select document from ci_schedules where id = ? and next_run <= ?",
                      {schedule.id, now}, [&](const store::Row& row) {
                        const Schedule old = schedule_of(base::parse_json(row.text(0), "schedule"));
                        if (old.cron == schedule.cron && old.time_zone == schedule.time_zone)
                          schedule.next_run = old.next_run;
                      });
    put(transaction, schedule);
    transaction.after_commit(workshop_.wakes.due);
    return schedule;
  });
}

void Settings::remove_schedule(Id id) {
  const auto removed = workshop_.database.write([&](store::Transaction& transaction) {
    return transaction.execute("delete from ci_schedules where id = ?", {id});
  });
  if (removed == 0) throw Error("NotFound", "404 Pipeline Schedule Not Found", 404);
}

void Settings::note_pipeline(Id id, Id pipeline) {
  workshop_.database.write([&](store::Transaction& transaction) {
    std::optional<Schedule> found;
    transaction.query("select document from ci_schedules where id = ?", {id},
                      [&](const store::Row& row) {
                        found = schedule_of(base::parse_json(row.text(0), "schedule"));
                      });
    if (!found) return;
    found->last_pipeline = pipeline;
    put(transaction, *found);
  });
}

void realign_schedules(store::Transaction& transaction, base::Millis now) {
  std::vector<Schedule> ahead;
  transaction.query("select document from ci_schedules where next_run > ?", {now},
                    [&](const store::Row& row) {
                      ahead.push_back(schedule_of(base::parse_json(row.text(0), "schedule")));
                    });
  for (Schedule& schedule : ahead) {
    try {
      const auto next = base::Cron(schedule.cron, schedule.time_zone).next_after(now);
      if (!next || next >= schedule.next_run) continue;
      schedule.next_run = next;
    } catch (const Error&) {
      continue;  // said when it is due
    }
    put(transaction, schedule);
  }
}

std::optional<base::Millis> start_due_schedules(store::Transaction& transaction, base::Millis now,
                                                const Wakes& wakes) {
  std::vector<Schedule> due;
  transaction.query("select document from ci_schedules where next_run <= ? order by next_run, id",
                    {now}, [&](const store::Row& row) {
                      due.push_back(schedule_of(base::parse_json(row.text(0), "schedule")));
                    });
  for (Schedule& schedule : due) {
    const base::Millis moment = schedule.next_run.value_or(now);
    // The moments that passed while nobody looked are one.
    try {
      schedule.next_run = base::Cron(schedule.cron, schedule.time_zone).next_after(now);
    } catch (const Error& error) {
      // Its time zone is no longer known on this machine: this once, and then not again.
      log(Level::kWarning, "a schedule has no next time",
          {{"schedule", schedule.id}, {"reason", error.what()}});
      schedule.next_run.reset();
    }
    put(transaction, schedule);
    insert(transaction,
           Task{.key = "schedule:" + std::to_string(schedule.id) + ":" + std::to_string(moment),
                .kind = "schedule",
                .document = {{"schedule", schedule.id}, {"moment", moment}}});
    transaction.after_commit(wakes.work);
  }
  std::optional<base::Millis> next;
  transaction.query("select min(next_run) from ci_schedules where next_run is not null", {},
                    [&](const store::Row& row) {
                      if (!row.is_null(0)) next = row.integer(0);
                    });
  return next;
}

std::vector<Environment> Settings::environments(Id project) const {
  std::vector<Environment> found;
  workshop_.database.read([&](store::Reader& reader) {
    reader.query("select document from ci_environments where project = ? order by id", {project},
                 [&](const store::Row& row) {
                   found.push_back(environment_of(base::parse_json(row.text(0), "environment")));
                 });
  });
  return found;
}

std::optional<Environment> Settings::environment(Id project, const std::string& name) const {
  for (Environment& each : environments(project)) {
    if (each.name == name) return std::move(each);
  }
  return std::nullopt;
}

Environment Settings::deploy(Id project, const std::string& name, const std::string& url,
                             const std::string& tier, const std::string& action, Id job) {
  return workshop_.database.write([&](store::Transaction& transaction) {
    Environment environment;
    transaction.query("select document from ci_environments where project = ? and name = ?",
                      {project, name}, [&](const store::Row& row) {
                        environment = environment_of(base::parse_json(row.text(0), "environment"));
                      });
    const base::Millis now = workshop_.clock.now();
    if (environment.id == 0) {
      environment.id = next_number(transaction, "environment");
      environment.project = project;
      environment.name = name;
      environment.slug = environment_slug(name);
      environment.created = now;
    }
    if (!tier.empty() || environment.tier.empty()) {
      environment.tier = tier.empty() ? tier_of(name) : tier;
    }
    if (!url.empty()) environment.url = url;
    if (action.empty() || action == "start" || action == "stop") {
      environment.state = action == "stop" ? "stopped" : "available";
      environment.last_job = job;
    }
    environment.updated = now;
    transaction.execute(
        "insert into ci_environments (id, project, name, document) values (?, ?, ?, ?)"
        " on conflict (id) do update set document = excluded.document",
        {environment.id, project, name, base::dump_json(json_of(environment))});
    return environment;
  });
}

}  // namespace slipway::ci
