#pragma once

// The JSON of every entity, as GitLab's documentation shows it, in one place.

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/json.h"
#include "ci/ci.h"
#include "forge/forge.h"
#include "gitlab/webhook_types.h"

namespace slipway::gitlab {

// "2026-11-22T16:52:00.123Z"; null where there is no time.
Json time_json(const std::optional<base::Millis>& at);
// "2026-11-22"; null where there is none.
Json date_json(const std::optional<base::Millis>& at);
// The status as GitLab's pages show it: icon, text, label, group.
Json detailed_status(ci::Status status, const std::string& details_path);

// What a deployment is while its job has this status.
std::string_view deployment_status(ci::Status status);

// Remembers what it has looked up, so that a list asks once for each user, commit and pipeline. For
// one request; belongs to one thread.
class Presenter {
 public:
  // `viewer` may be null.
  Presenter(const forge::Forge& forge, ci::Ci& ci, std::string url, const forge::Identity* viewer,
            base::Millis now);

  Json user(const forge::User& user) const;  // as others see it
  Json user(forge::Id id);                   // null where it is gone
  Json own_user(const forge::User& user) const;
  Json member(const forge::Member& member) const;
  Json space(const forge::Namespace& space) const;
  Json group(const forge::Namespace& group);
  Json project(const forge::Project& project, bool simple = false);
  Json access_token(const forge::AccessToken& token) const;
  Json protected_ref(const forge::ProtectedRef& ref) const;

  Json commit(const forge::Project& project, const forge::Commit& commit) const;
  Json commit(const forge::Project& project, const std::string& id);  // null where it is gone
  // With the status and the last pipeline.
  Json commit_detail(const forge::Project& project, const forge::Commit& commit);
  Json branch(const forge::Project& project, const forge::Ref& ref);
  Json tag(const forge::Project& project, const forge::Ref& ref);

  Json pipeline(const ci::Pipeline& pipeline);  // the short form
  Json pipeline_detail(const ci::Pipeline& pipeline);
  Json job(const ci::Job& job);
  Json bridge(const ci::Job& job);
  Json commit_status(const ci::Job& job);
  Json variable(const ci::StoredVariable& variable) const;
  Json variable(const ci::Variable& variable) const;  // of a pipeline or schedule
  Json schedule(const ci::Schedule& schedule, bool detail);
  Json trigger(const ci::Trigger& trigger);
  Json runner(const ci::Runner& runner) const;
  Json runner_detail(const ci::Runner& runner);
  Json environment(const ci::Environment& environment);
  // A job that went to an environment; it has the job's number.
  Json deployment(const ci::Job& job, const ci::Environment& environment);
  static Json resource_group(const ci::ResourceGroup& group);
  Json lint(const ci_config::Result& result, bool with_jobs) const;
  Json hook(const Hook& hook) const;
  Json delivery(const Delivery& delivery) const;

  std::string web_url(const forge::Project& project, const std::string& rest = "") const;
  std::string pipeline_url(const ci::Pipeline& pipeline);
  std::string job_url(const ci::Job& job);

 private:
  const forge::Project& project_of(forge::Id id);
  Json job_fields(const ci::Job& job);

  const forge::Forge& forge_;
  ci::Ci& ci_;
  const std::string url_;
  const forge::Identity* const viewer_;
  const base::Millis now_;
  std::map<forge::Id, Json> users_;
  std::map<forge::Id, forge::Project> projects_;
  std::map<std::pair<forge::Id, std::string>, Json> commits_;
  std::map<forge::Id, std::optional<ci::Pipeline>> pipelines_;
};

}  // namespace slipway::gitlab
