// MWAA's operations: environments are records; what runs their DAGs is this server.

#include "airflow/state.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "store/resources.h"

namespace slipway::airflow {
namespace {

constexpr const char* kKind = "airflow-environment";
constexpr const char* kBuiltIn = "slipway";
constexpr const char* kFirst = "-";  // the token of the page that begins with the first record

std::string arn_of(const std::string& region, const std::string& account, const std::string& name) {
  return base::Arn{"airflow", region, account, "environment/" + name}.text();
}

// What clients find where the environment's maker gave nothing; Terraform plans a change where one
// is missing, and ends where LastUpdate is.
void add_defaults(Json& environment, const std::string& region, const std::string& account,
                  const std::string& name) {
  const Json defaults{{"EnvironmentClass", "mw1.small"},
                      {"MaxWorkers", 10},
                      {"MinWorkers", 1},
                      {"MaxWebservers", 2},
                      {"MinWebservers", 2},
                      {"Schedulers", 2},
                      {"WebserverAccessMode", "PUBLIC_ONLY"},
                      {"WeeklyMaintenanceWindowStart", "SUN:00:00"}};
  for (const auto& [member, value] : defaults.items()) {
    if (!environment.contains(member)) environment[member] = value;
  }
  Json& logging = environment["LoggingConfiguration"];
  for (const char* part : {"DagProcessing", "Scheduler", "Task", "Webserver", "Worker"}) {
    Json& each = logging[std::string(part) + "Logs"];
    if (!each.contains("Enabled")) each["Enabled"] = false;
    if (!each.contains("LogLevel")) each["LogLevel"] = "INFO";
    if (each["Enabled"] == true) {
      each["CloudWatchLogGroupArn"] =
          base::Arn{"logs", region, account, "log-group:airflow-" + name + "-" + part}.text();
    }
  }
}

// The operations share what they need.
class Environments {
 public:
  Environments(store::Database& database, const base::Clock& clock, const AirflowOptions& options)
      : database_(database), clock_(clock), options_(options) {}

  std::string web_server() const { return options_.web_server ? options_.web_server() : ""; }

  Json get(const std::string& account, const std::string& name) const {
    const auto found = database_.read(
        [&](store::Reader& reader) { return store::find(reader, account, kKind, name); });
    if (!found && name != kBuiltIn)
      throw Error("ResourceNotFoundException",
                  "Environment " + name + " of account " + account + " not found.", 404);
    Json environment = found ? found->document : Json::object();
    environment["Name"] = name;
    environment["Status"] = "AVAILABLE";
    environment["Arn"] = arn_of(options_.region, account, name);
    environment["WebserverUrl"] = web_server();
    if (!environment.contains("AirflowVersion")) environment["AirflowVersion"] = options_.version;
    environment["CreatedAt"] = found ? base::epoch_seconds(found->created) : 0.0;
    environment["LastUpdate"] = {{"CreatedAt", found ? base::epoch_seconds(found->modified) : 0.0},
                                 {"Status", "SUCCESS"}};
    add_defaults(environment, options_.region, account, name);
    const store::Tags tags = database_.read([&](store::Reader& reader) {
      return store::tags_of(reader, arn_of(options_.region, account, name));
    });
    if (!tags.empty()) environment["Tags"] = tags;
    return environment;
  }

  Json create(const std::string& account, Json input) {
    const std::string name = base::text_or(input, "Name");
    const std::string arn = arn_of(options_.region, account, name);
    const store::Tags tags = base::object_or_empty(input, "Tags").get<store::Tags>();
    input.erase("Name");
    input.erase("Tags");
    if (name == kBuiltIn)
      throw Error("ValidationException", "Environment with name '" + name + "' already exists.");
    database_.write([&](store::Transaction& transaction) {
      if (store::find(transaction, account, kKind, name))
        throw Error("ValidationException", "Environment with name '" + name + "' already exists.");
      store::Resource resource;
      resource.account = account;
      resource.kind = kKind;
      resource.name = name;
      resource.status = "AVAILABLE";
      resource.created = resource.modified = clock_.now();
      resource.document = std::move(input);
      store::create(transaction, resource);
      store::set_tags(transaction, arn, tags);
    });
    return {{"Arn", arn}};
  }

  Json update(const std::string& account, const Json& input) {
    const std::string name = base::text_or(input, "Name");
    get(account, name);
    database_.write([&](store::Transaction& transaction) {
      auto resource = store::find(transaction, account, kKind, name);
      if (!resource) return;  // the one that is always there has nothing to change
      for (const auto& [key, value] : input.items())
        if (key != "Name") resource->document[key] = value;
      resource->modified = clock_.now();
      store::update(transaction, *resource);
    });
    return {{"Arn", arn_of(options_.region, account, name)}};
  }

  void remove(const std::string& account, const std::string& name) {
    get(account, name);
    database_.write([&](store::Transaction& transaction) {
      store::remove(transaction, account, kKind, name);
      store::remove_all_tags(transaction, arn_of(options_.region, account, name));
    });
  }

