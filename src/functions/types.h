#pragma once

// The values of the room.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"

namespace slipway::functions {

inline constexpr const char* kLatest = "$LATEST";
inline constexpr std::size_t kSyncPayload = 6u << 20;            // bytes, each way
inline constexpr std::size_t kEventPayload = 256u << 10;         // bytes
inline constexpr std::size_t kLogTail = 4096;                    // bytes
inline constexpr std::uint64_t kLargestZip = 50ull << 20;        // bytes, in the request
inline constexpr std::uint64_t kLargestUnpacked = 250ull << 20;  // bytes; also of a zip from S3
inline constexpr std::size_t kMostFiles = 100'000;               // of one archive
inline constexpr std::size_t kMostEnvironment = 4096;            // bytes of names and values
inline constexpr std::size_t kMostPolicy = 20'480;               // bytes
inline constexpr std::uint64_t kLogOfContainer = 64ull << 20;    // bytes; then it is replaced

// A function as clients name it: name, name:qualifier, partial or whole ARN.
struct Reference {
  std::string account;  // empty where the text names none
  std::string name;
  std::string qualifier;  // version, alias or $LATEST; empty where there is none
};

// One version of a function, as it is run.
struct Target {
  std::string account;
  std::string name;
  std::string version = kLatest;  // "$LATEST" or a number
  std::string arn;                // as it was called, with its qualifier
  // Changes with code and configuration: a container serves one revision.
  std::string revision;
  Json configuration;  // FunctionConfiguration
  Json code;           // {"Sha256", "Size"} or {"ImageUri", "Digest"}
  std::optional<std::size_t> reserved;

  std::chrono::milliseconds timeout() const {
    return std::chrono::seconds(base::integer_or(configuration, "Timeout", 3));
  }
  std::int64_t memory_mb() const { return base::integer_or(configuration, "MemorySize", 128); }
  bool is_image() const { return base::text_or(configuration, "PackageType") == "Image"; }
  bool is_python() const {
    return !is_image() && base::text_or(configuration, "Runtime").starts_with("python");
  }
  std::string log_group() const {
    return base::text_or(base::object_or_empty(configuration, "LoggingConfig"), "LogGroup",
                         "/aws/lambda/" + name);
  }
  // Without network of the machine's (environment SLIPWAY_NETWORK=none).
  bool isolated() const {
    const Json& environment = base::object_or_empty(configuration, "Environment");
    return base::text_or(base::object_or_empty(environment, "Variables"), "SLIPWAY_NETWORK") ==
           "none";
  }
};

// What a call brings.
struct Work {
  std::string request_id;
  std::string payload;
  std::string client_context;  // as in X-Amz-Client-Context; empty: none
  enum class Tail { kUnwanted, kWanted } tail = Tail::kUnwanted;
};

// What a call ends with.
struct Outcome {
  std::string payload;
  std::string error;     // empty, or "Unhandled"
  std::string log_tail;  // where it was wanted
  // The server stopped, or the container was gone before it took the call: not the function's
  // doing.
  bool aborted = false;
  bool reached = false;  // the function was given the call
  std::string version;   // that ran
};

// An invocation that its caller named by a token, as it is recorded.
struct OnceRecord {
  std::optional<Outcome> outcome;  // nothing: it began, and did not end yet
};

// An invocation that waits to be carried out.
struct QueuedEvent {
  std::string id;  // also its request id
  std::string account;
  std::string name;
  std::string qualifier;
  std::string payload;
  int attempts = 0;  // that have begun
  base::Millis created = 0;
};

}  // namespace slipway::functions
