#include <algorithm>
#include <cstdlib>

#include <fcntl.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "forge/backend.h"
#include "forge/decide.h"
#include "forge/forge.h"
#include "forge/git.h"
#include "forge/limits.h"
#include "forge/state.h"

namespace slipway::forge {
namespace {

// An advertisement up to this size is sent with its length.
constexpr std::size_t kSmallAnswer = 256u << 10;

net::Response refusal_of(int status, const std::string& text) {
  net::Response response = net::plain(status, text + "\n", "text/plain; charset=utf-8");
  response.headers.set("Cache-Control", "no-cache");
  if (status == 401) response.headers.set("WWW-Authenticate", "Basic realm=\"GitLab\"");
  if (status == 503) response.headers.set("Retry-After", "5");
  return response;
}

struct Login {
  bool credentials = false;
  std::optional<Identity> identity;
};

Login login(const Forge& forge, const net::RequestHead& head) {
  const std::string_view header = head.headers.get("authorization");
  if (header.empty()) return {};
  const std::size_t space = header.find(' ');
  const std::string_view scheme = header.substr(0, space);
  const std::string_view value =
      space == std::string_view::npos ? "" : base::trim(header.substr(space + 1));
  if (base::equals_ignoring_case(scheme, "Bearer")) return {true, forge.authenticate(value)};
  if (!base::equals_ignoring_case(scheme, "Basic")) return {true, std::nullopt};
  const auto text = base::from_base64(value);
  const std::size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return {true, std::nullopt};
  return {true, forge.authenticate(text->substr(0, colon), text->substr(colon + 1))};
}

// Who asks for what, and what the answer is.
struct Visit {
  GitPath path;
  Login login;
  std::optional<Project> project;
  std::optional<Namespace> space;  // where a missing project would be
  GitAnswer answer;
};

std::string name_in(const std::string& full_path) {
  return full_path.substr(full_path.rfind('/') + 1);
}

// A message for git that says no; nothing for what goes on.
std::optional<net::Response> refuse_visit(const Visit& visit) {
  switch (visit.answer.verdict) {
    case GitVerdict::kAllow:
    case GitVerdict::kCreate:
      return std::nullopt;
    case GitVerdict::kAsk:
      return refusal_of(401,
                        "HTTP Basic: Access denied. Log in with an access token as the password.");
    case GitVerdict::kHidden:
      return refusal_of(404, visit.answer.reason);
    case GitVerdict::kForbidden:
      return refusal_of(403, visit.answer.reason);
  }
  return std::nullopt;
}

std::optional<net::Response> refuse_form(const net::RequestHead& head, const GitPath& path) {
  if (!path.service) {
    if (path.advertisement) {
      return refusal_of(403, "Only git's smart HTTP protocol is served: use git 1.6.6 or later.");
    }
    return refusal_of(404, "Git LFS is not served here.");
  }
  if (head.method != (path.advertisement ? "GET" : "POST")) {
    return refusal_of(405, "The method is not for this.");
  }
  const std::string_view coding = head.headers.get("content-encoding");
  if (!coding.empty() && coding != "gzip" && coding != "x-gzip") {
    return refusal_of(415, "The body's coding is not known.");
  }
  return std::nullopt;
}

std::string safe_protocol(std::string_view header) {
  const bool safe = header.size() <= 200 && std::all_of(header.begin(), header.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             std::string_view("=:.-").find(c) != std::string_view::npos;
                    });
  return safe ? std::string(header) : "";
}

base::FileDescriptor input_of(const net::Body& body) {
  if (body.in_memory()) return file_in_memory(body.bytes());
  base::FileDescriptor file(::open(body.file()->path().c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) base::throw_errno("cannot open a request's body");
  return file;
}

}  // namespace

// A running git process, the place that it takes, and what a push leaves to settle.
class GitTransfer {
 public:
  GitTransfer(ForgeState& state, Id project, std::string session)
      : state_(state), project_(project), session_(std::move(session)) {
    if (++state_.git_processes > kMostGitProcesses) {
      --state_.git_processes;
      throw Error("ServiceUnavailable", "Too many git operations run at once; try again soon.",
                  503);
    }
  }
  // The process may need time to end, and this may be an event loop's thread.
  ~GitTransfer() {
    if (!backend_ && session_.empty()) {
      --state_.git_processes;
      return;
    }
    state_.later([&state = state_, project = project_, session = session_,
                  backend = std::shared_ptr<Backend>(std::move(backend_))]() mutable {
      backend.reset();
      --state.git_processes;
      if (session.empty()) return;
      try {
        state.ledger.settle(session, state.repository_of(project));
      } catch (const std::exception& error) {
        log(Level::kError, "a push could not be settled before the next start",
            {{"project", project}, {"error", std::string_view(error.what())}});
      }
    });
  }
  GitTransfer(const GitTransfer&) = delete;
  GitTransfer& operator=(const GitTransfer&) = delete;

