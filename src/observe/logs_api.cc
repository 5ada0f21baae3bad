#include "observe/log_operations.h"

namespace slipway::observe {

void register_logs_api(wire::Api& api, Logs& logs) {
  using Run = Json (*)(Logs&, const LogsCaller&, const Json&);
  const auto on = [&](std::string_view operation, Run run) {
    api.on("logs", operation, [&logs, run](wire::Call& call) {
      return wire::Reply(run(logs, {call.caller.account, call.region}, call.input));
    });
  };
  on("CreateLogGroup", create_log_group);
  on("DescribeLogGroups", describe_log_groups);
  on("DeleteLogGroup", delete_log_group);
  on("PutRetentionPolicy", put_retention_policy);
  on("DeleteRetentionPolicy", delete_retention_policy);
  on("CreateLogStream", create_log_stream);
  on("DescribeLogStreams", describe_log_streams);
  on("DeleteLogStream", delete_log_stream);
  on("PutLogEvents", put_log_events);
  on("GetLogEvents", get_log_events);
  on("FilterLogEvents", filter_log_events);
  on("ListTagsForResource", list_tags);
  on("TagResource", tag);
  on("UntagResource", untag);
}

}  // namespace slipway::observe
