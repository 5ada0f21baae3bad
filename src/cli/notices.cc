// slipway notices: deliveries that were given up, and sending them again.

#include <iostream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/strings.h"
#include "cli/session.h"

namespace slipway::cli {
namespace {

constexpr const char* kEveryOne = "?limit=10000";

struct NoticesOptions {
  std::string id;
  bool all = false;
  bool json = false;
};

class Operator {
 public:
  explicit Operator(const Globals& globals) : session_(find_session(globals)) {}

  Json call(const std::string& method, const std::string& path) {
    net::ClientRequest request;
    request.method = method;
    request.url = session_.endpoint + "/notify/dead-letters" + path;
    request.headers.set("Authorization", "Basic " + base::base64(session_.key.access_key + ":" +
                                                                 session_.key.secret));
    const net::ClientResponse response = http_.send(request);
    const Json body = base::try_parse_json(response.body).value_or(Json::object());
    if (response.status != 200)
      throw Error("Refused", base::text_or(body, "message", response.body), response.status);
    return body;
  }

 private:
  const Session session_;
  net::Client http_;
};

int list(const Globals& globals, bool json) {
  const Json answer = Operator(globals).call("GET", kEveryOne);
  if (json) {
    std::cout << base::dump_json_pretty(answer) << "\n";
    return 0;
  }
  const Json& letters = base::array_or_empty(answer, "DeadLetters");
  for (const Json& letter : letters)
    std::cout << base::text_or(letter, "Id") << "  " << base::text_or(letter, "GivenUp") << "  "
              << base::text_or(letter, "Destination") << "  " << base::text_or(letter, "Subject")
              << "\n    " << base::text_or(letter, "Error") << "\n";
  if (letters.empty()) std::cout << "every notice was delivered or is still being tried\n";
  return 0;
}

int resend(const Globals& globals, const NoticesOptions& options) {
  if (options.id.empty() != options.all)
    throw Error("Usage", "name one notice (slipway notices list), or give --all");
  Operator server(globals);
  std::vector<std::string> ids{options.id};
  if (options.all) {
    ids.clear();
    const Json answer = server.call("GET", kEveryOne);
    for (const Json& letter : base::array_or_empty(answer, "DeadLetters"))
      ids.push_back(base::text_or(letter, "Id"));
  }
  std::size_t sent = 0;
  for (const std::string& id : ids) {
    try {
      server.call("POST", "/" + base::percent_encode(id) + "/redrive");
      ++sent;
    } catch (const Error& error) {
      // Of all of them another command may have sent one meanwhile.
      if (!options.all || error.status() != 404) throw;
    }
  }
  std::cout << sent << " on their way again\n";
  return 0;
}

}  // namespace

void add_notices(CLI::App& parser, const Globals& globals, Run& run) {
  auto* group = parser.add_subcommand("notices", "Notices that could not be delivered");
  group->require_subcommand(0, 1);
  auto options = std::make_shared<NoticesOptions>();
  auto* listing = group->add_subcommand("list", "Those that were given up, with the reason");
  listing->add_flag("--json", options->json, "Print one JSON object");
  listing->callback([&globals, &run, options] {
    run = [&globals, options] { return list(globals, options->json); };
  });
  auto* again = group->add_subcommand("resend", "Send one again, or all");
  again->add_option("id", options->id, "From slipway notices list");
  again->add_flag("--all", options->all, "Every one");
  again->callback([&globals, &run, options] {
    run = [&globals, options] { return resend(globals, *options); };
  });
}

}  // namespace slipway::cli
