#pragma once

// The AWS APIs: operations by name, over whatever protocol the client speaks.
//
// A room registers a function for each operation. The input that it gets has been
// decoded from the wire and validated against the service's model; what it returns
// is encoded by the same model. In both, by every protocol:
//   - member names are the model's ("TrainingJobName"), absent members are absent, never null;
//   - timestamps are numbers, epoch seconds with fraction;
//   - blobs are base64 text, except a streaming payload, which is not in the JSON at all.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "net/http.h"

namespace slipway::wire {

// Who sent a request.
struct Caller {
  std::string account;  // twelve digits
  std::string arn;  // arn:aws:iam::<account>:root, …:user/<name>, arn:aws:sts::…:assumed-role/…
  std::string user_id;
  std::string access_key;
};

// One call of an operation. Lives until the operation has returned.
struct Call {
  const Caller& caller;
  std::string region;  // the server's own, whatever the client signed for
  std::string request_id;
  std::string_view service;    // botocore's folder name: "sagemaker", "s3", "ecr", "logs", "sts"
  std::string_view operation;  // "CreateModel"
  Json input;
  const net::Request& request;
  // The payload of an operation whose input streams one (PutObject), with S3's chunk
  // framing removed and its declared checksums verified.
  net::Body payload;
  // Checksum headers or trailers that came with the payload: {"x-amz-checksum-crc32", "…"}.
  std::map<std::string, std::string> checksums;

  // Members of the input.
  std::string text(std::string_view member) const;  // "" where absent
  bool has(std::string_view member) const { return input.contains(member); }
};

struct Reply {
  Reply(Json result = Json::object()) : output(std::move(result)) {}  // NOLINT: meant to convert
  Json output;
  std::optional<net::ResponseBody> payload;     // for an output whose payload streams
  std::optional<int> status;                    // where the operation has several, e.g. 206
  net::Headers headers;                         // beyond those that the model places
  std::optional<std::uint64_t> content_length;  // for HEAD
};

using Operation = std::function<Reply(Call&)>;

// Secrets by access key. Thread-safe.
class Credentials {
 public:
  struct Key {
    std::string secret;
    std::string session_token;  // required of the request where not empty
    base::Millis expires = 0;   // 0: never
    Caller caller;
  };
  virtual ~Credentials() = default;
  virtual std::optional<Key> find(std::string_view access_key) const = 0;
  // The same without copying, for callers in a hurry; null where there is none.
  virtual std::shared_ptr<const Key> share(std::string_view access_key) const;
};

// Thread-safe after the last on().
class Api {
 public:
  // `region` is the one that this server calls its own. Arguments outlive the Api.
  Api(const Credentials& credentials, const base::Clock& clock, std::string region);
  ~Api();

  // Throws Error at start-up where the embedded models lack the operation.
  void on(std::string_view service, std::string_view operation, Operation run);

  // Where S3's chunked bodies over 1 MiB are put together. Without it they are refused.
  void spool_into(store::Spool& spool);

  // A name of this server: "<bucket>.<host>" in Host then names a bucket. Always so:
  // "<bucket>.<anything>.localhost". Where Host is an address, the path names the bucket.
  void serve_host(std::string host);

  // Asked before each operation; throws Error{AccessDenied…} to refuse. At most one.
  void authorize_by(std::function<void(const Call&)> check);

  // Whether the request is for an AWS API (its Authorization, X-Amz-* query, target
  // or Action says so). S3 takes what is signed and matches nothing else.
  bool takes(const net::RequestHead& head) const;

  // Verifies the signature of the head; an answer refuses. For bodies not yet read.
  std::optional<net::Response> admit(const net::RequestHead& head) const;

  // Verifies, decodes, runs, encodes. Never throws: every failure is the protocol's error.
  net::Response handle(net::Request request) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::wire
