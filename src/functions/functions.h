#pragma once

// Lambda functions: short event handlers in containers that stay warm between calls.
//
// A function's code is a zip archive, or an image in the registry. Its container runs the
// runtime loop over the Lambda runtime API (2018-06-01), which this process serves inside the
// container's network namespace through a Unix socket or loopback port. Python 3 functions run on
// the machine's own interpreter (image `host`); "provided" ones run their `bootstrap`.
// Asynchronous invocations are durable before they are acknowledged.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "iam/iam.h"
#include "images/images.h"
#include "objects/objects.h"
#include "observe/logs.h"
#include "store/database.h"
#include "store/files.h"
#include "wire/api.h"

namespace slipway::functions {

struct FunctionsOptions {
  std::filesystem::path directory;  // <data>/functions: code by digest, unpacked
  std::string region;
  std::function<std::string()> url;  // this server, for AWS_ENDPOINT_URL in functions
  std::size_t containers = 64;       // at a time, of all functions
  std::size_t containers_each = 10;  // of one function; then TooManyRequestsException
  std::chrono::seconds idle{900};    // then a warm container is stopped
  std::size_t queued_events = 10'000;
  std::size_t running_events = 8;  // asynchronous invocations at a time; each takes a thread
  // Before an asynchronous invocation is tried again; after the last pause it is dropped.
  std::vector<std::chrono::milliseconds> event_pauses{std::chrono::minutes(1),
                                                      std::chrono::minutes(2)};
  std::chrono::seconds init{60};  // from a container's start until it asks for work
  // Callers of the API that wait for an answer at a time: each holds one of the server's workers,
  // which functions need as well when they call the server.
  std::size_t waiting_callers = 20;
  // PEM file of the authorities that containers trust; empty: the machine's own. Mounted read-only.
  std::filesystem::path ca_bundle;
};

// The code of an Error: it began, and nobody knows how it ended.
inline constexpr const char* kInterrupted = "InvocationInterruptedException";

enum class InvocationType { kRequestResponse, kEvent, kDryRun };

struct Invocation {
  std::string payload;         // JSON, as the function returned it
  std::string function_error;  // "Unhandled" or "Handled"; empty: none
  std::string version = "$LATEST";
  std::string log_tail;  // the last 4 KiB of its output, with START, END and REPORT lines
};

// Thread-safe.
class Functions {
 public:
  Functions(store::Database& database, const base::Clock& clock, store::Spool& spool,
            objects::Objects& objects, images::Images& images, containers::Engine& engine,
            containers::LogPump& log_pump, observe::Logs& logs, iam::Iam& iam,
            FunctionsOptions options);
  ~Functions();  // stop()
  void start();
  void stop();

  // `name`: a name, a qualified name or an ARN. Throws Error: ResourceNotFoundException (404),
  // TooManyRequestsException (429), … A function that fails is a result, not an Error.
  Invocation invoke(const std::string& account, const std::string& name, const std::string& payload,
                    InvocationType type);
  // Waits for the outcome as well, but is carried out at most once for a token, also over restarts:
  // asked again, it returns the outcome of the first time, without its log. Throws
  // Error{kInterrupted, 409} where the server ended meanwhile; other Errors say that the function
  // was not reached.
  Invocation invoke_once(const std::string& account, const std::string& name,
                         const std::string& payload, const std::string& token);
  // The token will not come again. Records that nobody forgets are kept for 90 days.
  void forget(const std::string& account, const std::string& token);
  // The function's ARN, or nothing.
  std::optional<std::string> find(const std::string& account, const std::string& name) const;
  // Whether its resource policy lets a service ("sns.amazonaws.com") call it for `source_arn`.
  bool permits(const std::string& account, const std::string& name, const std::string& service,
               const std::string& source_arn) const;

  // GetFunction's Code.Location: a signed address of this server under /lambda-code/, without
  // authentication, valid for ten minutes.
  static bool takes(std::string_view path);
  net::Response download(const net::RequestHead& head) const;

 private:
  friend void register_lambda_api(wire::Api& api, Functions& functions);
  struct State;
  std::unique_ptr<State> state_;
};

// Lambda's operations of wire/operations.txt.
void register_lambda_api(wire::Api& api, Functions& functions);

}  // namespace slipway::functions
