// SageMaker's operations on training and processing jobs: decode, call Jobs, encode.

#include <initializer_list>
#include <string>
#include <utility>

#include "jobs/jobs.h"

namespace slipway::jobs {
namespace {

// Copies the members that are there.
Json selected(const Json& document, std::initializer_list<const char*> members) {
  Json result = Json::object();
  for (const char* member : members) {
    const auto found = document.find(member);
    if (found != document.end()) result[member] = *found;
  }
  return result;
}

Json summary_of(Kind kind, const Json& document) {
  if (kind == Kind::kTraining) {
    return selected(document,
                    {"TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime",
                     "LastModifiedTime", "TrainingJobStatus", "SecondaryStatus"});
  }
  return selected(document,
                  {"ProcessingJobName", "ProcessingJobArn", "CreationTime", "ProcessingEndTime",
                   "LastModifiedTime", "ProcessingJobStatus", "FailureReason", "ExitMessage"});
}

std::optional<std::string> text_in(const Json& input, const char* member) {
  if (!input.contains(member)) return std::nullopt;
  return base::text_or(input, member);
}

std::optional<base::Millis> time_in(const Json& input, const char* member) {
  if (!input.contains(member)) return std::nullopt;
  return base::from_epoch_seconds(base::number_or(input, member, 0));
}

store::SortBy sort_of(const std::string& text) {
  if (text == "Name") return store::SortBy::kName;
  if (text == "Status") return store::SortBy::kStatus;
  return store::SortBy::kCreationTime;
}

store::ListQuery query_of(Kind kind, const wire::Call& call) {
  const Json& input = call.input;
  return {.account = call.caller.account,
          .kind = std::string(names_of(kind).resource),
          .name_contains = text_in(input, "NameContains"),
          .status = text_in(input, "StatusEquals"),
          .created_after = time_in(input, "CreationTimeAfter"),
          .created_before = time_in(input, "CreationTimeBefore"),
          .modified_after = time_in(input, "LastModifiedTimeAfter"),
          .modified_before = time_in(input, "LastModifiedTimeBefore"),
          .sort_by = sort_of(call.text("SortBy")),
          .order = call.text("SortOrder") == "Descending" ? store::Order::kDescending
                                                          : store::Order::kAscending,
          .limit = static_cast<int>(base::integer_or(input, "MaxResults", 10)),
          .next_token = call.text("NextToken")};
}

Json list(Kind kind, const Jobs& jobs, const wire::Call& call) {
  Json summaries = Json::array();
  std::string next;
  // No job here has a warm pool or a training plan, so nothing equals one.
  if (!call.has("WarmPoolStatusEquals") && !call.has("TrainingPlanArnEquals")) {
    const store::Page page = jobs.list_jobs(query_of(kind, call));
    for (const store::Resource& job : page.items) {
      summaries.push_back(summary_of(kind, job.document));
    }
    next = page.next_token;
  }
  Json output{{std::string(names_of(kind).job) + "Summaries", std::move(summaries)}};
  if (!next.empty()) output["NextToken"] = next;
  return output;
}

}  // namespace

void register_jobs_api(wire::Api& api, Jobs& jobs) {
  for (const Kind kind : kKinds) {
    const std::string job(names_of(kind).job);
    api.on("sagemaker", "Create" + job, [kind, job, &jobs](wire::Call& call) -> wire::Reply {
      return Json{{job + "Arn", jobs.create_job(kind, call.caller.account, call.input)}};
    });
    api.on("sagemaker", "Describe" + job, [kind, job, &jobs](wire::Call& call) -> wire::Reply {
      return jobs.describe_job(kind, call.caller.account, call.text(job + "Name"));
    });
    api.on("sagemaker", "Stop" + job, [kind, job, &jobs](wire::Call& call) -> wire::Reply {
      jobs.stop_job(kind, call.caller.account, call.text(job + "Name"));
      return Json::object();
    });
    api.on("sagemaker", "List" + job + "s",
           [kind, &jobs](wire::Call& call) -> wire::Reply { return list(kind, jobs, call); });
  }
}

}  // namespace slipway::jobs
