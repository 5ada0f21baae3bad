#include "gitlab/artifacts.h"

#include "gitlab/routes.h"
#include "gitlab/zip_entry.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

std::filesystem::path archive_of(const Call& call, const ci::Job& job) {
  auto path = call.ci().artifact_path(job.id, "archive");
  if (!path || !std::filesystem::is_regular_file(*path)) not_found();
  return *path;
}

net::Response one_file(const Call& call, const ci::Job& job, const std::string& path) {
  auto entry = find_in_zip(archive_of(call, job), path);
  if (!entry) not_found("File");
  net::Response response;
  const std::string name = path.substr(path.rfind('/') + 1);
  std::string quoted;
  for (const char letter : name)
    quoted +=
        letter == '"' || letter == '\\' || static_cast<unsigned char>(letter) < ' ' ? '_' : letter;
  // What a job wrote is never a page of this server.
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Content-Disposition", "attachment; filename=\"" + quoted + "\"");
  response.headers.set("X-Content-Type-Options", "nosniff");
  if (call.request.method == "HEAD") {
    response.content_length = entry->size;
  } else {
    response.body = std::move(entry->contents);
  }
  return response;
}

// The job of the path, for somebody who may have its files.
ci::Job job_of(const Call& call) { return call.job(call.project_with_jobs()); }

// The job that ?job= names in the latest successful pipeline on the ref.
ci::Job latest_job(const Call& call) {
  const forge::Project project = call.project_with_jobs();
  const std::string name = call.parameters.required("job");
  auto found = call.ci().latest_job(project.id, call.value("ref_name"), name);
  if (!found) not_found("Job");
  return *found;
}

net::Response download(Call& call) { return archive_response(call, job_of(call)); }
net::Response raw(Call& call) { return one_file(call, job_of(call), call.value("artifact_path")); }
net::Response latest(Call& call) { return archive_response(call, latest_job(call)); }
net::Response latest_raw(Call& call) {
  return one_file(call, latest_job(call), call.value("artifact_path"));
}

net::Response keep(Call& call) {
  const ci::Job found = call.job(call.project(Access::kDeveloper));
  archive_of(call, found);
  call.ci().keep_artifacts(found.id);
  return json(200, presenter(call).job(call.ci().job(found.id).value_or(found)));
}

net::Response remove(Call& call) {
  const ci::Job found = call.job(call.project(Access::kMaintainer));
  call.ci().delete_artifacts(found.id);
  return no_content();
}

constexpr auto kRead = Scope::kReadApi;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/jobs/artifacts/*ref_name/download", Who::kJobToo, kRead, latest},
    {"GET", "/projects/:id/jobs/artifacts/*ref_name/raw/*artifact_path", Who::kJobToo, kRead,
     latest_raw},
    {"GET", "/projects/:id/jobs/:job_id/artifacts", Who::kJobToo, kRead, download},
    {"DELETE", "/projects/:id/jobs/:job_id/artifacts", Who::kUser, Scope::kApi, remove},
    {"POST", "/projects/:id/jobs/:job_id/artifacts/keep", Who::kUser, Scope::kApi, keep},
    {"GET", "/projects/:id/jobs/:job_id/artifacts/*artifact_path", Who::kJobToo, kRead, raw},
};

}  // namespace

net::Response archive_response(const Call& call, const ci::Job& job) {
  const std::filesystem::path path = archive_of(call, job);
  net::Response response;
  response.headers.set("Content-Type", "application/zip");
  response.headers.set("Content-Disposition", "attachment; filename=\"artifacts.zip\"");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.body = net::FileSlice{path, 0, std::filesystem::file_size(path), nullptr};
  return response;
}

std::vector<Route> artifact_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
