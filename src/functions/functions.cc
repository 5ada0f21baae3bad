#include "functions/functions.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "functions/decide.h"
#include "functions/functions_state.h"

namespace slipway::functions {
namespace {

constexpr base::Millis kDownloadLife = 600'000;
constexpr std::string_view kDownloadPath = "/lambda-code/";

// Uniform in [0, 1).
double roll() {
  const std::string bytes = base::random_bytes(4);
  std::uint32_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return static_cast<double>(number) / 4294967296.0;
}

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

void check_size(const std::string& payload, InvocationType type) {
  const bool event = type == InvocationType::kEvent;
  const std::size_t most = event ? kEventPayload : kSyncPayload;
  if (payload.size() <= most) return;
  throw Error("RequestTooLargeException",
              std::to_string(payload.size()) + " byte payload is too large for the " +
                  (event ? "Event" : "RequestResponse") + " invocation type (limit " +
                  std::to_string(most) + " bytes)",
              413, {{"Type", "User"}});
}

Work work_of(const std::string& payload, Work::Tail tail) {
  return {.request_id = base::uuid(),
          .payload = payload.empty() ? "{}" : payload,
          .client_context = "",
          .tail = tail};
}

Invocation invocation_of(Outcome outcome) {
  return {.payload = std::move(outcome.payload),
          .function_error = std::move(outcome.error),
          .version = std::move(outcome.version),
          .log_tail = std::move(outcome.log_tail)};
}

std::string signature(const std::string& secret, const std::string& name, base::Millis expires) {
  return base::hex(base::hmac_sha256(secret, name + "\n" + std::to_string(expires)));
}

}  // namespace

Room::Room(store::Database& database, const base::Clock& clock_, store::Spool& spool_,
           objects::Objects& objects_, images::Images& images_, containers::Engine& engine,
           containers::LogPump& log_pump, observe::Logs& logs, iam::Iam& iam_,
           FunctionsOptions options_)
    : options(std::move(options_)),
      clock(clock_),
      spool(spool_),
      objects(objects_),
      images(images_),
      iam(iam_),
      store(database, clock, options.region),
      code(store::system_disk(), options.directory / "code"),
      platform_log(logs, clock),
      launcher({.clock = clock,
                .images = images,
                .engine = engine,
                .iam = iam,
                .code = code,
                .runtime_directory = options.directory / "runtime",
                .socket_directory = options.directory / "socket",
                .region = options.region,
                .url = options.url,
                .ca_bundle = options.ca_bundle,
                .runtime_port = [this] { return runtime_api.port(); }}),
      pool(clock, engine, log_pump, platform_log,
           [this](const Target& target, const std::string& container, const std::string& token,
                  const std::string& stream) {
             return launcher.launch(target, container, token, stream);
           },
           {.containers = options.containers,
            .containers_each = options.containers_each,
            .idle = options.idle,
            .init = options.init}),
      runtime_api(pool, spool),
      bridge(options.directory / "socket/runtime.sock"),
      events(store, clock,
             [this](const QueuedEvent& event) {
               return run(
                   event.account,
                   {.account = event.account, .name = event.name, .qualifier = event.qualifier},
                   {.request_id = event.id, .payload = event.payload, .client_context = ""});
             },
             {.running = options.running_events,
              .waiting = options.queued_events,
              .pauses = options.event_pauses}),
      ledger(store, clock, {}),
      download_secret(base::random_bytes(32)) {}

Reference Room::reference(const std::string& account, const std::string& name,
                          const std::string& qualifier) const {
  auto reference = parse_reference(name);
  if (!reference) refuse("\"" + name + "\" is not the name or ARN of a function.");
  if (!reference->account.empty() && reference->account != account) {
    throw_not_found("Function not found: " + name);
  }
  if (!qualifier.empty()) {
    if (!reference->qualifier.empty() && reference->qualifier != qualifier) {
      refuse(
          "The derived qualifier from the function name does not match the specified "
          "qualifier.");
    }
    reference->qualifier = qualifier;
  }
  reference->account = account;
  return std::move(*reference);
}

Target Room::target(const std::string& account, const Reference& reference) const {
  return store.target(account, reference, roll());
}

Outcome Room::run(const std::string& account, const Reference& reference, const Work& work) {
  const Target found = target(account, reference);
  Outcome outcome = pool.run(found, work);
  outcome.version = found.version;
  return outcome;
}

void Room::enqueue(const std::string& account, const Reference& reference, const Work& work) {
  events.add({.id = work.request_id,
              .account = account,
              .name = reference.name,
              .qualifier = reference.qualifier,
              .payload = work.payload,
              .attempts = 0,
              .created = clock.now()});
}

void Room::check_role(const std::string& role) const {
  try {
    if (iam.get_role(base::name_of(role)).arn == role) return;
  } catch (const Error& error) {
    if (error.code() != "NoSuchEntity") throw;
  }
  refuse("The role defined for the function cannot be assumed by Lambda: there is no role " + role +
         ".");
}

std::string Room::download_url(const std::string& sha256) const {
  const base::Millis expires = clock.now() + kDownloadLife;
  return (options.url ? options.url() : std::string()) + std::string(kDownloadPath) + sha256 +
         ".zip?Expires=" + std::to_string(expires) +
         "&Signature=" + signature(download_secret, sha256, expires);
}

Functions::Functions(store::Database& database, const base::Clock& clock, store::Spool& spool,
                     objects::Objects& objects, images::Images& images, containers::Engine& engine,
                     containers::LogPump& log_pump, observe::Logs& logs, iam::Iam& iam,
                     FunctionsOptions options)
    : state_(std::make_unique<State>(database, clock, spool, objects, images, engine, log_pump,
                                     logs, iam, std::move(options))) {}

Functions::~Functions() { stop(); }

void Functions::start() {
  state_->code.keep_only(state_->store.digests());
  state_->launcher.prepare();
  state_->platform_log.start();
  state_->pool.start();
  state_->runtime_api.start();
  state_->bridge.start(state_->runtime_api.port());
  state_->ledger.expire();
  state_->events.start();
}

// The pool before the queue: its end is the end of what the queue runs.
void Functions::stop() {
  state_->pool.stop();
  state_->events.stop();
  state_->bridge.stop();
  state_->runtime_api.stop();
  state_->platform_log.stop();
}

Invocation Functions::invoke(const std::string& account, const std::string& name,
                             const std::string& payload, InvocationType type) {
  check_size(payload, type);
  const Reference reference = state_->reference(account, name);
  const Work work = work_of(payload, Work::Tail::kWanted);
  if (type == InvocationType::kRequestResponse) {
    return invocation_of(state_->run(account, reference, work));
  }
  Invocation invocation;
  invocation.version = state_->target(account, reference).version;
  if (type == InvocationType::kEvent) state_->enqueue(account, reference, work);
  return invocation;
}

Invocation Functions::invoke_once(const std::string& account, const std::string& name,
                                  const std::string& payload, const std::string& token) {
  return invocation_of(state_->ledger.carry_out(account, token, [&] {
    check_size(payload, InvocationType::kRequestResponse);
    return state_->run(account, state_->reference(account, name),
                       work_of(payload, Work::Tail::kUnwanted));
  }));
}

void Functions::forget(const std::string& account, const std::string& token) {
  state_->ledger.forget(account, token);
}

std::optional<std::string> Functions::find(const std::string& account,
                                           const std::string& name) const {
  const auto reference = parse_reference(name);
  if (!reference || (!reference->account.empty() && reference->account != account)) {
    return std::nullopt;
  }
  try {
    return state_->target(account, *reference).arn;
  } catch (const Error& error) {
    if (error.code() != "ResourceNotFoundException") throw;
    return std::nullopt;
  }
}

bool Functions::permits(const std::string& account, const std::string& name,
                        const std::string& service, const std::string& source_arn) const {
  const auto reference = parse_reference(name);
  if (!reference) return false;
  const auto function = state_->store.find(account, reference->name);
  if (!function) return false;
  const Json& policies = base::object_or_empty(function->document, "Policies");
  const Json& policy = base::object_or_empty(policies, reference->qualifier);
  return functions::permits(base::array_or_empty(policy, "Statement"), service, source_arn);
}

bool Functions::takes(std::string_view path) { return path.starts_with(kDownloadPath); }

net::Response Functions::download(const net::RequestHead& head) const {
  std::string_view name = head.path().substr(std::min(kDownloadPath.size(), head.path().size()));
  std::string given;
  std::optional<std::int64_t> expires;
  for (const auto& [key, value] : base::parse_query(head.query())) {
    if (key == "Signature") given = value;
    if (key == "Expires") expires = base::parse_integer(value);
  }
  const bool is_get = head.method == "GET" || head.method == "HEAD";
  if (!is_get || !name.ends_with(".zip") || !expires) return net::plain(404, "not found\n");
  const std::string sha256(name.substr(0, name.size() - 4));
  if (*expires < state_->clock.now() ||
      !base::equals_in_constant_time(signature(state_->download_secret, sha256, *expires), given)) {
    return net::plain(403, "this address is not valid, or not any more\n");
  }
  const std::filesystem::path path = state_->code.archive(sha256);
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) return net::plain(404, "not found\n");
  net::Response response;
  response.headers.set("Content-Type", "application/zip");
  if (head.method == "HEAD") {
    response.content_length = size;
  } else {
    response.body = net::FileSlice{path, 0, size, nullptr};
  }
  return response;
}

}  // namespace slipway::functions
