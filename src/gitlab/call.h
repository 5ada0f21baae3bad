#pragma once

// One request on its way: who asks, for which project, and how answers are made.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gitlab/gitlab.h"
#include "gitlab/pagination.h"
#include "gitlab/parameters.h"
#include "gitlab/router.h"
#include "store/files.h"

namespace slipway::gitlab {

class MergeRequests;
class Webhooks;

// What every function may use. All outlive the calls.
struct Services {
  forge::Forge& forge;
  ci::Ci& ci;
  const base::Clock& clock;
  Webhooks& webhooks;
  MergeRequests& merge_requests;
  const GitlabOptions& options;
  store::Spool& spool;  // archives on their way out
  std::mutex edits;     // held while something is read, changed and written back

  std::string url() const { return options.url ? options.url() : std::string(); }
};

// Lives as long as the request. Belongs to one thread.
struct Call {
  Services& services;
  const net::Request& request;
  Parameters parameters;
  std::map<std::string, std::string> path;  // the pattern's values, decoded
  std::optional<forge::Identity> identity;  // nothing: nobody

  forge::Forge& forge() const { return services.forge; }
  ci::Ci& ci() const { return services.ci; }

  const std::string& value(const std::string& name) const { return path.at(name); }
  // A number in the path; throws "404 Not Found" where it is none.
  forge::Id number(const std::string& name) const;

  // Throws 401 for nobody.
  const forge::Identity& user() const;
  bool is_admin() const;

  // The project of ":id", a number or a path. Throws 404 where the caller may not see it, 401 or
  // 403 where it may see it and not do this.
  forge::Project project(forge::Access least = forge::Access::kNone) const;
  forge::Project project_named(const std::string& id_or_path, forge::Access least) const;
  // The same for traces and artifacts, which public_jobs=false keeps from guests.
  forge::Project project_with_jobs() const;
  // The same for code: a private project shows its guests everything else.
  forge::Project project_with_code() const;
  // Throws 401 or 403 where the caller may not read the project's code.
  void require_code(const forge::Project& project) const;
  forge::Access access(const forge::Project& project) const;
  // Throws 403 where the job's trace shows all that it was given, and the caller may not run it.
  void require_trace(const forge::Project& project, const ci::Job& job) const;
  // Throws 403 where the caller may not run jobs on this ref: it is protected.
  void require_run(const forge::Project& project, const std::string& ref, bool tag) const;

  // The group of ":id".
  forge::Namespace group(forge::Access least = forge::Access::kNone) const;
  forge::Access access(const forge::Namespace& space) const;

  // A pipeline or job of this project; throws 404.
  ci::Pipeline pipeline(const forge::Project& project) const;
  ci::Job job(const forge::Project& project) const;
  // The commit of a name; throws 404.
  std::string commit_id(const forge::Project& project, const std::string& name) const;
};

[[noreturn]] void not_found(std::string_view what = "");  // "404 Project Not Found"
[[noreturn]] void forbidden(std::string_view reason = "");
[[noreturn]] void bad_request(std::string_view reason);  // "400 Bad request - reason"
[[noreturn]] void unauthorized();

net::Response json(int status, const Json& body);
net::Response no_content();
net::Response accepted();  // 202 {"message": "202 Accepted"}
// A page of `items`, of `total`.
net::Response page_of(const Call& call, const Json& items, const PageRequest& page,
                      std::int64_t total);
// The page that the request asks for, of a whole list.
template <class Item, class Present>
net::Response list(const Call& call, const std::vector<Item>& all, Present&& present) {
  const PageRequest page = page_request(call.parameters);
  Json items = Json::array();
  for (const Item& item : slice(all, page)) items.push_back(present(item));
  return page_of(call, items, page, static_cast<std::int64_t>(all.size()));
}

}  // namespace slipway::gitlab
