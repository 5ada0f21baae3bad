#include "base/digest.h"
#include "base/strings.h"
#include "gitlab/commit_request.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

struct FoundFile {
  forge::Project project;
  std::string ref;
  std::string commit;
  std::string path;
  std::string content;
  forge::TreeEntry entry;
  std::string last_commit;
};

FoundFile file_of(const Call& call) {
  FoundFile file;
  file.project = call.project_with_code();
  const forge::Repository repository = call.forge().repository(file.project.id);
  file.ref = call.parameters.text("ref", file.project.default_branch);
  if (file.ref == "HEAD") file.ref = file.project.default_branch;
  file.path = call.value("file_path");
  const auto commit = repository.resolve(file.ref);
  if (!commit) not_found("Commit");
  file.commit = *commit;
  const std::size_t slash = file.path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : file.path.substr(0, slash);
  for (const forge::TreeEntry& entry : repository.tree(*commit, folder, /*recursive=*/false)) {
    if (entry.path == file.path && entry.type == "blob") file.entry = entry;
  }
  auto content = file.entry.id.empty() ? std::nullopt : repository.read(*commit, file.path);
  if (!content) not_found("File");
  file.content = std::move(*content);
  const auto last = repository.history(*commit, file.path, 0, 1);
  file.last_commit = last.empty() ? *commit : last.front().id;
  return file;
}

void add_headers(const FoundFile& file, net::Headers& headers) {
  const auto encoded = [](const std::string& text) {
    return base::percent_encode(text, base::Slash::kKeep);
  };
  headers.set("X-Gitlab-Blob-Id", file.entry.id);
  headers.set("X-Gitlab-Commit-Id", file.commit);
  headers.set("X-Gitlab-Content-Sha256", base::sha256_hex(file.content));
  headers.set("X-Gitlab-Encoding", "base64");
  headers.set("X-Gitlab-Execute-Filemode", file.entry.mode == "100755" ? "true" : "false");
  headers.set("X-Gitlab-File-Name", encoded(file.path.substr(file.path.rfind('/') + 1)));
  headers.set("X-Gitlab-File-Path", encoded(file.path));
  headers.set("X-Gitlab-Last-Commit-Id", file.last_commit);
  headers.set("X-Gitlab-Ref", encoded(file.ref));
  headers.set("X-Gitlab-Size", std::to_string(file.content.size()));
}

net::Response file(Call& call) {
  if (call.request.method != "HEAD") call.parameters.require({"ref"});
  const FoundFile found = file_of(call);
  net::Response response = json(200, {{"file_name", found.path.substr(found.path.rfind('/') + 1)},
                                      {"file_path", found.path},
                                      {"size", found.content.size()},
                                      {"encoding", "base64"},
                                      {"content_sha256", base::sha256_hex(found.content)},
                                      {"ref", found.ref},
                                      {"blob_id", found.entry.id},
                                      {"commit_id", found.commit},
                                      {"last_commit_id", found.last_commit},
                                      {"execute_filemode", found.entry.mode == "100755"},
                                      {"content", base::base64(found.content)}});
  add_headers(found, response.headers);
  return response;
}

net::Response raw(Call& call) {
  const FoundFile found = file_of(call);
  net::Response response = net::plain(200, found.content, "text/plain; charset=utf-8");
  if (!base::is_utf8(found.content))
    response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Content-Disposition", "inline");
  response.headers.set("X-Content-Type-Options", "nosniff");
  add_headers(found, response.headers);
  return response;
}

forge::CommitRequest request_of(const Call& call, forge::FileAction action) {
  call.parameters.require({"branch", "commit_message"});
  forge::CommitRequest request = commit_request(call.parameters, call.services.clock.now());
  forge::FileChange change;
  change.action = action;
  change.path = call.value("file_path");
  change.executable = call.parameters.boolean("execute_filemode", false);
  if (action != forge::FileAction::kDelete) {
    call.parameters.require({"content"});
    change.content = content_of(call.parameters);
  }
  request.changes.push_back(std::move(change));
  return request;
}

net::Response change(Call& call, forge::FileAction action, int status) {
  const forge::Project project = call.project(Access::kDeveloper);
  forge::CommitRequest request = request_of(call, action);
  expect_last_commit(call.forge().repository(project.id), request,
                     call.parameters.text("last_commit_id"), call.value("file_path"));
  call.forge().commit(call.user(), project.id, request);
  if (status == 204) return no_content();
  return json(status, {{"file_path", call.value("file_path")}, {"branch", request.branch}});
}

net::Response create(Call& call) { return change(call, forge::FileAction::kCreate, 201); }
net::Response update(Call& call) { return change(call, forge::FileAction::kUpdate, 200); }
net::Response remove(Call& call) { return change(call, forge::FileAction::kDelete, 204); }

constexpr auto kCode = Scope::kReadRepository;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/repository/files/*file_path/raw", Who::kAnyone, kCode, raw},
    {"GET", "/projects/:id/repository/files/*file_path", Who::kAnyone, kCode, file},
    {"POST", "/projects/:id/repository/files/*file_path", Who::kUser, Scope::kApi, create},
    {"PUT", "/projects/:id/repository/files/*file_path", Who::kUser, Scope::kApi, update},
    {"DELETE", "/projects/:id/repository/files/*file_path", Who::kUser, Scope::kApi, remove},
};

}  // namespace

std::vector<Route> file_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