  Backend::Head start(const std::map<std::string, std::string>& environment,
                      base::FileDescriptor input) {
    backend_ =
        std::make_unique<Backend>(environment, std::move(input), BackendLimits{.time = kGitTime});
    return backend_->head();
  }
  std::optional<std::string> next() {
    if (!backend_) return std::nullopt;
    auto piece = backend_->next();
    if (!piece) backend_.reset();
    return piece;
  }

 private:
  ForgeState& state_;
  const Id project_;
  const std::string session_;  // empty unless it is a push
  std::unique_ptr<Backend> backend_;
};

// The steps of a request; a friend's access to the forge's state comes with `state`.
class GitVisitor {
 public:
  GitVisitor(Forge& forge, ForgeState& state) : forge_(forge), state_(state) {}

  Visit visit(const net::RequestHead& head, GitPath path) const {
    Visit visit{.path = std::move(path), .login = login(forge_, head)};
    const Identity* identity = visit.login.identity ? &*visit.login.identity : nullptr;
    visit.project = forge_.project_at(visit.path.project);
    GitAsk ask{.service = visit.path.service.value_or(GitService::kUpload),
               .credentials = visit.login.credentials,
               .identity = identity,
               .project = visit.project ? &*visit.project : nullptr};
    if (visit.project) {
      ask.access = identity ? forge_.access(*identity, *visit.project) : Access::kNone;
      ask.reads_code = state_.reads_code(identity, *visit.project, ask.access);
    } else if (identity && identity->kind != TokenKind::kJob && !identity->only_project) {
      const std::string& full = visit.path.project;
      visit.space = forge_.space_at(full.substr(0, full.rfind('/')));
      ask.may_create = visit.space && !path_problem(name_in(full)) &&
                       state_.may_create_in(identity->user, *visit.space);
    }
    visit.answer = answer_to(ask);
    return visit;
  }

  void create_project(Visit& visit) const {
    try {
      Project project;
      project.path = name_in(visit.path.project);
      project.space = visit.space->id;
      visit.project = forge_.create_project(project, visit.login.identity->user.id);
    } catch (const Error&) {
      // Another push may have made it a moment ago.
      visit.project = forge_.project_at(visit.path.project);
      if (!visit.project) throw;
    }
  }

  net::Response serve(const net::Request& request, const Visit& visit) const {
    const bool pushes = !visit.path.advertisement && visit.path.service == GitService::kReceive;
    {
      const std::lock_guard lock(state_.mutex);
      if (pushes && !state_.pool) {
        return refusal_of(503, "The server is starting; push again in a moment.");
      }
    }
    const std::string session = pushes ? base::random_hex(32) : "";
    const auto transfer = std::make_shared<GitTransfer>(state_, visit.project->id, session);
    Backend::Head head =
        transfer->start(environment(request, visit, session), input_of(request.body));
    net::Response response;
    response.status = head.status;
    response.headers = std::move(head.headers);
    std::string beginning;
    while (visit.path.advertisement && beginning.size() <= kSmallAnswer) {
      const auto piece = transfer->next();
      if (!piece) {
        response.body = std::move(beginning);
        return response;
      }
      beginning += *piece;
    }
    response.body = net::Stream(
        [transfer, first = std::move(beginning)]() mutable -> std::optional<std::string> {
          if (!first.empty()) return std::exchange(first, std::string());
          return transfer->next();
        });
    return response;
  }

