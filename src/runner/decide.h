#pragma once

// The room's decisions, pure: what a job's options mean for whoever runs it.

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ci/queue.h"
#include "ci/types.h"
#include "runner/types.h"

namespace slipway::runner {

// Replaces $NAME and ${NAME} once, as Go's os.Expand does: "$$" gives "$", a name without value
// nothing.
std::string expand_once(std::string_view text,
                        const std::function<std::string(std::string_view)>& value_of);
std::string expand_once(std::string_view text, const ci::Variables& variables);

// The archive where there is one, then the reports in the order of their names.
std::vector<ArtifactRequest> artifact_requests(const Json& options);
// Whether something with "on_success", "on_failure" or "always" is due.
bool is_due(std::string_view when, bool succeeded);

// A key made from files is the hash of the commits that last changed them: `last_change` gives the
// commit of a path, empty where there is none. Keys get "-protected" or "-non_protected".
std::vector<CacheRequest> cache_requests(
    const Json& options, bool is_protected,
    const std::function<std::string(const std::string& path)>& last_change);
std::vector<ServiceRequest> service_requests(const Json& options);

// Of an option that is a string or a list of them.
std::vector<std::string> texts(const Json& value);

// GIT_DEPTH, else the project's setting, else 20; 0 is everything.
int depth_of(const forge::Project& project, const ci::Variables& variables);
std::vector<std::string> refspecs(const ci::Pipeline& pipeline, int depth);

enum class GitStrategy { kFetch, kClone, kNone, kEmpty };
GitStrategy strategy_of(const ci::Variables& variables);

// What a job needs of a runner that these `info.features` lack, in their words; a runner that names
// no features at all is taken at its word that it knows what it does.
std::vector<std::string> lacking_features(const ci_config::JobSpec& spec, const Json& info);

// An image that stands for a common set of tools, which the machine's own can stand in for.
bool is_common_base(std::string_view image);

// What a JobUpdate says of an ending; failure_reason is GitLab's.
ci::JobUpdate update_of(const Outcome& outcome);
// "1h0m0s"
std::string duration_text(std::chrono::seconds duration);

// A file name that is its own for each text, for keys of caches.
std::string file_name_of(std::string_view key);

}  // namespace slipway::runner