  // The one that is always there is the first of the first page.
  Json list(const std::string& account, const Json& input) const {
    std::string token = base::text_or(input, "NextToken");
    auto limit = static_cast<int>(base::integer_or(input, "MaxResults", 25));
    Json names = Json::array();
    if (token.empty()) {
      names.push_back(kBuiltIn);
      --limit;
    }
    if (token == kFirst) token.clear();
    if (limit == 0) return {{"Environments", names}, {"NextToken", kFirst}};
    store::ListQuery query;
    query.account = account;
    query.kind = kKind;
    query.sort_by = store::SortBy::kName;
    query.order = store::Order::kAscending;
    query.limit = limit;
    query.next_token = token;
    const store::Page page =
        database_.read([&](store::Reader& reader) { return store::list(reader, query); });
    for (const store::Resource& resource : page.items) names.push_back(resource.name);
    Json output{{"Environments", names}};
    if (!page.next_token.empty()) output["NextToken"] = page.next_token;
    return output;
  }

  // The ARN of an environment of the account that is there.
  std::string existing(const std::string& account, const std::string& arn) const {
    const std::string name = base::name_of(arn);
    if (arn != arn_of(options_.region, account, name))
      throw Error("ResourceNotFoundException", "Environment " + arn + " not found.", 404);
    get(account, name);
    return arn;
  }

  store::Database& database() const { return database_; }

 private:
  store::Database& database_;
  const base::Clock& clock_;
  const AirflowOptions& options_;
};

std::string query_text(const Json& parameters) {
  std::string query;
  for (const auto& [key, value] : parameters.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : base::dump_json(value);
    query +=
        (query.empty() ? "" : "&") + base::percent_encode(key) + "=" + base::percent_encode(text);
  }
  return query;
}

}  // namespace

void register_mwaa_api(wire::Api& api, Airflow& airflow) {
  Airflow::State& state = *airflow.state_;
  const auto environments =
      std::make_shared<Environments>(state.database, state.clock, state.options);
  const auto on = [&](const char* operation, std::function<Json(wire::Call&)> run) {
    api.on("mwaa", operation,
           [run = std::move(run)](wire::Call& call) { return wire::Reply(run(call)); });
  };
  on("CreateEnvironment", [environments](wire::Call& call) {
    return environments->create(call.caller.account, call.input);
  });
  on("GetEnvironment", [environments](wire::Call& call) {
    return Json{{"Environment", environments->get(call.caller.account, call.text("Name"))}};
  });
  on("UpdateEnvironment", [environments](wire::Call& call) {
    return environments->update(call.caller.account, call.input);
  });
  on("DeleteEnvironment", [environments](wire::Call& call) {
    environments->remove(call.caller.account, call.text("Name"));
    return Json::object();
  });
  on("ListEnvironments", [environments](wire::Call& call) {
    return environments->list(call.caller.account, call.input);
  });
  on("ListTagsForResource", [environments](wire::Call& call) {
    const std::string arn = environments->existing(call.caller.account, call.text("ResourceArn"));
    return Json{{"Tags", environments->database().read(
                             [&](store::Reader& reader) { return store::tags_of(reader, arn); })}};
  });
  on("TagResource", [environments](wire::Call& call) {
    const std::string arn = environments->existing(call.caller.account, call.text("ResourceArn"));
    environments->database().write([&](store::Transaction& transaction) {
      store::set_tags(transaction, arn,
                      base::object_or_empty(call.input, "Tags").get<store::Tags>());
    });
    return Json::object();
  });
  on("UntagResource", [environments](wire::Call& call) {
    const auto keys = base::array_or_empty(call.input, "tagKeys").get<std::vector<std::string>>();
    const std::string arn = environments->existing(call.caller.account, call.text("ResourceArn"));
    environments->database().write(
        [&](store::Transaction& transaction) { store::remove_tags(transaction, arn, keys); });
    return Json::object();
  });
  on("CreateCliToken", [environments, &state](wire::Call& call) {
    environments->get(call.caller.account, call.text("Name"));
    return Json{{"CliToken", state.tokens.issue(
                                 call.caller, TokenUse::kCommandLine,
                                 std::chrono::milliseconds(state.options.cli_token_life).count())},
                {"WebServerHostname", environments->web_server()}};
  });
  on("CreateWebLoginToken", [environments, &state](wire::Call& call) {
    environments->get(call.caller.account, call.text("Name"));
    return Json{{"WebToken", state.tokens.issue(call.caller, TokenUse::kWeb, 60'000)},
                {"WebServerHostname", environments->web_server()},
                {"IamIdentity", call.caller.arn},
                {"AirflowIdentity", call.caller.user_id}};
  });
  on("InvokeRestApi", [environments, &state](wire::Call& call) {
    const Json environment = environments->get(call.caller.account, call.text("Name"));
    const ApiVersion version = base::text_or(environment, "AirflowVersion").starts_with("3")
                                   ? ApiVersion::kTwo
                                   : ApiVersion::kOne;
    RestRequest request{call.caller.account, call.text("Method"), call.text("Path"),
                        query_text(base::object_or_empty(call.input, "QueryParameters")),
                        call.has("Body") ? base::dump_json(call.input["Body"]) : ""};
    const RestAnswer answer = state.rest.answer(version, request);
    const Json result{{"RestApiStatusCode", answer.status}, {"RestApiResponse", answer.body}};
    if (answer.status >= 500)
      throw Error("RestApiServerException", base::text_or(answer.body, "detail"), 400, result);
    if (answer.status >= 400)
      throw Error("RestApiClientException", base::text_or(answer.body, "detail"), 400, result);
    return result;
  });
}

}  // namespace slipway::airflow
