#include "notify/channels.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "notify/decide.h"
#include "notify/envelope.h"
#include "notify/mime.h"
#include "notify/notice.h"
#include "notify/records.h"
#include "notify/smtp.h"

namespace slipway::notify {
namespace {

constexpr std::chrono::seconds kConnect{5};
constexpr std::chrono::seconds kAnswer{15};  // as long as SNS waits
constexpr std::uint64_t kAnswerBytes = 1u << 20;

Outcome gone() { return {Outcome::Result::kGone, {}, {}}; }

Outcome refused(std::string why) { return {Outcome::Result::kRefused, std::move(why), {}}; }

std::string with_footer(std::string html, const std::string& unsubscribe_url) {
  const std::string footer = "<p style=\"color:#666\">To stop these mails: <a href=\"" +
                             escape_html(unsubscribe_url) + "\">unsubscribe</a></p>\n";
  const std::size_t end = html.rfind("</body>");
  return end == std::string::npos ? html + footer : html.insert(end, footer);
}

std::string named_topic(const Subscription& subscription, const std::string& display_name) {
  return display_name.empty() ? subscription.topic : display_name;
}

net::Headers sns_headers(const char* type, const std::string& id,
                         const Subscription& subscription) {
  net::Headers headers;
  headers.add("Content-Type", "text/plain; charset=UTF-8");
  headers.add("User-Agent", "Slipway Notification Service Agent");
  headers.add("x-amz-sns-message-type", type);
  headers.add("x-amz-sns-message-id", id);
  headers.add("x-amz-sns-topic-arn", subscription.topic_arn);
  return headers;
}

}  // namespace

Channels::Channels(store::Database& database, const Service& service, const Signer& signer,
                   const NotifyOptions& options, LambdaCaller lambda,
                   std::function<bool()> stopping)
    : database_(database),
      service_(service),
      signer_(signer),
      options_(options),
      lambda_(std::move(lambda)),
      stopping_(std::move(stopping)) {}

Outcome Channels::attempt(const Delivery& delivery) {
  const auto subscription = service_.find(delivery.subscription);
  if (!subscription) return gone();
  if (delivery.kind == DeliveryKind::kConfirmation)
    return subscription->confirmed ? gone() : ask(delivery, *subscription);
  const auto message =
      database_.read([&](store::Reader& reader) { return find_message(reader, delivery.message); });
  if (!message) return gone();
  return tell(delivery, *subscription, *message);
}

Outcome Channels::ask(const Delivery& delivery, const Subscription& subscription) {
  const std::string link = service_.confirmation_url(subscription);
  const std::string token = service_.confirmation_token(subscription);
  if (channel_of(subscription) == Channel::kMail) {
    Page page;
    page.title = "Confirm your subscription";
    page.facts = {{"Topic", subscription.topic_arn}, {"Address", subscription.endpoint}};
    page.listings = {{"Open the link below, or run this; if you did not ask for it, do nothing",
                      {"aws sns confirm-subscription --topic-arn " + subscription.topic_arn +
                       " --token " + token}}};
    page.link = link;
    const Mail mail{delivery.id,           options_.smtp.from, "",
                    subscription.endpoint, page.title,         to_text(page),
                    to_html(page),         std::string(),      delivery.created};
    return send_mail(options_.smtp, subscription.endpoint, to_mime(mail), stopping_);
  }
  const Surroundings surroundings{
      service_.url(), service_.topic_attribute(subscription, "SignatureVersion", "1"), ""};
  const Json envelope =
      confirmation(delivery.id, subscription, token, link, delivery.created, signer_, surroundings);
  return send(subscription.endpoint,
              sns_headers("SubscriptionConfirmation", delivery.id, subscription),
              base::dump_json_pretty(envelope));
}

Outcome Channels::tell(const Delivery& delivery, const Subscription& subscription,
                       const Message& message) {
  switch (channel_of(subscription)) {
    case Channel::kMail:
      return mail(delivery, subscription, message);
    case Channel::kLambda: {
      const Surroundings surroundings{
          service_.url(), service_.topic_attribute(subscription, "SignatureVersion", "1"),
          service_.unsubscribe_url(subscription)};
      return call(subscription,
                  base::dump_json(lambda_event(message, subscription, signer_, surroundings)));
    }
    case Channel::kSlack: {
      net::Headers headers;
      headers.add("Content-Type", "application/json; charset=utf-8");
      headers.add("User-Agent", "Slipway");
      return send(subscription.endpoint, headers, base::dump_json(slack_message(message)));
    }
    case Channel::kWeb:
      return post(subscription, message);
  }
  return gone();
}

Outcome Channels::mail(const Delivery& delivery, const Subscription& subscription,
                       const Message& message) {
  const std::string display_name = service_.topic_attribute(subscription, "DisplayName", "");
  const std::string unsubscribe_url = service_.unsubscribe_url(subscription);
  Mail mail{
      delivery.id, options_.smtp.from, display_name,     subscription.endpoint, message.subject, "",
      "",          unsubscribe_url,    message.published};
  if (mail.subject.empty())
    mail.subject = "Notification from " + named_topic(subscription, display_name);
  const std::string footer = "\n--\nTo stop these mails: " + unsubscribe_url + "\n";
  if (subscription.protocol == "email-json") {
    const Surroundings surroundings{service_.url(),
                                    service_.topic_attribute(subscription, "SignatureVersion", "1"),
                                    unsubscribe_url};
    mail.text =
        base::dump_json_pretty(notification(message, subscription, signer_, surroundings)) + "\n";
    mail.html = plain_html(mail.text);
  } else if (message.notice.is_object()) {
    mail.text = base::text_or(message.notice, "text") + footer;
    mail.html = with_footer(base::text_or(message.notice, "html"), unsubscribe_url);
  } else {
    const std::string text = text_of(message, subscription);
    mail.text = text + "\n" + footer;
    mail.html = with_footer(plain_html(text), unsubscribe_url);
  }
  return send_mail(options_.smtp, subscription.endpoint, to_mime(mail), stopping_);
}

Outcome Channels::post(const Subscription& subscription, const Message& message) {
  net::Headers headers = sns_headers("Notification", message.id, subscription);
  headers.add("x-amz-sns-subscription-arn", subscription.arn);
  if (base::text_or(subscription.attributes, "RawMessageDelivery") == "true") {
    headers.add("x-amz-sns-rawdelivery", "true");
    return send(subscription.endpoint, headers, text_of(message, subscription));
  }
  const Surroundings surroundings{service_.url(),
                                  service_.topic_attribute(subscription, "SignatureVersion", "1"),
                                  service_.unsubscribe_url(subscription)};
  return send(subscription.endpoint, headers,
              base::dump_json_pretty(notification(message, subscription, signer_, surroundings)));
}

Outcome Channels::call(const Subscription& subscription, const std::string& event) {
  const auto arn = base::parse_arn(subscription.endpoint);
  const std::string account = arn ? arn->account : subscription.account;
  if (account != subscription.account) return refused("the function belongs to another account");
  if (!lambda_.permits(account, subscription.endpoint, subscription.topic_arn))
    return refused("the function's policy does not let sns.amazonaws.com call it for " +
                   subscription.topic_arn + "; add the permission, then send this again");
  try {
    lambda_.invoke(account, subscription.endpoint, event);
  } catch (const Error& error) {
    if (error.code() == "ResourceNotFoundException") return refused(error.message());
    throw;
  }
  return {};
}

Outcome Channels::send(const std::string& url, const net::Headers& headers, std::string body) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = url;
  request.headers = headers;
  request.body = std::move(body);
  request.connect_timeout = kConnect;
  request.timeout = kAnswer;
  request.response_limit = kAnswerBytes;
  const net::ClientResponse response = client_.send(request);
  return outcome_of_status(response.status, response.headers.get("Retry-After"));
}

}  // namespace slipway::notify
