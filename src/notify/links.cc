#include "notify/links.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "notify/notice.h"

namespace slipway::notify {
namespace {

constexpr std::string_view kCertificates = "/notify/SimpleNotificationService-";

std::string parameter(const net::RequestHead& head, std::string_view name) {
  for (const auto& [key, value] : base::parse_query(head.query()))
    if (key == name) return value;
  return {};
}

bool is_signed(const net::RequestHead& head) {
  return head.headers.has("authorization") || !parameter(head, "X-Amz-Signature").empty() ||
         !parameter(head, "Signature").empty();
}

// A browser, and not a program that expects SNS' XML.
bool wants_page(const net::RequestHead& head) {
  return head.headers.get("accept").find("text/html") != std::string_view::npos;
}

net::Response page(int status, const std::string& title, const std::string& body) {
  net::Response response = net::plain(
      status,
      "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>" + escape_html(title) +
          "</title></head>\n<body style=\"font-family:sans-serif\">\n<h2>" + escape_html(title) +
          "</h2>\n" + body + "</body></html>\n",
      "text/html; charset=utf-8");
  // The address holds a token.
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

net::Response xml(int status, const std::string& text) {
  net::Response response = net::plain(status, "<?xml version=\"1.0\"?>\n" + text, "text/xml");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

std::string result_xml(const std::string& action, const std::string& result) {
  constexpr const char* kNamespace = "http://sns.amazonaws.com/doc/2010-03-31/";
  return "<" + action + "Response xmlns=\"" + kNamespace + "\">" + result +
         "<ResponseMetadata><RequestId>" + base::uuid() + "</RequestId></ResponseMetadata></" +
         action + "Response>\n";
}

net::Response failure(const net::Request& request, const Error& error) {
  const int status = error.status();
  if (wants_page(request))
    return page(status, "That did not work", "<p>" + escape_html(error.message()) + "</p>\n");
  return xml(status,
             "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error>"
             "<Type>Sender</Type><Code>" +
                 escape_html(error.code()) + "</Code><Message>" + escape_html(error.message()) +
                 "</Message></Error><RequestId>" + base::uuid() + "</RequestId></ErrorResponse>\n");
}

net::Response confirm(const net::Request& request, Service& service) {
  const Json answer =
      service.confirm_by_link(parameter(request, "TopicArn"), parameter(request, "Token"));
  const std::string arn = base::text_or(answer, "SubscriptionArn");
  if (wants_page(request))
    return page(200, "Subscription confirmed", "<p>" + escape_html(arn) + "</p>\n");
  return xml(200, result_xml("ConfirmSubscription",
                             "<ConfirmSubscriptionResult><SubscriptionArn>" + escape_html(arn) +
                                 "</SubscriptionArn></ConfirmSubscriptionResult>"));
}

net::Response unsubscribe(const net::Request& request, Service& service) {
  const std::string arn = parameter(request, "SubscriptionArn");
  const std::string token = parameter(request, "Token");
  // Mail programs open links in advance to look for malware; nobody shall lose a subscription by
  // that. A press of the button, or a mail program's one-click POST, ends it.
  if (request.method != "POST" && wants_page(request)) {
    const auto subscription = service.subscription_of_link(arn, token);
    if (!subscription) throw Error("NotFound", "Subscription does not exist", 404);
    return page(200, "Unsubscribe?",
                "<p>" + escape_html(subscription->endpoint) + " gets messages of " +
                    escape_html(subscription->topic_arn) +
                    ".</p>\n<form method=\"post\"><button>Unsubscribe</button></form>\n");
  }
  service.unsubscribe_by_link(arn, token);
  if (wants_page(request)) return page(200, "Unsubscribed", "");
  return xml(200, result_xml("Unsubscribe", ""));
}

net::Response certificate(const net::Request& request, const Signer& signer) {
  if (request.path() != "/notify/" + signer.certificate_name())
    return net::plain(404, "There is no such certificate.\n");
  return net::plain(200, signer.certificate(), "application/x-pem-file");
}

}  // namespace

bool is_link(const net::RequestHead& head) {
  if (is_signed(head)) return false;
  const bool get = head.method == "GET";
  if (get && head.path().starts_with(kCertificates) && head.path().ends_with(".pem")) return true;
  if (head.path() != "/" || (!get && head.method != "POST")) return false;
  const std::string action = parameter(head, "Action");
  return (action == "ConfirmSubscription" || action == "Unsubscribe") &&
         !parameter(head, "Token").empty();
}

net::Response answer_link(const net::Request& request, Service& service, const Signer& signer) {
  try {
    if (request.path() != "/") return certificate(request, signer);
    return parameter(request, "Action") == "Unsubscribe" ? unsubscribe(request, service)
                                                         : confirm(request, service);
  } catch (const Error& error) {
    return failure(request, error);
  }
}

}  // namespace slipway::notify
