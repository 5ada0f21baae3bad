#include "observe/logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "observe/log_operations.h"

namespace slipway::observe {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kGroup = "/aws/sagemaker/TrainingJobs";
constexpr base::Millis kStart = 1'700'000'000'000;

class LogsTest : public testing::Test {
 protected:
  void append(const std::string& stream, const std::vector<LogEvent>& events) {
    database_->write([&](store::Transaction& transaction) {
      logs_.append(transaction, caller_.account, kGroup, stream, events);
    });
  }

  // Lines "0", "1"… one millisecond apart.
  void append_numbered(const std::string& stream, int count) {
    std::vector<LogEvent> events;
    for (int i = 0; i < count; ++i) events.push_back({kStart + i, std::to_string(i)});
    append(stream, events);
  }

  Json get(Json input) {
    input["logGroupName"] = kGroup;
    input["logStreamName"] = "job/algo-1-1";
    return get_log_events(logs_, caller_, input);
  }

  static std::vector<std::string> messages(const Json& result) {
    std::vector<std::string> texts;
    for (const Json& event : result.at("events")) texts.push_back(event.at("message"));
    return texts;
  }

  static std::vector<std::string> streams(const Json& result) {
    std::vector<std::string> names;
    for (const Json& stream : result.at("logStreams")) names.push_back(stream.at("logStreamName"));
    return names;
  }

  template <class Run>
  static std::string failure(Run&& run) {
    try {
      run();
    } catch (const Error& error) {
      return error.code() + ": " + error.message();
    }
    return "none";
  }

