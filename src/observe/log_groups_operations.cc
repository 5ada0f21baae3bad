#include <algorithm>
#include <array>
#include <functional>

#include "base/error.h"
#include "base/strings.h"
#include "observe/log_parts.h"
#include "store/resources.h"

namespace slipway::observe {
namespace {

constexpr int kPage = 50;
constexpr std::array kRetentionDays = {1,    3,    5,    7,    14,   30,  60,  90,
                                       120,  150,  180,  365,  400,  545, 731, 1096,
                                       1827, 2192, 2557, 2922, 3288, 3653};

int page_size(const Json& input) {
  return static_cast<int>(
      std::clamp<std::int64_t>(base::integer_or(input, "limit", kPage), 1, kPage));
}

// List tokens name the last item of the page before.
std::string token_text(const Json& input) {
  const std::string token = base::text_or(input, "nextToken");
  if (token.empty()) return "";
  const auto text = base::from_base64(token);
  if (!text) refuse_parameter("The specified nextToken is invalid.");
  return *text;
}

store::Tags tags_in(const Json& input) {
  store::Tags tags;
  for (const auto& [key, value] : base::object_or_empty(input, "tags").items()) {
    tags[key] = value.get<std::string>();
  }
  return tags;
}

// The ARN under which a group's tags are kept, from the one in the request.
std::string tagged_arn(store::Reader& reader, const LogsCaller& caller, const Json& input) {
  const std::string name =
      group_name({{"logGroupIdentifier", base::text_or(input, "resourceArn")}});
  require_group(reader, caller, name);
  return group_arn(caller, name);
}

Json describe(const LogsCaller& caller, const LogGroup& group) {
  Json result = {{"logGroupName", group.name},
                 {"creationTime", group.created},
                 {"metricFilterCount", 0},
                 {"arn", group_arn(caller, group.name) + ":*"},
                 {"storedBytes", group.bytes},
                 {"logGroupClass", "STANDARD"},
                 {"logGroupArn", group_arn(caller, group.name)}};
  if (group.retention_days > 0) result["retentionInDays"] = group.retention_days;
  return result;
}

Json describe(const LogsCaller& caller, const std::string& group, const LogStream& stream) {
  Json result = {{"logStreamName", stream.name},
                 {"creationTime", stream.created},
                 {"arn", group_arn(caller, group) + ":log-stream:" + stream.name},
                 {"uploadSequenceToken", std::to_string(stream.next_sequence)},
                 {"storedBytes", stream.bytes}};
  if (stream.next_sequence > 1) {
    result["firstEventTimestamp"] = stream.first_event;
    result["lastEventTimestamp"] = stream.last_event;
    result["lastIngestionTime"] = stream.last_ingestion;
  }
  return result;
}

void set_retention(Logs& logs, const LogsCaller& caller, const Json& input, std::int64_t days) {
  logs.database().write([&](store::Transaction& transaction) {
    const LogGroup group = require_group(transaction, caller, group_name(input));
    transaction.execute("update log_groups set retention_days = ? where id = ?", {days, group.id});
  });
}

// A stream's lines go in short transactions, so that writers go on; its row goes last, so that a
// crash between leaves a stream that can be deleted again.
void delete_lines(Logs& logs, std::int64_t stream) {
  const auto delete_some = [&](store::Transaction& transaction) {
    return delete_some_lines(transaction, stream, INT64_MAX);
  };
  while (logs.database().write(delete_some) > 0) {
  }
}

std::vector<LogStream> page_by_last_event(store::Reader& reader, std::int64_t group,
                                          const std::string& token, bool descending, int limit) {
  if (token.empty()) return streams_by_last_event(reader, group, nullptr, descending, limit);
  const std::size_t blank = token.find(' ');
  const auto at = base::parse_integer(token.substr(0, blank));
  if (!at || blank == std::string::npos) refuse_parameter("The specified nextToken is invalid.");
  LogStream after;
  after.last_event = *at;
  after.name = token.substr(blank + 1);
  return streams_by_last_event(reader, group, &after, descending, limit);
}

}  // namespace

Json create_log_group(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string name = group_name(input);
  logs.database().write([&](store::Transaction& transaction) {
    if (find_group(transaction, caller.account, name)) {
      throw Error("ResourceAlreadyExistsException", "The specified log group already exists");
    }
    add_group(transaction, caller.account, name, logs.clock().now());
    const store::Tags tags = tags_in(input);
    if (!tags.empty()) store::set_tags(transaction, group_arn(caller, name), tags);
  });
  return Json::object();
}

Json describe_log_groups(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string prefix = base::text_or(input, "logGroupNamePrefix");
  const std::string pattern = base::text_or(input, "logGroupNamePattern");
  if (!prefix.empty() && !pattern.empty()) {
    refuse_parameter(
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive "
        "parameters.");
  }
  const int limit = page_size(input);
  const std::string after = token_text(input);
  std::vector<LogGroup> groups = logs.database().read([&](store::Reader& reader) {
    return groups_by_name(reader, caller.account, prefix, pattern, after, limit + 1);
  });
  Json result = {{"logGroups", Json::array()}};
  if (static_cast<int>(groups.size()) > limit) {
    groups.pop_back();
    result["nextToken"] = base::base64(groups.back().name);
  }
  for (const LogGroup& group : groups) result["logGroups"].push_back(describe(caller, group));
  return result;
}

Json delete_log_group(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string name = group_name(input);
  const std::vector<LogStream> streams = logs.database().read([&](store::Reader& reader) {
    const LogGroup group = require_group(reader, caller, name);
    return streams_by_name(reader, group.id, "", "", false, 0);
  });
  for (const LogStream& stream : streams) delete_lines(logs, stream.id);
  logs.database().write([&](store::Transaction& transaction) {
    const auto group = find_group(transaction, caller.account, name);
    if (!group) return;  // somebody else was faster
    delete_group_row(transaction, group->id);
    store::remove_all_tags(transaction, group_arn(caller, name));
  });
  return Json::object();
}

Json put_retention_policy(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::int64_t days = base::integer_or(input, "retentionInDays", 0);
  if (std::find(kRetentionDays.begin(), kRetentionDays.end(), days) == kRetentionDays.end()) {
    refuse_parameter("Invalid retention value " + std::to_string(days) + ".");
  }
  set_retention(logs, caller, input, days);
  return Json::object();
}

Json delete_retention_policy(Logs& logs, const LogsCaller& caller, const Json& input) {
  set_retention(logs, caller, input, 0);
  return Json::object();
}

Json create_log_stream(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string name = base::text_or(input, "logStreamName");
  logs.database().write([&](store::Transaction& transaction) {
    const LogGroup group = require_group(transaction, caller, group_name(input));
    if (find_stream(transaction, group.id, name)) {
      throw Error("ResourceAlreadyExistsException", "The specified log stream already exists");
    }
    add_stream(transaction, group.id, name, logs.clock().now());
  });
  return Json::object();
}

Json describe_log_streams(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string name = group_name(input);
  const std::string prefix = base::text_or(input, "logStreamNamePrefix");
  const bool by_event = base::text_or(input, "orderBy") == "LastEventTime";
  if (by_event && !prefix.empty()) {
    refuse_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.");
  }
  const bool descending = base::boolean_or(input, "descending", false);
  const int limit = page_size(input);
  const std::string token = token_text(input);
  std::vector<LogStream> streams = logs.database().read([&](store::Reader& reader) {
    const LogGroup group = require_group(reader, caller, name);
    return by_event ? page_by_last_event(reader, group.id, token, descending, limit + 1)
                    : streams_by_name(reader, group.id, prefix, token, descending, limit + 1);
  });
  Json result = {{"logStreams", Json::array()}};
  // Only when there is more: the SageMaker SDK repeats its call for as long as it sees a token.
  if (static_cast<int>(streams.size()) > limit) {
    streams.pop_back();
    const LogStream& last = streams.back();
    result["nextToken"] =
        base::base64(by_event ? std::to_string(last.last_event) + " " + last.name : last.name);
  }
  for (const LogStream& stream : streams) {
    result["logStreams"].push_back(describe(caller, name, stream));
  }
  return result;
}

Json delete_log_stream(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string group = group_name(input);
  const std::string name = base::text_or(input, "logStreamName");
  const LogStream stream = logs.database().read([&](store::Reader& reader) {
    return require_stream(reader, require_group(reader, caller, group), name);
  });
  delete_lines(logs, stream.id);
  logs.database().write(
      [&](store::Transaction& transaction) { delete_stream_row(transaction, stream.id); });
  return Json::object();
}

Json list_tags(Logs& logs, const LogsCaller& caller, const Json& input) {
  const store::Tags tags = logs.database().read([&](store::Reader& reader) {
    return store::tags_of(reader, tagged_arn(reader, caller, input));
  });
  Json result = {{"tags", Json::object()}};
  for (const auto& [key, value] : tags) result["tags"][key] = value;
  return result;
}

Json tag(Logs& logs, const LogsCaller& caller, const Json& input) {
  logs.database().write([&](store::Transaction& transaction) {
    store::set_tags(transaction, tagged_arn(transaction, caller, input), tags_in(input));
  });
  return Json::object();
}

Json untag(Logs& logs, const LogsCaller& caller, const Json& input) {
  std::vector<std::string> keys;
  for (const Json& key : base::array_or_empty(input, "tagKeys")) {
    keys.push_back(key.get<std::string>());
  }
  logs.database().write([&](store::Transaction& transaction) {
    store::remove_tags(transaction, tagged_arn(transaction, caller, input), keys);
  });
  return Json::object();
}

}  // namespace slipway::observe
