#include "airflow/airflow.h"

#include "airflow/command_line.h"
#include "airflow/state.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

constexpr std::string_view kCommandLine = "/aws_mwaa/cli";
// Bytes that are read of a request before it is known whose it is.
constexpr std::int64_t kStrangersBody = 256 << 10;
constexpr base::Millis kRestTokenLife = 24 * 3600 * 1000;
constexpr base::Millis kSessionLife = 12 * 3600 * 1000;
// What clients of MWAA take the session from: Airflow 2.x, and 3.x.
constexpr std::string_view kCookies[] = {"session", "_token"};

bool is_health(std::string_view path) {
  return path == "/health" || path == "/api/v1/health" || path == "/api/v2/monitor/health";
}

bool is_login(std::string_view path) { return path == "/auth/token" || path == "/auth/token/cli"; }

// Airflow 2.x, and 3.x.
bool is_web_login(std::string_view path) {
  return path == "/aws_mwaa/login" || path == "/pluginsv2/aws_mwaa/login";
}

std::string_view session_cookie(const net::RequestHead& head) {
  std::string_view rest = head.headers.get("Cookie");
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view cookie = base::trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    for (const std::string_view name : kCookies) {
      if (cookie.starts_with(name) && cookie.substr(name.size()).starts_with('='))
        return cookie.substr(name.size() + 1);
    }
  }
  return {};
}

net::Response json(int status, const Json& body) {
  return net::plain(status, base::dump_json(body), "application/json");
}

net::Response unauthorized() {
  net::Response response =
      json(401, {{"detail", "Unauthorized"}, {"status", 401}, {"title", "Unauthorized"}});
  response.headers.set("WWW-Authenticate", "Basic realm=\"Airflow\"");
  return response;
}

// The member's text of a JSON object or a form.
std::string credential(const net::Request& request, const char* name) {
  const std::string body = request.body.text(64u << 10);
  if (const auto object = base::try_parse_json(body)) return base::text_or(*object, name);
  for (const auto& [key, value] : base::parse_query(body))
    if (key == name) return value;
  return "";
}

std::string_view bearer(const net::RequestHead& head) {
  const std::string_view value = head.headers.get("Authorization");
  return value.starts_with("Bearer ") ? base::trim(value.substr(7)) : std::string_view();
}

}  // namespace

std::optional<wire::Caller> Airflow::State::authenticate(const net::RequestHead& head) {
  const std::string_view value = head.headers.get("Authorization");
  if (const std::string_view token = bearer(head); !token.empty())
    return tokens.find(token, TokenUse::kRest);
  if (value.empty()) return tokens.find(session_cookie(head), TokenUse::kSession);
  if (!value.starts_with("Basic ")) return std::nullopt;
  const auto plain = base::from_base64(base::trim(value.substr(6)));
  if (!plain) return std::nullopt;
  const auto colon = plain->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return iam.check_registry_login(plain->substr(0, colon), plain->substr(colon + 1));
}

Airflow::Airflow(store::Database& database, const base::Clock& clock, const iam::Iam& iam,
                 pipelines::Pipelines& pipelines, AirflowOptions options)
    : state_(std::make_unique<State>(database, clock, iam, pipelines, std::move(options))) {}

Airflow::~Airflow() = default;

bool Airflow::takes(std::string_view path) {
  return path.starts_with("/api/v1/") || path.starts_with("/api/v2/") ||
         path.starts_with("/aws_mwaa/") || is_web_login(path) || is_login(path) ||
         path == "/health";
}

// What has a way of its own to say who calls is let in, with little: handle() asks there.
std::optional<net::Response> Airflow::admit(const net::RequestHead& head) {
  const std::string_view path = head.path();
  if (is_health(path) || is_login(path) || is_web_login(path) || path == kCommandLine) {
    const auto length = base::parse_integer(head.headers.get("Content-Length"));
    if (length && *length <= kStrangersBody) return std::nullopt;
    return json(413, {{"detail", "Request Entity Too Large"}});
  }
  if (state_->authenticate(head)) return std::nullopt;
  return unauthorized();
}

net::Response Airflow::handle(net::Request request) {
  try {
    return answer(request);
  } catch (const Error& error) {
    if (error.status() >= 500) throw;
    return json(error.status(), {{"detail", error.message()}});  // a body that is too large
  }
}

net::Response Airflow::answer(const net::Request& request) {
  State& state = *state_;
  const std::string path(request.path());
  if (is_health(path)) return json(200, state.health());
  if (is_login(path)) {
    if (request.method != "POST") return json(405, {{"detail", "Method Not Allowed"}});
    const auto caller = state.iam.check_registry_login(credential(request, "username"),
                                                       credential(request, "password"));
    if (!caller) return json(401, {{"detail", "Invalid credentials"}});
    return json(201,
                {{"access_token", state.tokens.issue(*caller, TokenUse::kRest, kRestTokenLife)}});
  }
  if (is_web_login(path)) return state.web_login(request);
  if (path == kCommandLine) return state.command_line(request);
  const auto caller = state.authenticate(request);
  if (!caller) return unauthorized();
  if (path.starts_with("/aws_mwaa/")) return json(404, {{"detail", "not found"}});
  const ApiVersion version = path.starts_with("/api/v2/") ? ApiVersion::kTwo : ApiVersion::kOne;
  RestRequest rest{caller->account, request.method, path.substr(7), std::string(request.query()),
                   request.body.text(1u << 20)};
  RestAnswer answer = state.rest.answer(version, rest);
  const bool as_text = request.headers.get("Accept").starts_with("text/plain");
  if (as_text && !answer.text.empty()) return net::plain(answer.status, answer.text);
  if (answer.status == 204) return net::plain(204, "");
  return json(answer.status, answer.body);
}

net::Response Airflow::State::command_line(const net::Request& request) {
  const auto caller = tokens.find(bearer(request), TokenUse::kCommandLine);
  if (!caller) return json(403, {{"message", "Forbidden"}});
  if (request.method != "POST") return json(405, {{"message", "Method Not Allowed"}});
  const CommandResult result = run_command(caller->account, request.body.text(256u << 10),
                                           {runs, variables, pipelines, options.version});
  // Clients read this as a Python literal, so nothing but texts may be in it.
  return json(result.exit_code == 0 ? 200 : 400,
              {{"stdout", base::base64(result.output)}, {"stderr", base::base64(result.error)}});
}

// A session for the REST API, as the web interface's login gives one.
net::Response Airflow::State::web_login(const net::Request& request) {
  if (request.method != "POST") return json(405, {{"message", "Method Not Allowed"}});
  const auto caller = tokens.take(credential(request, "token"), TokenUse::kWeb);
  if (!caller) return json(403, {{"message", "Forbidden"}});
  const std::string token = tokens.issue(*caller, TokenUse::kSession, kSessionLife);
  net::Response response = json(200, {{"message", "Logged in"}});
  for (const std::string_view name : kCookies) {
    // Lax: pages of others cannot trigger anything with it.
    response.headers.add("Set-Cookie", std::string(name) + "=" + token +
                                           "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" +
                                           std::to_string(kSessionLife / 1000));
  }
  return response;
}

Json Airflow::State::health() const {
  const std::string now = base::iso8601_millis(clock.now());
  return {{"metadatabase", {{"status", "healthy"}}},
          {"scheduler", {{"status", "healthy"}, {"latest_scheduler_heartbeat", now}}},
          {"triggerer", {{"status", "healthy"}, {"latest_triggerer_heartbeat", now}}},
          {"dag_processor", {{"status", "healthy"}, {"latest_dag_processor_heartbeat", now}}}};
}

}  // namespace slipway::airflow
