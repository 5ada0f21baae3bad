#include <algorithm>

#include "ci/artifacts.h"
#include "gitlab/junit.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

constexpr std::uint64_t kMostOfReport = 16u << 20;    // bytes, unpacked
constexpr std::uint64_t kMostOfPipeline = 64u << 20;  // of all reports of one request

// The parts of `parallel: N` are one suite; each job of a matrix is one of its own.
std::string suite_name(const ci::Job& job) {
  const bool of_matrix = job.name().starts_with(job.spec.base_name + ": [");
  return of_matrix || job.spec.base_name.empty() ? job.name() : job.spec.base_name;
}

bool is_report(const ci::Artifact& artifact) { return artifact.type == "junit"; }

std::vector<TestSuite> suites_of(const Call& call, const ci::Pipeline& pipeline) {
  std::vector<TestSuite> suites;
  std::uint64_t left = kMostOfPipeline;
  for (const ci::Job& job : call.ci().jobs_of(pipeline.id)) {
    const auto report = std::find_if(job.artifacts.begin(), job.artifacts.end(), is_report);
    if (report == job.artifacts.end()) continue;
    const auto path = call.ci().artifact_path(job.id, report->type);
    if (!path) continue;
    const std::string name = suite_name(job);
    auto suite = std::find_if(suites.begin(), suites.end(),
                              [&](const TestSuite& each) { return each.name == name; });
    if (suite == suites.end()) {
      suite = suites.emplace(suites.end());
      suite->name = name;
    }
    suite->jobs.push_back(job.id);
    try {
      const std::uint64_t most = std::min(kMostOfReport, left);
      const std::string text =
          report->format == "gzip" ? ci::read_gzip(*path, most) : store::read_file(*path, most);
      left -= std::min<std::uint64_t>(left, text.size());
      read_junit(text, *suite);
    } catch (const Error& error) {
      suite->error = "JUnit data parsing failed: " + error.message();
    }
  }
  return suites;
}

net::Response report(Call& call) {
  const ci::Pipeline found = call.pipeline(call.project_with_jobs());
  return json(200, test_report_json(suites_of(call, found)));
}

net::Response summary(Call& call) {
  const ci::Pipeline found = call.pipeline(call.project_with_jobs());
  return json(200, test_summary_json(suites_of(call, found)));
}

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/pipelines/:pipeline_id/test_report", Who::kAnyone, Scope::kReadApi,
     report},
    {"GET", "/projects/:id/pipelines/:pipeline_id/test_report_summary", Who::kAnyone,
     Scope::kReadApi, summary},
};

}  // namespace

std::vector<Route> test_report_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
