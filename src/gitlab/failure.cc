#include "gitlab/failure.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "gitlab/call.h"
#include "gitlab/names.h"

namespace slipway::gitlab {
namespace {

int status_of(const Error& error) {
  constexpr std::array<std::pair<std::string_view, int>, 4> kByCode{
      {{"Unauthorized", 401}, {"Forbidden", 403}, {"NotFound", 404}, {"Conflict", 409}}};
  for (const auto& [code, status] : kByCode) {
    if (error.code() == code) return status;
  }
  return error.status();
}

}  // namespace

net::Response failure_response(const Error& error) {
  const int status = status_of(error);
  if (status >= 500 && status != 507) {
    log(Level::kError, "request failed", {{"reason", error.message()}});
    return json(status,
                {{"message", std::to_string(status) + " " + std::string(net::reason_of(status))}});
  }
  if (error.code() == kParameterError) return json(status, {{"error", error.message()}});
  const Json& detail = error.detail();
  if (detail.is_object() && detail.contains("error")) return json(status, detail);
  if (detail.is_object() && !detail.empty()) return json(status, {{"message", detail}});
  return json(status, {{"message", error.message()}});
}

net::Response unknown_route(bool other_method) {
  return other_method ? json(405, {{"error", "405 Not Allowed"}})
                      : json(404, {{"error", "404 Not Found"}});
}

}  // namespace slipway::gitlab
