#pragma once

// The JSON of merge requests, as GitLab's documentation shows it.

#include "base/json.h"
#include "gitlab/merge_requests.h"
#include "gitlab/presenter.h"

namespace slipway::gitlab {

// For one request; belongs to one thread.
class MergeRequestJson {
 public:
  // `viewer` may be null.
  MergeRequestJson(const MergeRequests& service, const forge::Forge& forge, Presenter presenter,
                   const forge::Identity* viewer)
      : service_(service), forge_(forge), presenter_(std::move(presenter)), viewer_(viewer) {}

  Json basic(const forge::Project& project, const MergeRequest& one);
  // With its pipelines, its commits' ends and what the viewer may do.
  Json detail(const forge::Project& project, const MergeRequest& one);

 private:
  const MergeRequests& service_;
  const forge::Forge& forge_;
  Presenter presenter_;
  const forge::Identity* const viewer_;
};

}  // namespace slipway::gitlab