  std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  base::FakeClock clock_{kStart};
  Logs logs_{*database_, clock_};
  LogsCaller caller_{"123456789012", "us-east-1"};
};

// What Airflow and the SageMaker SDK do while a job runs.
TEST_F(LogsTest, ServesTheLogLoopOfItsClients) {
  EXPECT_EQ(failure([&] {
              describe_log_streams(logs_, caller_, {{"logGroupName", kGroup}});
            }),
            "ResourceNotFoundException: The specified log group does not exist.");
  append("job/algo-1-1", {{kStart, "a"}, {kStart, "b"}});
  append("job-other/algo-1-1", {{kStart, "x"}});
  const Json described = describe_log_streams(logs_, caller_,
                                              {{"logGroupName", kGroup},
                                               {"logStreamNamePrefix", "job/"},
                                               {"orderBy", "LogStreamName"},
                                               {"limit", 1}});
  EXPECT_THAT(streams(described), ElementsAre("job/algo-1-1"));
  EXPECT_FALSE(described.contains("nextToken"));

  const Json first = get({{"startTime", 0}, {"startFromHead", true}});
  EXPECT_THAT(messages(first), ElementsAre("a", "b"));
  const Json second =
      get({{"startTime", 0}, {"startFromHead", true}, {"nextToken", first.at("nextForwardToken")}});
  EXPECT_THAT(messages(second), IsEmpty());
  EXPECT_EQ(second.at("nextForwardToken"), first.at("nextForwardToken"));

  // Later lines of the same millisecond come after those that were seen.
  append("job/algo-1-1", {{kStart, "c"}, {kStart + 1, "d"}});
  EXPECT_THAT(messages(get({{"startTime", kStart}, {"startFromHead", true}})),
              ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(messages(get({{"startTime", kStart},
                            {"startFromHead", true},
                            {"nextToken", first.at("nextForwardToken")}})),
              ElementsAre("c", "d"));
}

TEST_F(LogsTest, GivesATokenForAStreamThatIsStillEmpty) {
  append("job/algo-1-1", {});
  const Json empty = get({{"startTime", kStart}, {"startFromHead", true}});
  EXPECT_THAT(empty.at("events"), SizeIs(0));
  append("job/algo-1-1", {{kStart, "a"}});
  EXPECT_THAT(messages(get({{"startFromHead", true}, {"nextToken", empty.at("nextForwardToken")}})),
              ElementsAre("a"));
}

TEST_F(LogsTest, PagesForwardAndBackward) {
  append_numbered("job/algo-1-1", 7);
  Json page = get({{"startFromHead", true}, {"limit", 3}});
  EXPECT_THAT(messages(page), ElementsAre("0", "1", "2"));
  page = get({{"nextToken", page.at("nextForwardToken")}, {"limit", 3}});
  EXPECT_THAT(messages(page), ElementsAre("3", "4", "5"));
  page = get({{"nextToken", page.at("nextBackwardToken")}, {"limit", 3}});
  EXPECT_THAT(messages(page), ElementsAre("0", "1", "2"));
  const Json before = get({{"nextToken", page.at("nextBackwardToken")}});
  EXPECT_THAT(messages(before), IsEmpty());
  EXPECT_EQ(before.at("nextBackwardToken"), page.at("nextBackwardToken"));
  // Without startFromHead the newest page.
  EXPECT_THAT(messages(get({{"limit", 2}})), ElementsAre("5", "6"));
  // The start is in the range, the end is not.
  EXPECT_THAT(messages(get({{"startTime", kStart + 2}, {"endTime", kStart + 4}})),
              ElementsAre("2", "3"));
  EXPECT_EQ(failure([&] {
              get({{"nextToken", "f/1"}});
            }),
            "InvalidParameterException: The specified nextToken is invalid.");
}

TEST_F(LogsTest, BoundsAPageByBytes) {
  const std::string large(200'000, 'x');
  append("job/algo-1-1", std::vector<LogEvent>(12, {kStart, large}));
  const Json page = get({{"startFromHead", true}});
  EXPECT_THAT(page.at("events"), SizeIs(5));
  EXPECT_THAT(get({{"nextToken", page.at("nextForwardToken")}}).at("events"), SizeIs(5));
  append("job/algo-1-1", {{kStart + 1, std::string(300'000, 'y')}});
  EXPECT_EQ(messages(get({{"limit", 1}})).at(0).size(), 256u << 10);
}

TEST_F(LogsTest, ReadsManyLinesInPieces) {
  append_numbered("job/algo-1-1", 3500);
  EXPECT_THAT(get({{"startFromHead", true}}).at("events"), SizeIs(3500));
  EXPECT_EQ(messages(get({{"limit", 2200}})).front(), "1300");
  EXPECT_EQ(logs_.tail(caller_.account, kGroup, "job/algo-1-1", 2).at(0).message, "3498");
  EXPECT_THAT(logs_.tail(caller_.account, kGroup, "no stream", 2), IsEmpty());
}

TEST_F(LogsTest, ListsStreams) {
  for (const char* name : {"c", "a", "b"}) {
    append(name, {{clock_.now(), "x"}});
    clock_.advance(1000);
  }
  const Json names = describe_log_streams(logs_, caller_, {{"logGroupName", kGroup}, {"limit", 2}});
  EXPECT_THAT(streams(names), ElementsAre("a", "b"));
  EXPECT_THAT(streams(describe_log_streams(
                  logs_, caller_,
                  {{"logGroupName", kGroup}, {"limit", 2}, {"nextToken", names.at("nextToken")}})),
              ElementsAre("c"));
  Json input = {
      {"logGroupName", kGroup}, {"orderBy", "LastEventTime"}, {"descending", true}, {"limit", 2}};
  const Json latest = describe_log_streams(logs_, caller_, input);
  EXPECT_THAT(streams(latest), ElementsAre("b", "a"));
  input["nextToken"] = latest.at("nextToken");
  EXPECT_THAT(streams(describe_log_streams(logs_, caller_, input)), ElementsAre("c"));
  const Json& one = latest.at("logStreams").at(0);
  EXPECT_EQ(one.at("lastEventTimestamp"), kStart + 2000);
  EXPECT_EQ(
      one.at("arn"),
      "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:b");
  input["logStreamNamePrefix"] = "a";
  EXPECT_THAT(failure([&] { describe_log_streams(logs_, caller_, input); }),
              testing::StartsWith("InvalidParameterException"));
}

TEST_F(LogsTest, KeepsGroups) {
  const Json name = {{"logGroupName", "g"}};
  Json input = name;
  input["tags"] = {{"team", "health"}};
  create_log_group(logs_, caller_, input);
  EXPECT_EQ(failure([&] { create_log_group(logs_, caller_, name); }),
            "ResourceAlreadyExistsException: The specified log group already exists");
  put_retention_policy(logs_, caller_, {{"logGroupName", "g"}, {"retentionInDays", 7}});
  EXPECT_THAT(
      failure([&] {
        put_retention_policy(logs_, caller_, {{"logGroupName", "g"}, {"retentionInDays", 8}});
      }),
      testing::StartsWith("InvalidParameterException"));
  const Json group =
      describe_log_groups(logs_, caller_, {{"logGroupNamePrefix", "g"}}).at("logGroups").at(0);
  EXPECT_EQ(group.at("arn"), "arn:aws:logs:us-east-1:123456789012:log-group:g:*");
  EXPECT_EQ(group.at("retentionInDays"), 7);
  const Json arn = {{"resourceArn", "arn:aws:logs:us-east-1:123456789012:log-group:g"}};
  EXPECT_EQ(list_tags(logs_, caller_, arn).at("tags").at("team"), "health");
  create_log_stream(logs_, caller_, {{"logGroupName", "g"}, {"logStreamName", "s"}});
  EXPECT_EQ(failure([&] {
              create_log_stream(logs_, caller_, {{"logGroupName", "g"}, {"logStreamName", "s"}});
            }),
            "ResourceAlreadyExistsException: The specified log stream already exists");
  delete_log_stream(logs_, caller_, {{"logGroupName", "g"}, {"logStreamName", "s"}});
  EXPECT_EQ(failure([&] {
              get_log_events(logs_, caller_, {{"logGroupName", "g"}, {"logStreamName", "s"}});
            }),
            "ResourceNotFoundException: The specified log stream does not exist.");
  delete_log_group(logs_, caller_, name);
  EXPECT_THAT(describe_log_groups(logs_, caller_, Json::object()).at("logGroups"), SizeIs(0));
}

TEST_F(LogsTest, TakesPutEventsWithinItsWindow) {
  create_log_group(logs_, caller_, {{"logGroupName", kGroup}});
  create_log_stream(logs_, caller_, {{"logGroupName", kGroup}, {"logStreamName", "job/algo-1-1"}});
  constexpr base::Millis kDay = 86'400'000;
  Json input = {{"logGroupName", kGroup},
                {"logStreamName", "job/algo-1-1"},
                {"logEvents",
                 {{{"timestamp", kStart - 15 * kDay}, {"message", "old"}},
                  {{"timestamp", kStart}, {"message", "now"}},
                  {{"timestamp", kStart + kDay}, {"message", "new"}}}}};
  const Json result = put_log_events(logs_, caller_, input);
  EXPECT_EQ(result.at("rejectedLogEventsInfo"),
            (Json{{"tooOldLogEventEndIndex", 1}, {"tooNewLogEventStartIndex", 2}}));
  EXPECT_TRUE(result.contains("nextSequenceToken"));
  EXPECT_THAT(messages(get(Json::object())), ElementsAre("now"));
  std::swap(input["logEvents"][0], input["logEvents"][1]);
  EXPECT_THAT(failure([&] { put_log_events(logs_, caller_, input); }),
              testing::StartsWith("InvalidParameterException"));
}

TEST_F(LogsTest, FiltersOverStreamsInOrder) {
  append("a", {{kStart, "ERROR 1"}, {kStart + 2, "fine"}, {kStart + 4, "ERROR 3"}});
  append("b", {{kStart, "ERROR 1b"}, {kStart + 3, "ERROR 2"}});
  append("other", {{kStart + 3, "ERROR x"}});
  Json input = {
      {"logGroupName", kGroup}, {"logStreamNames", {"b", "a"}}, {"filterPattern", "ERROR"}};
  EXPECT_THAT(messages(filter_log_events(logs_, caller_, input)),
              ElementsAre("ERROR 1", "ERROR 1b", "ERROR 2", "ERROR 3"));
  // Page by page, each line once.
  input["limit"] = 1;
  std::vector<std::string> all;
  for (int page = 0; page < 10; ++page) {
    const Json result = filter_log_events(logs_, caller_, input);
    for (const std::string& message : messages(result)) all.push_back(message);
    if (!result.contains("nextToken")) break;
    input["nextToken"] = result.at("nextToken");
  }
  EXPECT_THAT(all, ElementsAre("ERROR 1", "ERROR 1b", "ERROR 2", "ERROR 3"));
  EXPECT_THAT(messages(filter_log_events(
                  logs_, caller_,
                  {{"logGroupName", kGroup}, {"startTime", kStart + 3}, {"endTime", kStart + 3}})),
              ElementsAre("ERROR 2", "ERROR x"));
  EXPECT_THAT(messages(filter_log_events(
                  logs_, caller_, {{"logGroupName", kGroup}, {"logStreamNamePrefix", "oth"}})),
              ElementsAre("ERROR x"));
}

TEST_F(LogsTest, ForgetsWhatIsOlderThanItsRetention) {
  append_numbered("job/algo-1-1", 6000);
  put_retention_policy(logs_, caller_, {{"logGroupName", kGroup}, {"retentionInDays", 1}});
  EXPECT_EQ(logs_.expire(), 0);
  clock_.advance(86'400'000 + 5990);
  EXPECT_EQ(logs_.expire(), 5990);
  EXPECT_EQ(messages(get({{"startFromHead", true}})).front(), "5990");
  EXPECT_EQ(logs_.expire(), 0);
}

}  // namespace
}  // namespace slipway::observe
