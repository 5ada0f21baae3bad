#include "notify/notify.h"

#include "base/error.h"
#include "base/ids.h"
#include "notify/dead_letters_api.h"
#include "notify/decide.h"
#include "notify/events.h"
#include "notify/links.h"
#include "notify/records.h"
#include "notify/room.h"
#include "notify/templates.h"

namespace slipway::notify {
namespace {

constexpr const char* kConsumer = "notify";

store::Database& migrated(store::Database& database) {
  migrate_records(database);
  return database;
}

DelivererOptions deliverer_options(const NotifyOptions& options) {
  DelivererOptions result;
  result.attempts = options.attempts;
  result.first_pause = options.first_pause;
  result.workers = options.workers;
  if (options.smtp.host.empty()) result.closed.insert("mail");
  return result;
}

}  // namespace

Room::Room(store::Database& database_in, const base::Clock& clock_in, LambdaCaller lambda,
           NotifyOptions options_in)
    : database(migrated(database_in)),
      clock(clock_in),
      options(std::move(options_in)),
      signer(database),
      service(database, clock, signer, options, [this] { deliverer.wake(); }),
      channels(database, service, signer, options, std::move(lambda),
               [this] { return deliverer.stopping(); }),
      deliverer(
          database, clock, [this](const Delivery& delivery) { return channels.attempt(delivery); },
          deliverer_options(options)) {}

Notify::Notify(store::Database& database, const base::Clock& clock, store::EventPump& events,
               iam::Iam& iam, LambdaCaller lambda, NotifyOptions options)
    : state_(std::make_unique<State>(database, clock, iam, std::move(lambda), std::move(options))) {
  database.write([&](store::Transaction& transaction) {
    state_->service.ensure_topic(transaction, iam.account(), kNoticesTopic);
  });
  events.consume(kConsumer, [state = state_.get()](const store::Event& event) {
    take_event(state->database, state->service, event, state->clock, state->options.details);
  });
}

Notify::~Notify() { stop(); }

void Notify::start() { state_->deliverer.start(); }

void Notify::stop() { state_->deliverer.stop(); }

std::string Notify::publish(const std::string& account, const std::string& topic_arn,
                            const std::string& subject, const std::string& message,
                            const Json& attributes) {
  Message sent;
  sent.id = base::uuid();
  sent.account = account;
  sent.topic_arn = topic_arn;
  sent.subject = subject;
  sent.text = message;
  sent.attributes = attributes;
  sent.published = state_->clock.now();
  check_message(sent);
  return state_->service.publish(std::move(sent));
}

std::vector<DeadLetter> Notify::dead_letters(const std::string& account, int limit) const {
  return state_->dead_letters(account, limit);
}

void Notify::redrive(const std::string& account, const std::string& id) {
  state_->redrive(account, id);
}

std::vector<DeadLetter> Room::dead_letters(const std::string& account, int limit) const {
  return database.read([&](store::Reader& reader) {
    std::vector<DeadLetter> letters;
    for (const Delivery& delivery : dead_deliveries(reader, account, limit)) {
      DeadLetter letter;
      letter.id = delivery.id;
      letter.subscription_arn = delivery.subscription;
      letter.topic_arn = delivery.subscription.substr(0, delivery.subscription.rfind(':'));
      letter.destination = delivery.lane;
      letter.message_id = delivery.message;
      if (const auto message = find_message(reader, delivery.message))
        letter.subject = message->subject;
      letter.error = delivery.error;
      letter.attempts = delivery.attempts;
      letter.created = delivery.created;
      letter.given_up = delivery.finished.value_or(0);
      letters.push_back(std::move(letter));
    }
    return letters;
  });
}

void Room::redrive(const std::string& account, const std::string& id) {
  database.write([&](store::Transaction& transaction) {
    const auto delivery = find_delivery(transaction, id);
    if (!delivery || delivery->account != account || delivery->state != DeliveryState::kDead)
      throw Error("NotFound", "There is no dead letter " + id + ".", 404);
    save(transaction, revived(*delivery, clock.now()));
    transaction.after_commit([this] { deliverer.wake(); });
  });
}

bool Notify::takes(const net::RequestHead& head) { return is_link(head) || is_dead_letters(head); }

std::optional<net::Response> Notify::admit(const net::RequestHead& /*head*/) {
  // A link's request has no body worth reading.
  return net::plain(413, "The request is too large.\n");
}

net::Response Notify::handle(net::Request request) {
  if (is_dead_letters(request)) return answer_dead_letters(request, state_->iam, *this);
  return answer_link(request, state_->service, state_->signer);
}

}  // namespace slipway::notify
