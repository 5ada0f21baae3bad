#pragma once

// Functions, versions, aliases and waiting events in the database.
//
// Kinds of resource: "lambda-function" (name), "lambda-version" ("name:3", parent name) and
// "lambda-alias" ("name:live", parent name). Events that wait are the table lambda_events,
// invocations that are carried out once the table lambda_invocations.

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "functions/types.h"
#include "store/database.h"
#include "store/resources.h"

namespace slipway::functions {

inline constexpr const char* kFunction = "lambda-function";
inline constexpr const char* kVersion = "lambda-version";
inline constexpr const char* kAlias = "lambda-alias";

// Thread-safe.
class FunctionStore {
 public:
  // Creates the tables.
  FunctionStore(store::Database& database, const base::Clock& clock, std::string region);

  // Throws Error{ResourceConflictException, 409} where the name is taken.
  void create(const store::Resource& function, const store::Tags& tags);
  std::optional<store::Resource> find(const std::string& account, const std::string& name) const;
  // Throws Error{ResourceNotFoundException, 404}.
  store::Resource get(const std::string& account, const std::string& name) const;
  // Lets `change` work on the function's document in one transaction; returns it as stored.
  // Throws what `change` throws; then nothing is stored.
  store::Resource change(const std::string& account, const std::string& name,
                         const std::function<void(store::Transaction&, store::Resource&)>& change);
  // With its versions, aliases, tags and waiting events.
  void remove(const std::string& account, const std::string& name);

  std::optional<store::Resource> find_version(const std::string& account, const std::string& name,
                                              const std::string& version) const;
  std::optional<store::Resource> find_alias(const std::string& account, const std::string& name,
                                            const std::string& alias) const;
  std::vector<store::Resource> children(const std::string& account, const char* kind,
                                        const std::string& name) const;

  // What `reference` runs, an alias followed; `roll` as in version_of_alias().
  // Throws Error{ResourceNotFoundException, 404}.
  Target target(const std::string& account, const Reference& reference, double roll) const;

  // The digests of all code that is named.
  std::set<std::string> digests() const;

  // Throws Error{TooManyRequestsException, 429} where `most` wait already.
  void enqueue(const QueuedEvent& event, std::size_t most);
  // Those that are due, the longest waiting first.
  std::vector<QueuedEvent> due(base::Millis now, int limit) const;
  // When the next one after `now` is due.
  std::optional<base::Millis> next_due(base::Millis now) const;
  // False where it is gone, or was attempted since it was read with that count.
  bool begin_attempt(const std::string& id, int attempts);
  // Due again `after`; `attempts` as they count now.
  void postpone(const std::string& id, int attempts, base::Millis until);
  void drop(const std::string& id);

  // Records that the invocation begins, where there is no record of it; else returns that.
  // Throws Error{TooManyRequestsException, 429} where there are `most` already.
  std::optional<OnceRecord> begin_once(const std::string& account, const std::string& token,
                                       base::Millis now, std::size_t most);
  void end_once(const std::string& account, const std::string& token, const Outcome& outcome);
  void forget_once(const std::string& account, const std::string& token);
  void expire_once(base::Millis began_before);

  store::Database& database() const { return database_; }

 private:
  store::Database& database_;
  const base::Clock& clock_;
  const std::string region_;
};

[[noreturn]] void throw_not_found(const std::string& what);

}  // namespace slipway::functions
