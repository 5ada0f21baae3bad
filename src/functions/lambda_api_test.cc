// The operations as clients see them, without running anything.

#include "functions/record.h"
#include "functions/test_room.h"

namespace slipway::functions {
namespace {

using testing::HasSubstr;

constexpr const char* kSource = "def handler(event, context):\n    return 1\n";

class LambdaApi : public FunctionsRoom {
 protected:
  LambdaApi() { open(); }
};

TEST_F(LambdaApi, CreatesAFunctionWithItsDefaults) {
  const Answer created = create("f", kSource, {{"Tags", {{"team", "health"}}}});

  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(created.json["FunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f");
  EXPECT_EQ(created.json["State"], "Active");
  EXPECT_EQ(created.json["LastUpdateStatus"], "Successful");
  EXPECT_EQ(created.json["Version"], "$LATEST");
  EXPECT_EQ(created.json["PackageType"], "Zip");
  EXPECT_EQ(created.json["MemorySize"], 128);
  EXPECT_EQ(created.json["EphemeralStorage"]["Size"], 512);
  EXPECT_EQ(created.json["TracingConfig"]["Mode"], "PassThrough");
  EXPECT_EQ(created.json["LoggingConfig"]["LogGroup"], "/aws/lambda/f");
  EXPECT_EQ(created.json["CodeSha256"].get<std::string>().size(), 44u);
}

TEST_F(LambdaApi, ShowsCodeTagsAndConcurrency) {
  create("f", kSource, {{"Tags", {{"team", "health"}}}});
  call("PUT", "/2017-10-31/functions/f/concurrency", Json{{"ReservedConcurrentExecutions", 3}});

  const Answer got = call("GET", "functions/f");

  EXPECT_EQ(got.json["Configuration"]["FunctionName"], "f");
  EXPECT_EQ(got.json["Code"]["RepositoryType"], "S3");
  EXPECT_EQ(got.json["Tags"]["team"], "health");
  EXPECT_EQ(got.json["Concurrency"]["ReservedConcurrentExecutions"], 3);
}

TEST_F(LambdaApi, GivesTheCodeToWhoeverHasItsAddress) {
  create("f", kSource);
  const std::string url = call("GET", "functions/f").json["Code"]["Location"];
  net::RequestHead head;
  head.method = "GET";
  head.target = url.substr(url.find("/lambda-code/"));

  ASSERT_TRUE(Functions::takes(head.path()));
  const net::Response given = functions_->download(head);
  head.target.back() = head.target.back() == '0' ? '1' : '0';
  const net::Response refused = functions_->download(head);

  ASSERT_EQ(given.status, 200);
  EXPECT_EQ(store::read_file(std::get<net::FileSlice>(given.body).path),
            zip_of({{"app.py", kSource}}));
  EXPECT_EQ(refused.status, 403);
}

TEST_F(LambdaApi, SaysWhatIsNotThereAndWhatIsAlready) {
  create("f", kSource);

  const Answer missing = call("GET", "functions/other");
  const Answer again = create("f", kSource);

  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(error_of(missing), "ResourceNotFoundException");
  EXPECT_EQ(missing.json["Message"],
            "Function not found: arn:aws:lambda:us-east-1:123456789012:function:other");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(error_of(again), "ResourceConflictException");
  EXPECT_EQ(invoke("other").status, 404);
}

TEST_F(LambdaApi, RefusesWhatItCannotRun) {
  const auto refusal = [&](const Json& changes) {
    const Answer answer = create("bad", kSource, changes);
    EXPECT_EQ(answer.status, 400) << answer.text;
    EXPECT_EQ(error_of(answer), "InvalidParameterValueException");
    return answer.json.value("message", answer.json.value("Message", ""));
  };

  EXPECT_THAT(refusal({{"Runtime", "nodejs20.x"}}), HasSubstr("nodejs20.x"));
  EXPECT_THAT(refusal({{"Timeout", 901}}), HasSubstr("900"));
  EXPECT_THAT(refusal({{"Role", "arn:aws:iam::123456789012:role/nobody"}}),
              HasSubstr("cannot be assumed by Lambda"));
  EXPECT_THAT(refusal({{"Environment", {{"Variables", {{"AWS_REGION", "x"}}}}}}),
              HasSubstr("AWS_REGION"));
  EXPECT_THAT(refusal({{"Environment", {{"Variables", {{"LONG", std::string(5000, 'a')}}}}}}),
              HasSubstr("4KB"));
  EXPECT_THAT(refusal({{"Layers", {"arn:aws:lambda:us-east-1:123456789012:layer:a:1"}}}),
              HasSubstr("Layers"));
  EXPECT_THAT(refusal({{"Code", {{"ZipFile", base::base64("no zip")}}}}), HasSubstr("unzip"));
  EXPECT_THAT(refusal({{"Code", {{"S3Bucket", "nowhere"}, {"S3Key", "a.zip"}}}}),
              HasSubstr("NoSuch"));
  EXPECT_EQ(call("GET", "functions/bad").status, 404);
}

TEST_F(LambdaApi, TakesCodeFromABucket) {
  objects_->ensure_bucket(kAccount, "code");
  objects_->put(kAccount, "code", "f.zip", zip_of({{"app.py", kSource}}));

  const Answer created = create("f", "", {{"Code", {{"S3Bucket", "code"}, {"S3Key", "f.zip"}}}});

  EXPECT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(created.json["CodeSize"], zip_of({{"app.py", kSource}}).size());
}

TEST_F(LambdaApi, UpdatesTheConfiguration) {
  const Answer created = create("f", kSource);

  const Answer updated =
      call("PUT", "functions/f/configuration", Json{{"Timeout", 30}, {"Description", "new"}});
  const Answer stale = call("PUT", "functions/f/configuration",
                            Json{{"Timeout", 31}, {"RevisionId", created.json["RevisionId"]}});

  EXPECT_EQ(updated.json["Timeout"], 30);
  EXPECT_EQ(updated.json["Description"], "new");
  EXPECT_EQ(updated.json["Handler"], "app.handler");
  EXPECT_NE(updated.json["RevisionId"], created.json["RevisionId"]);
  EXPECT_EQ(stale.status, 412);
  EXPECT_EQ(call("GET", "functions/f/configuration").json["Timeout"], 30);
}

TEST_F(LambdaApi, PublishesAVersionOnceForTheSameState) {
  create("f", kSource);

  const Answer first = call("POST", "functions/f/versions", Json{{"Description", "one"}});
  const Answer same = call("POST", "functions/f/versions", Json::object());
  call("PUT", "functions/f/configuration", Json{{"Timeout", 30}});
  const Answer second = call("POST", "functions/f/versions", Json::object());
  const Answer list = call("GET", "functions/f/versions");

  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.json["Version"], "1");
  EXPECT_EQ(first.json["Description"], "one");
  EXPECT_EQ(first.json["FunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f:1");
  EXPECT_EQ(same.json["Version"], "1");
  EXPECT_EQ(second.json["Version"], "2");
  ASSERT_EQ(list.json["Versions"].size(), 3u);
  EXPECT_EQ(list.json["Versions"][0]["Version"], "$LATEST");
  EXPECT_EQ(list.json["Versions"][1]["Timeout"], 20) << "a version never changes";
}

TEST_F(LambdaApi, PointsAliasesAtVersions) {
  create("f", kSource, {{"Publish", true}});

  const Answer missing =
      call("POST", "functions/f/aliases", Json{{"Name", "live"}, {"FunctionVersion", "9"}});
  const Answer created =
      call("POST", "functions/f/aliases", Json{{"Name", "live"}, {"FunctionVersion", "1"}});
  const Answer again =
      call("POST", "functions/f/aliases", Json{{"Name", "live"}, {"FunctionVersion", "1"}});
  const Answer updated =
      call("PUT", "functions/f/aliases/live", Json{{"FunctionVersion", "$LATEST"}});

  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.json["AliasArn"], "arn:aws:lambda:us-east-1:123456789012:function:f:live");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(updated.json["FunctionVersion"], "$LATEST");
  EXPECT_EQ(call("GET", "functions/f/aliases").json["Aliases"].size(), 1u);
  EXPECT_EQ(call("DELETE", "functions/f/aliases/live").status, 204);
  EXPECT_EQ(call("GET", "functions/f/aliases/live").status, 404);
}

TEST_F(LambdaApi, KeepsAResourcePolicy) {
  create("f", kSource);
  const std::string topic = "arn:aws:sns:us-east-1:123456789012:done";
  const Json permission = {{"StatementId", "topic"},
                           {"Action", "lambda:InvokeFunction"},
                           {"Principal", "sns.amazonaws.com"},
                           {"SourceArn", topic}};

  const Answer none = call("GET", "functions/f/policy");
  const Answer added = call("POST", "functions/f/policy", permission);
  const Answer again = call("POST", "functions/f/policy", permission);
  const Answer got = call("GET", "functions/f/policy");
  const bool permitted = functions_->permits(kAccount, "f", "sns.amazonaws.com", topic);
  const Answer removed = call("DELETE", "functions/f/policy/topic");

  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(added.status, 201) << added.text;
  EXPECT_EQ(base::parse_json(added.json["Statement"].get<std::string>(), "it")["Sid"], "topic");
  EXPECT_EQ(again.status, 409);
  EXPECT_THAT(got.json["Policy"].get<std::string>(), HasSubstr(topic));
  EXPECT_TRUE(permitted);
  EXPECT_EQ(removed.status, 204);
  EXPECT_FALSE(functions_->permits(kAccount, "f", "sns.amazonaws.com", topic));
  EXPECT_EQ(call("DELETE", "functions/f/policy/topic").status, 404);
}

TEST_F(LambdaApi, DeletesAFunctionWithAllThatIsItsOwn) {
  create("f", kSource, {{"Publish", true}, {"Tags", {{"a", "b"}}}});
  call("POST", "functions/f/aliases", Json{{"Name", "live"}, {"FunctionVersion", "1"}});

  EXPECT_EQ(call("DELETE", "functions/f?Qualifier=1").status, 409) << "the alias needs it";
  EXPECT_EQ(call("DELETE", "functions/f").status, 204);

  EXPECT_EQ(call("GET", "functions/f").status, 404);
  EXPECT_EQ(call("DELETE", "functions/f").status, 404);
  create("f", kSource);
  EXPECT_EQ(call("GET", "functions/f/versions").json["Versions"].size(), 1u);
  EXPECT_EQ(call("GET", "functions/f/aliases").json["Aliases"].size(), 0u);
  EXPECT_FALSE(call("GET", "functions/f").json.contains("Tags"));
}

TEST_F(LambdaApi, ListsByPages) {
  for (const char* name : {"a", "b", "c"}) create(name, kSource);

  const Answer first = call("GET", "functions?MaxItems=2");
  const Answer rest =
      call("GET", "functions?MaxItems=2&Marker=" +
                      base::percent_encode(base::text_or(first.json, "NextMarker")));

  ASSERT_EQ(first.json["Functions"].size(), 2u);
  EXPECT_EQ(first.json["Functions"][0]["FunctionName"], "a");
  ASSERT_EQ(rest.json["Functions"].size(), 1u);
  EXPECT_FALSE(rest.json.contains("NextMarker"));
}

TEST_F(LambdaApi, TagsAndUntags) {
  const std::string arn = create("f", kSource).json["FunctionArn"];
  const std::string target = "/2017-03-31/tags/" + base::percent_encode(arn);

  EXPECT_EQ(call("POST", target, Json{{"Tags", {{"a", "1"}, {"b", "2"}}}}).status, 204);
  EXPECT_EQ(call("DELETE", target + "?tagKeys=a").status, 204);

  EXPECT_EQ(call("GET", target).json["Tags"], (Json{{"b", "2"}}));
}

TEST_F(LambdaApi, AnswersWhatTerraformAsks) {
  create("f", kSource);

  const Answer signing = call("GET", "/2020-06-30/functions/f/code-signing-config");
  const Answer mapping =
      call("POST", "event-source-mappings",
           Json{{"FunctionName", "f"}, {"EventSourceArn", "arn:aws:sqs:us-east-1:123456789012:q"}});

  EXPECT_EQ(signing.status, 200);
  EXPECT_EQ(signing.json["FunctionName"], "f");
  EXPECT_EQ(mapping.status, 400);
  EXPECT_EQ(error_of(mapping), "InvalidParameterValueException");
}

TEST_F(LambdaApi, ChecksAPayloadBeforeItRuns) {
  create("f", kSource);

  const Answer broken = invoke("f", "{not json");
  const Answer large =
      invoke("f", "\"" + std::string(300u << 10, 'a') + "\"", {{"X-Amz-Invocation-Type", "Event"}});
  const Answer dry = invoke("f", "{}", {{"X-Amz-Invocation-Type", "DryRun"}});

  EXPECT_EQ(broken.status, 400);
  EXPECT_EQ(error_of(broken), "InvalidRequestContentException");
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(error_of(large), "RequestTooLargeException");
  EXPECT_EQ(dry.status, 204);
  EXPECT_EQ(containers(), 0u);
}

}  // namespace
}  // namespace slipway::functions
