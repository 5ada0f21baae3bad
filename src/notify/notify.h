#pragma once

// Topics, subscriptions and deliveries (SNS); mail over SMTP and Slack as channels.
//
// A published message is durable before Publish returns; each delivery is a record that is tried
// with growing pauses and, in the end, kept as a dead letter that can be listed and sent again. A
// channel that is down delays its own deliveries, nobody else.
//
// What happens in the other rooms is told as well: events of the outbox become notices by the
// templates in templates.h (success, failure, evaluation, approval, endpoint) on the topic
// "slipway-notices", which is always there.

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "functions/functions.h"
#include "iam/iam.h"
#include "net/client.h"
#include "net/server.h"
#include "store/database.h"
#include "store/outbox.h"
#include "wire/api.h"

namespace slipway::notify {

// Where mail goes out. Nothing is sent where host is empty; messages then wait.
struct SmtpOptions {
  std::string host;
  int port = 587;
  std::string user, password;
  std::string from = "slipway@localhost";
  bool require_tls = true;  // STARTTLS, or the mail is not sent
};

// What an event's detail has no place for, as further members of it: of Endpoint.… "Versions",
// "Images" and "Instances" (lists of texts), of these and executions "Commit", of Job.Finished and
// PipelineExecution.Failed "lines" (the end of the log), of the latter "JobName", of
// Pipeline.Finished "failure_reason".
using Details = std::function<Json(const store::Event& event)>;

struct NotifyOptions {
  std::string region;
  SmtpOptions smtp;
  std::function<std::string()> url;              // this server, for confirmation links
  int attempts = 20;                             // of a delivery; with the pauses nine hours
  std::chrono::milliseconds first_pause{1'000};  // doubles to an hour
  // Deliveries to one destination (the mail server, a host, a function); one more is refused with
  // Throttled.
  std::size_t waiting = 100'000;
  std::size_t workers = 4;
  // Asked when a notice is made, without a transaction; where it throws, the notice goes without.
  Details details;
};

// What a Lambda subscription needs of the functions room.
struct LambdaCaller {
  std::function<bool(const std::string& account, const std::string& function,
                     const std::string& topic_arn)>
      permits;
  // Hands the event over durably; throws Error as Functions::invoke does.
  std::function<void(const std::string& account, const std::string& function,
                     const std::string& event)>
      invoke;
};

// A delivery that was given up.
struct DeadLetter {
  std::string id;
  std::string topic_arn;
  std::string subscription_arn;
  std::string destination;  // "mail", "https://host", a function's ARN
  std::string message_id;   // empty for a request to confirm
  std::string subject;
  std::string error;
  int attempts = 0;
  base::Millis created = 0;
  base::Millis given_up = 0;
};

// Thread-safe.
class Notify final : public net::Handler {
 public:
  // Consumes every event: construct before EventPump::start().
  Notify(store::Database& database, const base::Clock& clock, store::EventPump& events,
         iam::Iam& iam, functions::Functions& functions, NotifyOptions options);
  Notify(store::Database& database, const base::Clock& clock, store::EventPump& events,
         iam::Iam& iam, LambdaCaller lambda, NotifyOptions options);
  ~Notify() override;  // stop()
  void start();
  void stop();

  // The message's id. Throws Error{NotFound, 404} where there is no such topic.
  std::string publish(const std::string& account, const std::string& topic_arn,
                      const std::string& subject, const std::string& message,
                      const Json& attributes = Json::object());

  // The newest first, at most `limit`. They are kept for 30 days.
  std::vector<DeadLetter> dead_letters(const std::string& account, int limit = 100) const;
  // Sends one again, as if it were new. Throws Error{NotFound, 404} where there is none.
  void redrive(const std::string& account, const std::string& id);

  // Links in mails and envelopes, which carry their own token:
  // /?Action=ConfirmSubscription&…, ?Action=Unsubscribe&…, and SigningCertURL's /notify/….
  static bool takes(const net::RequestHead& head);
  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;

 private:
  friend void register_sns_api(wire::Api& api, Notify& notify);
  struct State;
  std::unique_ptr<State> state_;
};

// SNS' operations of wire/operations.txt.
void register_sns_api(wire::Api& api, Notify& notify);

}  // namespace slipway::notify
