// Lambda's operations: Invoke, and where the others are.

#include <string>

#include "base/error.h"
#include "base/strings.h"
#include "functions/functions_state.h"

namespace slipway::functions {
namespace {

InvocationType type_of(const wire::Call& call) {
  const std::string type = call.text("InvocationType");
  if (type == "Event") return InvocationType::kEvent;
  if (type == "DryRun") return InvocationType::kDryRun;
  return InvocationType::kRequestResponse;
}

std::string payload_of(const wire::Call& call, InvocationType type) {
  const bool event = type == InvocationType::kEvent;
  const std::size_t most = event ? kEventPayload : kSyncPayload;
  const std::uint64_t size = call.request.body.size();
  if (size > most) {
    throw Error("RequestTooLargeException",
                std::to_string(size) + " byte payload is too large for the " +
                    (event ? "Event" : "RequestResponse") + " invocation type (limit " +
                    std::to_string(most) + " bytes)",
                413, {{"Type", "User"}});
  }
  if (size == 0) return "{}";
  std::string payload = call.request.body.text();
  if (!Json::accept(payload)) {
    throw Error("InvalidRequestContentException",
                "Could not parse request body into json: it is not JSON.", 400, {{"Type", "User"}});
  }
  return payload;
}

// Counts the callers that wait; one too many is refused.
class Waiting {
 public:
  Waiting(std::atomic<std::size_t>& count, std::size_t most) : count_(count) {
    if (count_.fetch_add(1) < most) return;
    count_.fetch_sub(1);
    throw Error("TooManyRequestsException", "Rate Exceeded.", 429,
                {{"Type", "User"}, {"Reason", "CallerRateLimitExceeded"}});
  }
  ~Waiting() { count_.fetch_sub(1); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  std::atomic<std::size_t>& count_;
};

wire::Reply wait_for_answer(Room& room, const wire::Call& call, const Reference& reference,
                            Work work) {
  const Waiting place(room.waiting, room.options.waiting_callers);
  const bool tail = call.text("LogType") == "Tail";
  if (tail) work.tail = Work::Tail::kWanted;
  work.client_context = call.text("ClientContext");
  Outcome outcome = room.run(call.caller.account, reference, work);
  wire::Reply reply(Json{{"StatusCode", 200}, {"ExecutedVersion", outcome.version}});
  if (!outcome.error.empty()) reply.output["FunctionError"] = outcome.error;
  if (tail) reply.output["LogResult"] = base::base64(outcome.log_tail);
  reply.payload = std::move(outcome.payload);
  reply.headers.set("Content-Type", "application/json");
  return reply;
}

wire::Reply invoke(Room& room, wire::Call& call) {
  const InvocationType type = type_of(call);
  const Reference reference = reference_of(room, call);
  Work work{.request_id = call.request_id, .payload = payload_of(call, type), .client_context = ""};
  switch (type) {
    case InvocationType::kRequestResponse:
      return wait_for_answer(room, call, reference, std::move(work));
    case InvocationType::kEvent:
      room.target(call.caller.account, reference);  // it is there
      room.enqueue(call.caller.account, reference, work);
      return Json{{"StatusCode", 202}};
    case InvocationType::kDryRun:
      room.target(call.caller.account, reference);
      break;
  }
  return Json{{"StatusCode", 204}};
}

}  // namespace

Reference reference_of(const Room& room, const wire::Call& call) {
  return room.reference(call.caller.account, call.text("FunctionName"), call.text("Qualifier"));
}

void check_revision(const Json& request, const std::string& revision) {
  if (!request.contains("RevisionId") || base::text_or(request, "RevisionId") == revision) return;
  throw Error("PreconditionFailedException",
              "The RevisionId provided does not match the latest RevisionId. Call the "
              "GetFunction/GetAlias/GetPolicy API to retrieve the latest RevisionId",
              412, {{"Type", "User"}});
}

void register_invoke(wire::Api& api, Room& room) {
  api.on("lambda", "Invoke", [&room](wire::Call& call) { return invoke(room, call); });
}

void register_lambda_api(wire::Api& api, Functions& functions) {
  Room& room = *functions.state_;
  register_function_operations(api, room);
  register_version_operations(api, room);
  register_access_operations(api, room);
  register_invoke(api, room);
}

}  // namespace slipway::functions
