#include "gitlab/identify.h"

#include "base/strings.h"
#include "gitlab/call.h"

namespace slipway::gitlab {
namespace {

constexpr std::string_view kJobPrefix = "glcbt-";

std::optional<std::string> bearer(const net::Headers& headers) {
  const std::string_view value = headers.get("Authorization");
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos ||
      !base::equals_ignoring_case(value.substr(0, space), "Bearer"))
    return std::nullopt;
  return std::string(base::trim(value.substr(space + 1)));
}

std::string_view name_of(Scope scope) {
  switch (scope) {
    case Scope::kApi:
      return "api";
    case Scope::kReadApi:
      return "read_api";
    case Scope::kReadRepository:
      return "read_repository";
    case Scope::kReadUser:
      return "read_user";
  }
  return "";
}

bool suffices(const forge::Identity& identity, Scope scope) {
  if (identity.kind != forge::TokenKind::kAccess) return true;
  if (identity.may(std::string(name_of(scope)))) return true;
  return scope != Scope::kApi && identity.may("read_api");
}

}  // namespace

std::optional<SentToken> sent_token(const net::Headers& headers, const Parameters& parameters) {
  if (const auto token = headers.find("PRIVATE-TOKEN")) return SentToken{std::string(*token)};
  if (const auto token = headers.find("JOB-TOKEN")) return SentToken{std::string(*token), true};
  // A bearer may be either kind.
  if (auto token = bearer(headers)) {
    const bool job = token->starts_with(kJobPrefix);
    return SentToken{std::move(*token), job};
  }
  for (const char* name : {"private_token", "access_token"}) {
    if (parameters.has(name)) return SentToken{parameters.text(name)};
  }
  if (parameters.has("job_token")) return SentToken{parameters.text("job_token"), true};
  return std::nullopt;
}

std::optional<forge::Identity> identify(const forge::Forge& forge, const net::Headers& headers,
                                        const Parameters& parameters) {
  const auto token = sent_token(headers, parameters);
  if (!token) return std::nullopt;
  if (token->job != token->text.starts_with(kJobPrefix)) unauthorized();
  auto identity = forge.authenticate(token->text);
  if (!identity || (identity->kind == forge::TokenKind::kJob) != token->job) unauthorized();
  return identity;
}

std::optional<forge::Identity> admitted(const Route& route,
                                        std::optional<forge::Identity> identity) {
  if (identity && identity->kind == forge::TokenKind::kJob && route.who != Who::kJobToo)
    identity.reset();
  if (route.who == Who::kTokenInside) return std::nullopt;
  if (!identity) {
    if (route.who == Who::kUser || route.who == Who::kAdmin) unauthorized();
    return identity;
  }
  if (!suffices(*identity, route.scope)) {
    const std::string text =
        "The request requires higher privileges than provided by the access token.";
    throw Error("insufficient_scope", text, 403,
                Json{{"error", "insufficient_scope"},
                     {"error_description", text},
                     {"scope", name_of(route.scope)}});
  }
  if (route.who == Who::kAdmin && (!identity->user.admin || identity->only_project)) forbidden();
  return identity;
}

std::optional<std::pair<std::string, std::string>> basic_login(const net::Headers& headers) {
  const std::string_view value = headers.get("Authorization");
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos ||
      !base::equals_ignoring_case(value.substr(0, space), "Basic"))
    return std::nullopt;
  const auto text = base::from_base64(base::trim(value.substr(space + 1)));
  if (!text) return std::nullopt;
  const std::size_t colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return std::pair(text->substr(0, colon), text->substr(colon + 1));
}

}  // namespace slipway::gitlab
