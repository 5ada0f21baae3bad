#pragma once

// The parts of the room, and what its operations share.

#include <atomic>
#include <set>
#include <string>

#include "functions/code.h"
#include "functions/event_queue.h"
#include "functions/functions.h"
#include "functions/launcher.h"
#include "functions/ledger.h"
#include "functions/platform_log.h"
#include "functions/pool.h"
#include "functions/record.h"
#include "functions/runtime_api.h"
#include "functions/socket_bridge.h"
#include "functions/store.h"

namespace slipway::functions {

struct Room {
  Room(store::Database& database, const base::Clock& clock, store::Spool& spool,
       objects::Objects& objects, images::Images& images, containers::Engine& engine,
       containers::LogPump& log_pump, observe::Logs& logs, iam::Iam& iam, FunctionsOptions options);

  const FunctionsOptions options;
  const base::Clock& clock;
  store::Spool& spool;
  objects::Objects& objects;
  images::Images& images;
  iam::Iam& iam;
  FunctionStore store;
  CodeStore code;
  PlatformLog platform_log;
  Launcher launcher;
  Pool pool;
  RuntimeApi runtime_api;
  SocketBridge bridge;
  EventQueue events;
  Ledger ledger;
  // Signs the addresses from which code may be downloaded; of this process.
  const std::string download_secret;
  std::atomic<std::size_t> waiting{0};  // callers of the API that wait for an answer

  // What a request calls the function. Throws Error where the text and `qualifier` disagree or
  // name another account.
  Reference reference(const std::string& account, const std::string& name,
                      const std::string& qualifier = "") const;
  Target target(const std::string& account, const Reference& reference) const;
  Outcome run(const std::string& account, const Reference& reference, const Work& work);
  void enqueue(const std::string& account, const Reference& reference, const Work& work);

  // Takes the code of Create- and UpdateFunctionCode in. Throws
  // Error{InvalidParameterValueException}.
  Json take_code(const std::string& account, const Json& request);
  // Throws Error{InvalidParameterValueException} where Lambda may not assume the role.
  void check_role(const std::string& role) const;
  // Where the code can be downloaded for ten minutes.
  std::string download_url(const std::string& sha256) const;
};

struct Functions::State : Room {
  using Room::Room;
};

// The operations, by subject. `room` outlives the Api.
void register_function_operations(wire::Api& api, Room& room);
void register_version_operations(wire::Api& api, Room& room);
void register_access_operations(wire::Api& api, Room& room);
void register_invoke(wire::Api& api, Room& room);

// "FunctionName" and "Qualifier" of a request.
Reference reference_of(const Room& room, const wire::Call& call);
// Throws Error{PreconditionFailedException, 412} where the request names another revision.
void check_revision(const Json& request, const std::string& revision);
// Copies the function's present state to a new version, or returns the one that is the same.
// Answers FunctionConfiguration.
Json publish_version(Room& room, const std::string& account, const std::string& name,
                     const Json& request);

}  // namespace slipway::functions
