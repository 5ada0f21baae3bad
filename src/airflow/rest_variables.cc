// Variables in the REST API.

#include "airflow/rest.h"
#include "airflow/rest_answers.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

// A text as it is, anything else as JSON: as Airflow's versions take a value.
std::string value_in(const Json& body, const char* member) {
  const auto found = body.find(member);
  if (found == body.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : base::dump_json(*found);
}

RestAnswer taken(ApiVersion version, int status, const Variable& variable) {
  Json json = variable_json(variable);
  if (version == ApiVersion::kTwo) json["is_encrypted"] = false;
  return {status, std::move(json), ""};
}

}  // namespace

RestAnswer Rest::variables(ApiVersion version, const RestRequest& request,
                           const std::vector<std::string>& parts) {
  const Json body =
      request.body.empty() ? Json::object() : base::parse_json(request.body, "the body");
  if (!body.is_object()) return failure(version, 400, "the body must be a JSON object");
  if (parts.size() == 1) {
    if (request.method == "GET") {
      std::vector<Json> all;
      for (const Variable& each : variables_.list(request.account))
        all.push_back(taken(version, 200, each).body);
      const std::size_t count = all.size();
      const PageQuery page = page_query(base::parse_query(request.query));
      return {200, {{"variables", page_of(std::move(all), page)}, {"total_entries", count}}, ""};
    }
    if (request.method != "POST") return failure(version, 405, "Method Not Allowed");
    const Variable made{base::text_or(body, "key"), value_in(body, "value"),
                        value_in(body, "description")};
    const bool known = variables_.find(request.account, made.key).has_value();
    if (known && version == ApiVersion::kTwo)
      return failure(version, 409, "The Variable with key: `" + made.key + "` already exists");
    variables_.set(request.account, made);
    return taken(version, version == ApiVersion::kTwo ? 201 : 200, made);
  }
  auto found = variables_.find(request.account, parts[1]);
  if (!found || parts.size() > 2)
    return failure(version, 404, "The Variable with key: `" + parts[1] + "` was not found");
  if (request.method == "DELETE") {
    variables_.remove(request.account, parts[1]);
    return {204, Json::object(), ""};
  }
  if (request.method == "PATCH") {
    if (body.contains("value")) found->value = value_in(body, "value");
    if (body.contains("description")) found->description = value_in(body, "description");
    variables_.set(request.account, *found);
  } else if (request.method != "GET") {
    return failure(version, 405, "Method Not Allowed");
  }
  return taken(version, 200, *found);
}

}  // namespace slipway::airflow
