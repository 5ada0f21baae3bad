#pragma once

// Pipelines and their versions: the operations on them, with inputs and outputs of the service
// model.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/pipelines.h"
#include "pipelines/store.h"
#include "store/resources.h"
#include "wire/api.h"

namespace slipway::pipelines {

// The bytes of an object; throws Error where there is none or it is larger than `limit`.
using ReadObject = std::function<std::string(const std::string& account, const std::string& bucket,
                                             const std::string& key, std::uint64_t limit)>;

// Thread-safe.
class Catalog {
 public:
  // The arguments outlive the object.
  Catalog(const PipelineStore& store, const base::Clock& clock, ReadObject read_object,
          std::string region);

  Json create(const wire::Caller& caller, const Json& input);
  Json update(const wire::Caller& caller, const Json& input);
  Json describe(const std::string& account, const Json& input) const;
  // Throws Error{ConflictException} while it executes.
  Json remove(const std::string& account, const Json& input);
  Json list(const std::string& account, const Json& input) const;
  Json list_versions(const std::string& account, const Json& input) const;
  Json update_version(const std::string& account, const Json& input);

  // The pipeline by name or ARN. Throws Error{ResourceNotFound}.
  store::Resource find(store::Reader& reader, const std::string& account,
                       const std::string& name_or_arn) const;
  std::vector<PipelineSummary> summaries(const std::string& account) const;
  std::optional<PipelineSummary> summary(const std::string& account, const std::string& name) const;

  // Carries on with deletions that a crash interrupted.
  void finish_deletions();

 private:
  std::string definition_in(const std::string& account, const Json& input) const;
  std::string arn_of(const std::string& account, const std::string& name) const;
  void finish_deletion(const store::Resource& pipeline);
  PipelineSummary summary_of(store::Reader& reader, const store::Resource& pipeline) const;

  const PipelineStore& store_;
  const base::Clock& clock_;
  const ReadObject read_object_;
  const std::string region_;
};

inline constexpr const char* kLastVersion = "SlipwayLastVersion";
inline constexpr const char* kLastExecutions = "SlipwayLastExecutions";  // ARN by version

// {"IamIdentity": …}
Json user_context(const wire::Caller& caller);
// CreatedAfter, CreatedBefore, SortBy (Name or CreationTime), SortOrder, MaxResults (10),
// NextToken.
store::ListQuery list_query(const std::string& account, const std::string& kind, const Json& input);
// Pages of a list that is made anew for each page: the items from `token` on, and the next token.
struct Slice {
  std::size_t begin = 0, end = 0;
  std::string next_token;  // empty on the last page
};
// `what` names the list; a token of another list is refused with Error{ValidationException}.
Slice slice_of(std::size_t count, const std::string& what, const Json& input, std::int64_t usual);

}  // namespace slipway::pipelines
