#pragma once

// The operations of CloudWatch Logs, apart from the wire: input and output as in the service's
// model. Each throws Error with the service's code and text.

#include <string>

#include "base/json.h"
#include "observe/logs.h"

namespace slipway::observe {

struct LogsCaller {
  std::string account;
  std::string region;
};

// Groups and streams (log_groups_operations.cc).
Json create_log_group(Logs& logs, const LogsCaller& caller, const Json& input);
Json describe_log_groups(Logs& logs, const LogsCaller& caller, const Json& input);
Json delete_log_group(Logs& logs, const LogsCaller& caller, const Json& input);
Json put_retention_policy(Logs& logs, const LogsCaller& caller, const Json& input);
Json delete_retention_policy(Logs& logs, const LogsCaller& caller, const Json& input);
Json create_log_stream(Logs& logs, const LogsCaller& caller, const Json& input);
Json describe_log_streams(Logs& logs, const LogsCaller& caller, const Json& input);
Json delete_log_stream(Logs& logs, const LogsCaller& caller, const Json& input);
Json list_tags(Logs& logs, const LogsCaller& caller, const Json& input);
Json tag(Logs& logs, const LogsCaller& caller, const Json& input);
Json untag(Logs& logs, const LogsCaller& caller, const Json& input);

// Lines (log_events_operations.cc, log_filter_operation.cc).
Json put_log_events(Logs& logs, const LogsCaller& caller, const Json& input);
Json get_log_events(Logs& logs, const LogsCaller& caller, const Json& input);
Json filter_log_events(Logs& logs, const LogsCaller& caller, const Json& input);

}  // namespace slipway::observe
