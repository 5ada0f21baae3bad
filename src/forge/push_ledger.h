#pragma once

// What pushes did, told once each however the server dies.
//
// Table forge_pushes: id | session (one push, which may move several refs), project_id, user_id,
// ref, before_id, after_id, options, refs_in_push, state, attempts, at.
//
//   from                 when                                            to
//   (none)               announce(): git is about to move the ref        announced
//   announced            another push begins where this one ends         happened
//   announced, happened  the ref has moved; Project.Pushed is appended   moved
//   moved                the handler has returned                        (none)
//   announced            git has ended and the ref has not moved         (none)
//   announced            the same move is told of another session        told
//   told                 its git has ended, or cannot live any longer    (none)
//
// The same move by two sessions is one push that was repeated after a crash, while the first one's
// git goes on without its server; or two people's. Git lets one of them move the ref.
//
// What a crash leaves in "announced" is compared with the repository, what it leaves in "moved" is
// told again, under the same id, with the user and the options that it had.

#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "forge/decide.h"
#include "store/database.h"

namespace slipway::forge {

// Moves of branches and tags that belong together; other refs are left out by the ledger.
struct Moves {
  std::string session;
  Id project = 0;
  Id user = 0;
  std::vector<RefUpdate> updates;
  std::vector<std::string> options;
};

struct LedgerOptions {
  std::string account;            // of the events
  int most_attempts = 5;          // starts at which a push whose handler fails is told again
  base::Millis process_life = 0;  // no git process lives longer, so nothing announced moves later
};

// Thread-safe.
class PushLedger {
 public:
  using Handler = std::function<std::vector<std::string>(const Push&)>;

  PushLedger(store::Database& database, const base::Clock& clock, LedgerOptions options);

  void tell_to(Handler handler);
  // Called for each push after it is recorded and before it is told.
  void before_telling(std::function<void(const Push&)> prepare);

  // Before git moves the refs. One that is already where this push wants it is left out: git will
  // refuse to move it.
  void announce(const Moves& moves, const std::filesystem::path& repository);
  // After git has moved these refs: records, tells, and returns the lines to show.
  std::vector<std::string> moved(const Moves& moves);
  // After the session's git process has ended, or where it never began: what is still announced
  // either moved, and is told, or is forgotten. `repository` is the project's.
  void settle(const std::string& session, const std::filesystem::path& repository);
  using RepositoryOf = std::function<std::filesystem::path(Id project)>;
  // At start: everything that an earlier process left. A git that has outlived it may still be
  // about to move what is announced; true where there is such a thing: look again in a moment.
  bool recover(const RepositoryOf& repository_of);
  // At what recover() left open, and at nothing that came after.
  bool look_again(const RepositoryOf& repository_of);

 private:
  struct Entry;
  std::vector<Entry> entries(const std::string& condition, const std::string& value) const;
  void record(const Moves& moves);
  bool claim(Entry& entry);
  static bool has_happened(const Entry& entry, const std::filesystem::path& repository);
  bool decide(Entry& entry, const RepositoryOf& repository_of);
  void forget(const std::string& id);
  std::vector<std::string> tell(const Entry& entry);

  store::Database& database_;
  const base::Clock& clock_;
  const LedgerOptions options_;
  mutable std::mutex mutex_;
  Handler handler_;                           // guarded by mutex_
  std::function<void(const Push&)> prepare_;  // guarded by mutex_
  std::set<std::string> open_;                // ids; guarded by mutex_
};

// The same whenever the same ref of the same session is told.
std::string push_id(const std::string& session, const std::string& ref);

}  // namespace slipway::forge
