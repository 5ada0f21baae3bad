// SNS' operations on the wire.

#include "notify/notify.h"
#include "notify/room.h"
#include "notify/service.h"

namespace slipway::notify {
namespace {

using Read = Json (Service::*)(const std::string&, const Json&) const;
using Change = Json (Service::*)(const std::string&, const Json&);
using Act = void (Service::*)(const std::string&, const Json&);

class Registration {
 public:
  Registration(wire::Api& api, Service& service) : api_(api), service_(service) {}

  void read(const char* operation, Read run) {
    api_.on("sns", operation, [&service = service_, run](wire::Call& call) {
      return wire::Reply((service.*run)(call.caller.account, call.input));
    });
  }
  void change(const char* operation, Change run) {
    api_.on("sns", operation, [&service = service_, run](wire::Call& call) {
      return wire::Reply((service.*run)(call.caller.account, call.input));
    });
  }
  void act(const char* operation, Act run) {
    api_.on("sns", operation, [&service = service_, run](wire::Call& call) {
      (service.*run)(call.caller.account, call.input);
      return wire::Reply();
    });
  }

 private:
  wire::Api& api_;
  Service& service_;
};

}  // namespace

void register_sns_api(wire::Api& api, Notify& notify) {
  Service& service = notify.state_->service;
  Registration on(api, service);
  on.change("CreateTopic", &Service::create_topic);
  on.act("DeleteTopic", &Service::delete_topic);
  on.read("GetTopicAttributes", &Service::topic_attributes);
  on.act("SetTopicAttributes", &Service::set_topic_attribute);
  on.read("ListTopics", &Service::list_topics);
  on.change("Subscribe", &Service::subscribe);
  on.act("Unsubscribe", &Service::unsubscribe);
  on.read("GetSubscriptionAttributes", &Service::subscription_attributes);
  on.act("SetSubscriptionAttributes", &Service::set_subscription_attribute);
  on.read("ListSubscriptions", &Service::list_subscriptions);
  on.read("ListSubscriptionsByTopic", &Service::list_subscriptions);
  on.change("Publish", &Service::publish);
  on.change("PublishBatch", &Service::publish_batch);
  on.read("ListTagsForResource", &Service::list_tags);
  on.act("TagResource", &Service::tag);
  on.act("UntagResource", &Service::untag);
  api.on("sns", "ConfirmSubscription", [&service](wire::Call& call) {
    return wire::Reply(service.confirm(call.caller.account, call.input, true));
  });
}

}  // namespace slipway::notify
