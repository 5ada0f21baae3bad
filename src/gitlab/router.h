#pragma once

// Which function answers which request.
//
// Patterns are those of GitLab's documentation: ":name" is one segment, "*name" one or more. A
// segment is compared as sent and decoded only afterwards, so that "group%2Fproject" is one.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace slipway::gitlab {

struct Call;
using Handler = net::Response (*)(Call& call);

// Who may call. Whoever is not let in is treated as nobody; what nobody may see, the function that
// answers decides by the project.
enum class Who {
  kAnyone,      // a token or none
  kJobToo,      // the same, and the token of a running job
  kUser,        // a token is needed
  kAdmin,       // an administrator's
  kTokenInside  // the request carries a token of its own kind (triggers)
};
// The least scope of an access token; "api" includes all.
enum class Scope { kApi, kReadApi, kReadRepository, kReadUser };

struct Route {
  std::string_view method;
  std::string_view pattern;  // after "/api/v4"
  Who who = Who::kUser;
  Scope scope = Scope::kApi;
  Handler handler = nullptr;
};

// Decoded values by name, where the path fits the pattern. Of two "*" the first takes the least.
std::optional<std::map<std::string, std::string>> match(std::string_view pattern,
                                                        std::string_view path);

struct Found {
  const Route* route = nullptr;
  std::map<std::string, std::string> values;
  bool other_method = false;  // the path is there, the method is not
};

// Immutable, thus thread-safe.
class Router {
 public:
  explicit Router(std::vector<Route> routes) : routes_(std::move(routes)) {}
  // HEAD finds what GET does unless it has a route of its own. The first that fits counts.
  Found find(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace slipway::gitlab
