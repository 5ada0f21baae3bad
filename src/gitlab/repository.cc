#include "gitlab/diffs.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

constexpr int kMostCompared = 250;

// The ref that is asked for, or the default branch; of an empty repository nothing.
std::optional<std::string> commit_of(const Call& call, const forge::Project& project,
                                     const std::string& name) {
  const auto id = call.forge()
                      .repository(project.id)
                      .resolve(name.empty() ? "refs/heads/" + project.default_branch : name);
  return id;
}

net::Response tree(Call& call) {
  const forge::Project project = call.project_with_code();
  const std::string ref = call.parameters.text("ref");
  const auto commit = commit_of(call, project, ref);
  if (!commit) {
    if (call.forge().repository(project.id).refs("refs/heads/").empty())
      return page_of(call, Json::array(), page_request(call.parameters), 0);
    not_found("Tree");
  }
  const std::string path = call.parameters.text("path");
  const auto entries = call.forge()
                           .repository(project.id)
                           .tree(*commit, path, call.parameters.boolean("recursive", false));
  if (entries.empty() && !path.empty()) not_found("invalid revision or path");
  return list(call, entries, [](const forge::TreeEntry& entry) {
    return Json{{"id", entry.id},
                {"name", entry.path.substr(entry.path.rfind('/') + 1)},
                {"type", entry.type},
                {"path", entry.path},
                {"mode", entry.mode}};
  });
}

net::Response compare(Call& call) {
  const forge::Project project = call.project_with_code();
  call.parameters.require({"from", "to"});
  const forge::Repository repository = call.forge().repository(project.id);
  const std::string from = call.commit_id(project, call.parameters.text("from"));
  const std::string to = call.commit_id(project, call.parameters.text("to"));
  const bool straight = call.parameters.boolean("straight", false);
  const auto common = repository.merge_base(from, to);
  const std::string base = straight ? from : common.value_or(from);
  Presenter present = presenter(call);
  Json commits = Json::array();
  for (const forge::Commit& commit : commits_between(repository, from, to, kMostCompared))
    commits.push_back(present.commit(project, commit));
  Json last = commits.empty() ? Json() : commits.back();
  return json(200, {{"commit", last},
                    {"commits", commits},
                    {"diffs", diffs_between(repository, base, to)},
                    {"compare_timeout", false},
                    {"compare_same_ref", from == to},
                    {"web_url", present.web_url(project, "/-/compare/" + from + "..." + to)}});
}

net::Response merge_base(Call& call) {
  const forge::Project project = call.project_with_code();
  const auto refs = call.parameters.texts("refs");
  if (refs.empty()) refuse_parameter("refs is missing");
  if (refs.size() < 2) bad_request("Provide at least 2 refs");
  const forge::Repository repository = call.forge().repository(project.id);
  std::optional<std::string> common = call.commit_id(project, refs.front());
  for (std::size_t i = 1; i < refs.size() && common; ++i)
    common = repository.merge_base(*common, call.commit_id(project, refs[i]));
  if (!common) not_found("Merge Base");
  return json(200, presenter(call).commit(project, *common));
}

net::Response archive(Call& call, std::string format) {
  const forge::Project project = call.project_with_code();
  const auto commit = commit_of(call, project, call.parameters.text("sha"));
  if (!commit) not_found("File");
  if (format == "tgz") format = "tar.gz";
  if (format != "tar" && format != "tar.gz" && format != "zip")
    refuse_parameter("format does not have a valid value");
  const std::string named = call.parameters.text("sha", project.default_branch);
  std::string name = project.path + "-" + named;
  if (named != *commit) name += "-" + *commit;
  for (char& letter : name) {
    const auto c = static_cast<unsigned char>(letter);
    if (!std::isalnum(c) && c != '-' && c != '_' && c != '.') letter = '-';
  }
  const auto file = std::make_shared<store::Spool::File>(call.services.spool.create());
  call.forge().repository(project.id).archive(*commit, format, name + "/", file->path());
  net::Response response;
  response.headers.set("Content-Type",
                       format == "zip" ? "application/zip" : "application/octet-stream");
  response.headers.set("Content-Disposition",
                       "attachment; filename=\"" + name + "." + format + "\"");
  response.body = net::FileSlice{file->path(), 0, std::filesystem::file_size(file->path()), file};
  return response;
}

net::Response archive_as_asked(Call& call) {
  return archive(call, call.parameters.text("format", "tar.gz"));
}
net::Response archive_tar_gz(Call& call) { return archive(call, "tar.gz"); }
net::Response archive_tar(Call& call) { return archive(call, "tar"); }
net::Response archive_zip(Call& call) { return archive(call, "zip"); }

constexpr auto kAnyone = Who::kAnyone;
constexpr auto kCode = Scope::kReadRepository;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/repository/tree", kAnyone, kCode, tree},
    {"GET", "/projects/:id/repository/compare", kAnyone, kCode, compare},
    {"GET", "/projects/:id/repository/merge_base", kAnyone, kCode, merge_base},
    {"GET", "/projects/:id/repository/archive", kAnyone, kCode, archive_as_asked},
    {"GET", "/projects/:id/repository/archive.tar.gz", kAnyone, kCode, archive_tar_gz},
    {"GET", "/projects/:id/repository/archive.tgz", kAnyone, kCode, archive_tar_gz},
    {"GET", "/projects/:id/repository/archive.tar", kAnyone, kCode, archive_tar},
    {"GET", "/projects/:id/repository/archive.zip", kAnyone, kCode, archive_zip},
};

}  // namespace

std::vector<Route> repository_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
