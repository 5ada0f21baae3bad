#include "notify/dead_letters_api.h"

#include "base/error.h"
#include "base/strings.h"

namespace slipway::notify {
namespace {

constexpr std::string_view kPath = "/notify/dead-letters";
constexpr std::string_view kRedrive = "/redrive";
constexpr std::int64_t kMostListed = 10'000;

net::Response json(int status, const Json& body) {
  return net::plain(status, base::dump_json(body), "application/json");
}

std::optional<wire::Caller> caller_of(const net::RequestHead& head, const iam::Iam& iam) {
  const std::string_view value = head.headers.get("authorization");
  const auto plain = base::from_base64(base::trim(value.substr(std::string_view("Basic ").size())));
  const auto colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return iam.check_registry_login(plain->substr(0, colon), plain->substr(colon + 1));
}

// "?limit=": how many, 100 where it is not given.
int limit_in(const net::RequestHead& head) {
  for (const auto& [key, value] : base::parse_query(head.query())) {
    if (key != "limit") continue;
    const auto limit = base::parse_integer(value);
    if (!limit || *limit < 1 || *limit > kMostListed)
      throw Error("InvalidParameter", "limit is a number from 1 to " + std::to_string(kMostListed));
    return static_cast<int>(*limit);
  }
  return 100;
}

Json described(const DeadLetter& letter) {
  Json item{{"Id", letter.id},
            {"TopicArn", letter.topic_arn},
            {"SubscriptionArn", letter.subscription_arn},
            {"Destination", letter.destination},
            {"Subject", letter.subject},
            {"Error", letter.error},
            {"Attempts", letter.attempts},
            {"Created", base::iso8601_millis(letter.created)},
            {"GivenUp", base::iso8601_millis(letter.given_up)}};
  if (!letter.message_id.empty()) item["MessageId"] = letter.message_id;
  return item;
}

}  // namespace

bool is_dead_letters(const net::RequestHead& head) {
  const std::string_view path = head.path();
  return (path == kPath || path.starts_with(std::string(kPath) + "/")) &&
         head.headers.get("authorization").starts_with("Basic ");
}

net::Response answer_dead_letters(const net::Request& request, const iam::Iam& iam,
                                  Notify& notify) {
  const auto caller = caller_of(request, iam);
  if (!caller) {
    net::Response refused = json(401, {{"message", "an access key and its secret are needed"}});
    refused.headers.set("WWW-Authenticate", "Basic realm=\"slipway\"");
    return refused;
  }
  std::string_view rest = request.path().substr(kPath.size());
  try {
    if (rest.empty() && request.method == "GET") {
      Json list = Json::array();
      for (const DeadLetter& letter : notify.dead_letters(caller->account, limit_in(request)))
        list.push_back(described(letter));
      return json(200, {{"DeadLetters", std::move(list)}});
    }
    if (request.method == "POST" && rest.size() > kRedrive.size() + 1 && rest.ends_with(kRedrive)) {
      rest = rest.substr(1, rest.size() - 1 - kRedrive.size());
      notify.redrive(caller->account, base::percent_decode(rest));
      return json(200, Json::object());
    }
  } catch (const Error& error) {
    return json(error.status(), {{"message", error.message()}});
  }
  return json(404, {{"message", "there is nothing here"}});
}

}  // namespace slipway::notify
