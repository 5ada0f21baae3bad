#include "gitlab/router.h"

#include <set>

#include <gtest/gtest.h>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

net::Response nothing(Call&) { return {}; }

TEST(Router, MatchesSegmentsAsSentAndDecodesThemAfterwards) {
  const auto found = match("/projects/:id/jobs", "/projects/health%2Ftumour/jobs");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at("id"), "health/tumour");
  EXPECT_FALSE(match("/projects/:id/jobs", "/projects/health/tumour/jobs"));
}

TEST(Router, MatchesByTable) {
  struct Case {
    const char* pattern;
    const char* path;
    std::map<std::string, std::string> values;
    bool fits;
  };
  const Case cases[] = {
      {"/user", "/user", {}, true},
      {"/user", "/user/", {}, true},
      {"/user", "/users", {}, false},
      {"/users/:id", "/users/", {}, false},
      {"/p/*ref/download", "/p/feature/a/download", {{"ref", "feature/a"}}, true},
      {"/p/*ref/download", "/p/feature%2Fa/download", {{"ref", "feature/a"}}, true},
      {"/p/*ref/download", "/p/download", {}, false},
      {"/p/*ref/raw/*file", "/p/a/b/raw/c/raw/d", {{"ref", "a/b"}, {"file", "c/raw/d"}}, true},
      {"/f/*path/raw", "/f/src%2Fmain.py/raw", {{"path", "src/main.py"}}, true},
  };
  for (const Case& each : cases) {
    const auto found = match(each.pattern, each.path);
    ASSERT_EQ(found.has_value(), each.fits) << each.pattern << " " << each.path;
    if (found) {
      EXPECT_EQ(*found, each.values) << each.path;
    }
  }
}

TEST(Router, TellsAnUnknownPathFromAnotherMethod) {
  const Router router({{"GET", "/a/:x", Who::kUser, Scope::kApi, nothing},
                       {"DELETE", "/a/:x", Who::kUser, Scope::kApi, nothing}});
  EXPECT_EQ(router.find("DELETE", "/a/1").route, &router.routes()[1]);
  EXPECT_EQ(router.find("HEAD", "/a/1").route, &router.routes()[0]);
  EXPECT_EQ(router.find("POST", "/a/1").route, nullptr);
  EXPECT_TRUE(router.find("POST", "/a/1").other_method);
  EXPECT_FALSE(router.find("POST", "/b").other_method);
}

TEST(Router, FindsWhatTheTablesOfThisRoomMean) {
  const Router router(all_routes());
  struct Case {
    const char* method;
    const char* path;
    const char* pattern;
  };
  const Case cases[] = {
      {"GET", "/projects/1/pipelines/latest", "/projects/:id/pipelines/latest"},
      {"GET", "/projects/1/pipelines/7", "/projects/:id/pipelines/:pipeline_id"},
      {"GET", "/projects/1/jobs/artifacts/main/download",
       "/projects/:id/jobs/artifacts/*ref_name/download"},
      {"GET", "/projects/1/jobs/artifacts/main/raw/a/b.txt",
       "/projects/:id/jobs/artifacts/*ref_name/raw/*artifact_path"},
      {"GET", "/projects/1/jobs/9/artifacts", "/projects/:id/jobs/:job_id/artifacts"},
      {"GET", "/projects/1/jobs/9/artifacts/a/b.txt",
       "/projects/:id/jobs/:job_id/artifacts/*artifact_path"},
      {"GET", "/projects/1/members/all", "/projects/:id/members/all"},
      {"GET", "/projects/1/repository/files/a%2Fb/raw",
       "/projects/:id/repository/files/*file_path/raw"},
      {"GET", "/runners/all", "/runners/all"},
      {"GET", "/personal_access_tokens/self", "/personal_access_tokens/self"},
      {"POST", "/projects/1/ref/feature/x/trigger/pipeline",
       "/projects/:id/ref/*ref/trigger/pipeline"},
      {"GET", "/projects/1/repository/commits/feature%2Fx/statuses",
       "/projects/:id/repository/commits/*sha/statuses"},
  };
  for (const Case& each : cases) {
    const Found found = router.find(each.method, each.path);
    ASSERT_NE(found.route, nullptr) << each.path;
    EXPECT_EQ(found.route->pattern, each.pattern) << each.path;
  }
}

TEST(Router, HoldsEachRouteOnceAndLetsNobodyWrite) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const Route& route : all_routes()) {
    EXPECT_TRUE(seen.emplace(route.method, route.pattern).second) << route.pattern;
    const bool reads = route.method == "GET";
    EXPECT_TRUE(reads || route.who == Who::kUser || route.who == Who::kAdmin ||
                route.who == Who::kTokenInside)
        << route.method << " " << route.pattern;
    EXPECT_EQ(reads, route.scope != Scope::kApi) << route.method << " " << route.pattern;
  }
}

}  // namespace
}  // namespace slipway::gitlab
