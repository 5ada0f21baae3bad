#pragma once

// Artifacts and caches of a job, with the lines that a person reads about them.

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runner/job_plan.h"
#include "runner/workshop.h"

namespace slipway::runner {

// Belongs to one thread.
class Packing {
 public:
  using Print = std::function<void(std::string_view)>;
  Packing(const Workshop& workshop, const ci::Assignment& assignment, const JobPlan& plan,
          const JobPlaces& places, Print print);

  // Best effort: what cannot be read or written is said, and the job goes on.
  void restore_caches();
  void save_caches(bool succeeded);

  // The archives of earlier jobs. Throws Error where one is gone or broken.
  void download();
  // What is due. Throws Error where the server refuses one, or one is too large.
  void upload(bool succeeded);

 private:
  // What the patterns find, without what is excluded.
  std::set<std::string> collect(const std::vector<std::string>& patterns, bool untracked,
                                const std::vector<std::string>& exclude);
  void restore_cache(const CacheRequest& cache);
  void save_cache(const CacheRequest& cache);
  void leave_out_links(std::set<std::string>& paths);
  void upload_one(const ArtifactRequest& request, int number);

  const Workshop& workshop_;
  const ci::Assignment& assignment_;
  const JobPlan& plan_;
  const JobPlaces& places_;
  const Print print_;
};

}  // namespace slipway::runner
