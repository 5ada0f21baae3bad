#pragma once

// From an event of the outbox to a notice. Pure: the same event gives the same words.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "notify/notice.h"
#include "store/outbox.h"

namespace slipway::notify {

inline constexpr const char* kNoticesTopic = "slipway-notices";

// What templates need beside the event.
struct Background {
  std::string url;             // this server
  std::string link;            // the page of CI of the event's commit, or empty
  std::string ref_before;      // last status of CI on the ref: "failed", or empty
  std::vector<Json> failures;  // details of the pipeline's failed Job.Finished events
};

struct Notice {
  std::string outcome;  // "success", "failure", "approval": for filter policies
  std::string name;     // of the model, pipeline, endpoint or project
  Page page;
};

// Nothing where the event is nobody's business.
std::optional<Notice> notice_of(const store::Event& event, const Background& background);

// The attributes by which subscriptions filter: "event", "outcome", "name".
Json attributes_of(const store::Event& event, const Notice& notice);
// What programs get: {"type", "at", "subject", "title", "text", "detail"}.
Json machine_message(const store::Event& event, const Notice& notice);

// The commit that a version or an execution came from; empty where it does not say.
std::string commit_of(const store::Event& event);
// The page of the CI pipeline "<project path>#<id>".
std::string pipeline_page(const std::string& url, const std::string& subject);

// CI: "<project path>#<id>" of a pipeline's or a job's event.
std::string project_of(const store::Event& event);
// Of a job's event: which pipeline it belongs to; empty where it does not say.
std::string pipeline_of(const store::Event& event);

}  // namespace slipway::notify
