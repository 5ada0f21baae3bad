#include "forge/push_ledger.h"

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "forge/git.h"
#include "forge/store.h"
#include "store/outbox.h"

namespace slipway::forge {
namespace {

constexpr const char* kAnnounced = "announced";
constexpr const char* kHappened = "happened";
constexpr const char* kMoved = "moved";
constexpr const char* kTold = "told";

bool is_told(const RefUpdate& update) { return branch_of(update.ref) || tag_of(update.ref); }

std::string text_of(const std::vector<std::string>& options) {
  return base::dump_json(Json(options));
}

}  // namespace

struct PushLedger::Entry {
  std::string session;
  std::string state;
  std::int64_t attempts = 0;
  Push push;
};

std::string push_id(const std::string& session, const std::string& ref) {
  return base::sha256_hex(session + "\n" + ref).substr(0, 32);
}

PushLedger::PushLedger(store::Database& database, const base::Clock& clock, LedgerOptions options)
    : database_(database), clock_(clock), options_(std::move(options)) {}

void PushLedger::tell_to(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void PushLedger::before_telling(std::function<void(const Push&)> prepare) {
  const std::lock_guard lock(mutex_);
  prepare_ = std::move(prepare);
}

void PushLedger::announce(const Moves& moves, const std::filesystem::path& repository) {
  record(moves);
  // Looked at now that it is on record: a session that moves the ref later finds it there.
  for (const RefUpdate& update : moves.updates) {
    if (is_told(update) && loose_ref(repository, update.ref) == update.after)
      forget(push_id(moves.session, update.ref));
  }
}

void PushLedger::record(const Moves& moves) {
  const auto told = std::count_if(moves.updates.begin(), moves.updates.end(), is_told);
  if (told == 0) return;
  const base::Millis now = clock_.now();
  database_.write([&](Transaction& transaction) {
    for (const RefUpdate& update : moves.updates) {
      if (!is_told(update)) continue;
      // Git saw the ref where another push wanted it: that one has happened, whoever tells of it.
      transaction.execute(
          "update forge_pushes set state = ? "
          "where project_id = ? and ref = ? and after_id = ? and state = ? and session <> ?",
          {std::string(kHappened), moves.project, update.ref, update.before,
           std::string(kAnnounced), moves.session});
      transaction.execute(
          "insert into forge_pushes (id, session, project_id, user_id, ref, before_id, after_id, "
          "options, refs_in_push, state, attempts, at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) "
          "on conflict (id) do nothing",
          {push_id(moves.session, update.ref), moves.session, moves.project, moves.user, update.ref,
           update.before, update.after, text_of(moves.options), std::int64_t{told},
           std::string(kAnnounced), now});
    }
  });
}

std::vector<PushLedger::Entry> PushLedger::entries(const std::string& condition,
                                                   const std::string& value) const {
  std::vector<Entry> found;
  database_.read([&](Reader& reader) {
    std::vector<store::Value> values;
    if (!value.empty()) values.emplace_back(value);
    reader.query(
        "select id, session, project_id, user_id, ref, before_id, after_id, options, "
        "refs_in_push, state, attempts, at from forge_pushes " +
            condition + " order by at, id",
        values, [&](const store::Row& row) {
          Entry entry;
          entry.push.id = row.text(0);
          entry.session = row.text(1);
          entry.push.project = row.integer(2);
          entry.push.user = row.integer(3);
          entry.push.ref = row.text(4);
          entry.push.before = row.text(5);
          entry.push.after = row.text(6);
          entry.push.options = base::parse_json(row.text(7), "push options");
          entry.push.refs_in_push = static_cast<int>(row.integer(8));
          entry.state = row.text(9);
          entry.attempts = row.integer(10);
          entry.push.at = row.integer(11);
          found.push_back(std::move(entry));
        });
  });
  return found;
}

// One of the hook, the end of the process and the start of the server gets true, and tells.
bool PushLedger::claim(Entry& entry) {
  entry.push.at = clock_.now();
  const Push& push = entry.push;
  return database_.write([&](Transaction& transaction) {
    const auto take_from = [&](const char* state) {
      return transaction.execute(
                 "update forge_pushes set state = ?, at = ? where id = ? and state = ?",
                 {std::string(kMoved), push.at, push.id, std::string(state)}) > 0;
    };
    if (take_from(kAnnounced)) {
      transaction.execute(
          "update forge_pushes set state = ? where project_id = ? and ref = ? and before_id = ? "
          "and after_id = ? and state = ?",
          {std::string(kTold), push.project, push.ref, push.before, push.after,
           std::string(kAnnounced)});
    } else if (!take_from(kHappened)) {  // since moved on, and perhaps back again by another
      return false;
    }
    note_activity(transaction, push.project, push.at);
    const auto project = find_project(transaction, push.project);
    const auto user = find_user(transaction, push.user);
    store::append(transaction, {.at = push.at,
                                .account = options_.account,
                                .type = "Project.Pushed",
                                .subject = project ? project->full_path : "",
                                .detail = {{"id", push.id},
                                           {"project_id", push.project},
                                           {"user_id", push.user},
                                           {"user_username", user ? user->username : ""},
                                           {"ref", push.ref},
                                           {"before", push.before},
                                           {"after", push.after},
                                           {"options", push.options},
                                           {"refs_in_push", push.refs_in_push}}});
    return true;
  });
}

void PushLedger::forget(const std::string& id) {
  database_.write([&](Transaction& transaction) {
    transaction.execute("delete from forge_pushes where id = ?", {id});
  });
}

std::vector<std::string> PushLedger::tell(const Entry& entry) {
  Handler handler;
  std::function<void(const Push&)> prepare;
  {
    const std::lock_guard lock(mutex_);
    handler = handler_;
    prepare = prepare_;
  }
  try {
    if (prepare) prepare(entry.push);
    std::vector<std::string> lines;
    if (handler) lines = handler(entry.push);
    forget(entry.push.id);
    return lines;
  } catch (const std::exception& error) {
    log(Level::kError, "what follows a push failed",
        {{"push", entry.push.id},
         {"project", entry.push.project},
         {"ref", entry.push.ref},
         {"error", std::string_view(error.what())}});
    database_.write([&](Transaction& transaction) {
      transaction.execute("update forge_pushes set attempts = attempts + 1 where id = ?",
                          {entry.push.id});
    });
    return {"The push of " + entry.push.ref +
            " is stored, but what follows it failed: " + error.what()};
  }
}

std::vector<std::string> PushLedger::moved(const Moves& moves) {
  // Anew, where a restart has come between: then nobody else knows of them.
  record(moves);
  std::vector<std::string> lines;
  std::vector<Entry> known = entries("where session = ?", moves.session);
  for (const RefUpdate& update : moves.updates) {
    const std::string id = push_id(moves.session, update.ref);
    const auto entry = std::find_if(known.begin(), known.end(),
                                    [&](const Entry& one) { return one.push.id == id; });
    if (entry == known.end() || !claim(*entry)) continue;
    const std::vector<std::string> said = tell(*entry);
    lines.insert(lines.end(), said.begin(), said.end());
  }
  return lines;
}

bool PushLedger::has_happened(const Entry& entry, const std::filesystem::path& repository) {
  return entry.state == kHappened || ref_value(repository, entry.push.ref) == entry.push.after;
}

void PushLedger::settle(const std::string& session, const std::filesystem::path& repository) {
  for (Entry& entry : entries("where session = ?", session)) {
    if (entry.state == kMoved) continue;
    if (entry.state == kTold || !has_happened(entry, repository)) {
      forget(entry.push.id);
    } else if (claim(entry)) {
      tell(entry);
    }
  }
}

// False where the entry stays open.
bool PushLedger::decide(Entry& entry, const RepositoryOf& repository_of) {
  const std::filesystem::path repository = repository_of(entry.push.project);
  std::error_code unreadable;
  if (!std::filesystem::is_directory(repository, unreadable)) {
    forget(entry.push.id);
    return true;
  }
  if (entry.state != kTold && has_happened(entry, repository)) {
    if (claim(entry)) tell(entry);
    return true;
  }
  if (entry.push.at + options_.process_life >= clock_.now()) return false;
  forget(entry.push.id);
  return true;
}

bool PushLedger::recover(const RepositoryOf& repository_of) {
  std::set<std::string> open;
  for (Entry& entry : entries("", "")) {
    if (entry.state != kMoved) {
      if (!decide(entry, repository_of)) open.insert(entry.push.id);
    } else if (entry.attempts < options_.most_attempts) {
      tell(entry);
    } else {
      log(Level::kError, "a push is given up", {{"push", entry.push.id}});
      forget(entry.push.id);
    }
  }
  const std::lock_guard lock(mutex_);
  open_ = std::move(open);
  return !open_.empty();
}

bool PushLedger::look_again(const RepositoryOf& repository_of) {
  std::set<std::string> before;
  {
    const std::lock_guard lock(mutex_);
    before = open_;
  }
  std::set<std::string> open;
  for (const std::string& id : before) {
    for (Entry& entry : entries("where id = ?", id)) {
      if (entry.state != kMoved && !decide(entry, repository_of)) open.insert(id);
    }
  }
  const std::lock_guard lock(mutex_);
  open_ = std::move(open);
  return !open_.empty();
}

}  // namespace slipway::forge