 private:
  // All that the process gets: nothing of the server's own environment but the way to programs.
  std::map<std::string, std::string> environment(const net::Request& request, const Visit& visit,
                                                 const std::string& session) const {
    const bool receives = visit.path.service == GitService::kReceive;
    const std::string service = receives ? "git-receive-pack" : "git-upload-pack";
    const char* search_path = std::getenv("PATH");
    std::map<std::string, std::string> result = git_environment(serving_settings(state_.hooks()));
    result["PATH"] = search_path ? search_path : "/usr/local/bin:/usr/bin:/bin";
    result["HOME"] = state_.options.data.string();
    result["GIT_PROJECT_ROOT"] = state_.repositories().string();
    result["GIT_HTTP_EXPORT_ALL"] = "1";
    result["PATH_INFO"] = "/" + std::to_string(visit.project->id) + ".git" +
                          (visit.path.advertisement ? "/info/refs" : "/" + service);
    result["QUERY_STRING"] = visit.path.advertisement ? "service=" + service : "";
    result["REQUEST_METHOD"] = request.method;
    result["CONTENT_TYPE"] = std::string(request.headers.get("content-type"));
    result["CONTENT_LENGTH"] = std::to_string(request.body.size());
    result["REMOTE_ADDR"] = request.remote.substr(0, request.remote.rfind(':'));
    const std::string coding(request.headers.get("content-encoding"));
    if (!coding.empty()) result["HTTP_CONTENT_ENCODING"] = coding;
    const std::string protocol = safe_protocol(request.headers.get("git-protocol"));
    if (!protocol.empty()) result["GIT_PROTOCOL"] = protocol;
    if (visit.login.identity) {
      const User& user = visit.login.identity->user;
      result["REMOTE_USER"] = user.username;
      result["GIT_COMMITTER_NAME"] = user.username;
      result["GIT_COMMITTER_EMAIL"] = user.email;
      result["SLIPWAY_FORGE_USER"] = std::to_string(user.id);
    }
    result["SLIPWAY_FORGE_SOCKET"] = state_.socket().string();
    result["SLIPWAY_FORGE_PROJECT"] = std::to_string(visit.project->id);
    result["SLIPWAY_FORGE_SESSION"] = session;
    return result;
  }

  Forge& forge_;
  ForgeState& state_;
};

bool GitHttp::takes(std::string_view path) { return parse_git_path(path, "").has_value(); }

std::optional<net::Response> GitHttp::admit(const net::RequestHead& head) {
  try {
    auto path = parse_git_path(head.path(), head.query());
    if (!path) return refusal_of(404, "Not found.");
    if (auto refused = refuse_form(head, *path)) return refused;
    return refuse_visit(GitVisitor(forge_, *forge_.state_).visit(head, std::move(*path)));
  } catch (const Error& error) {
    return refusal_of(error.status(), error.message());
  }
}

net::Response GitHttp::handle(net::Request request) {
  try {
    auto path = parse_git_path(request.path(), request.query());
    if (!path) return refusal_of(404, "Not found.");
    if (auto refused = refuse_form(request, *path)) return std::move(*refused);
    const GitVisitor visitor(forge_, *forge_.state_);
    Visit visit = visitor.visit(request, std::move(*path));
    if (auto refused = refuse_visit(visit)) return std::move(*refused);
    if (visit.answer.verdict == GitVerdict::kCreate) visitor.create_project(visit);
    return visitor.serve(request, visit);
  } catch (const Error& error) {
    if (error.status() >= 500 && error.status() != 503) {
      log(Level::kError, "a git request failed", {{"error", error.message()}});
      return refusal_of(500, "The server failed while it handled the request.");
    }
    return refusal_of(error.status(), error.message());
  }
}

}  // namespace slipway::forge
