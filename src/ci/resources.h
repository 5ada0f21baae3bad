#pragma once

// Resource groups: of the jobs that name one, at most one runs at a time. Functions on a snapshot
// or in a transaction.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ci/store.h"

namespace slipway::ci {

// A job's `resource` in the tables.
std::string resource_of(Id project, std::string_view key);

// Makes the group where it is not there yet.
void note_resource_group(store::Transaction& transaction, const std::string& resource,
                         base::Millis now);
std::vector<ResourceGroup> resource_groups(store::Reader& reader, Id project);
std::optional<ResourceGroup> find_resource_group(store::Reader& reader,
                                                 const std::string& resource);
void update(store::Transaction& transaction, const ResourceGroup& group);

// The jobs that get the resource, in turn. In "oldest_first" and "newest_first" a pipeline's turn
// comes before its job is ready: the first may still be created, and the others wait for it.
std::vector<JobRow> upcoming_jobs(store::Reader& reader, const std::string& resource, int limit);
// The job that holds it.
std::optional<JobRow> current_job(store::Reader& reader, const std::string& resource);

}  // namespace slipway::ci
