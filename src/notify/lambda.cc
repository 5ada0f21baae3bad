// Notify with the functions room behind its Lambda subscriptions.

#include "functions/functions.h"
#include "notify/notify.h"
#include "notify/room.h"

namespace slipway::notify {
namespace {

LambdaCaller caller_of(functions::Functions& functions) {
  LambdaCaller caller;
  caller.permits = [&functions](const std::string& account, const std::string& function,
                                const std::string& topic_arn) {
    return functions.permits(account, function, "sns.amazonaws.com", topic_arn);
  };
  caller.invoke = [&functions](const std::string& account, const std::string& function,
                               const std::string& event) {
    functions.invoke(account, function, event, functions::InvocationType::kEvent);
  };
  return caller;
}

}  // namespace

Notify::Notify(store::Database& database, const base::Clock& clock, store::EventPump& events,
               iam::Iam& iam, functions::Functions& functions, NotifyOptions options)
    : Notify(database, clock, events, iam, caller_of(functions), std::move(options)) {}

}  // namespace slipway::notify
