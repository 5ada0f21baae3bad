#include "endpoints/answers.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace slipway::endpoints {
namespace {

TEST(EndpointIn, FindsTheNameInInvocationTargetsOnly) {
  EXPECT_EQ(endpoint_in("/endpoints/tumour/invocations"), "tumour");
  EXPECT_EQ(endpoint_in("/endpoints/tumour/invocations?a=b"), "tumour");
  EXPECT_EQ(endpoint_in("/endpoints/tumour/async-invocations"), "");
  EXPECT_EQ(endpoint_in("/endpoints/tumour/invocations-response-stream"), "");
  EXPECT_EQ(endpoint_in("/endpoints//invocations"), "");
  EXPECT_EQ(endpoint_in("/endpoints/a/b/invocations"), "");
  EXPECT_EQ(endpoint_in("/bucket/endpoints/tumour/invocations"), "");
}

TEST(ModelRequest, PassesOnOnlyWhatAModelMaySee) {
  const net::RequestView::Field fields[] = {{"Host", "slipway"},
                                            {"content-type", "text/csv"},
                                            {"Authorization", "secret"},
                                            {"X-Amzn-SageMaker-Custom-Attributes", "c"},
                                            {"Accept", "*/*"},
                                            {"X-Amzn-SageMaker-Target-Variant", "A"},
                                            {"X-Amz-Security-Token", "t"}};
  net::RequestView request;
  request.fields = fields;
  request.field_count = std::size(fields);
  request.body = "1,2";
  std::string head;

  append_model_request(head, request);

  EXPECT_EQ(head,
            "POST /invocations HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 3\r\n"
            "content-type: text/csv\r\nX-Amzn-SageMaker-Custom-Attributes: c\r\nAccept: */*\r\n"
            "\r\n");
}

TEST(JsonString, EscapesAndRepairs) {
  std::string text;

  append_json_string(text, "a\"\\\n\x01\xc3\xa4\xff\xe2\x82");

  const Json parsed = Json::parse(text);
  EXPECT_EQ(parsed.get<std::string>(), "a\"\\\n\x01\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(ModelErrorBody, HasTheMembersOfTheServiceModel) {
  ModelErrorText text;
  text.region = "us-east-1";
  text.account = "123456789012";
  text.endpoint = "tumour";
  text.original_status = 500;
  text.original_message = "it \"broke\"";
  std::string body;

  append_model_error_body(body, text);

  const Json parsed = Json::parse(body);
  EXPECT_EQ(parsed["ErrorCode"], "INTERNAL_FAILURE_FROM_MODEL");
  EXPECT_EQ(parsed["OriginalStatusCode"], 500);
  EXPECT_EQ(parsed["OriginalMessage"], "it \"broke\"");
  EXPECT_EQ(parsed["LogStreamArn"],
            "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/tumour");
  EXPECT_EQ(parsed["Message"].get<std::string>().rfind(
                "Received server error (500) from primary with message \"it \"broke\"\".", 0),
            0u);
}

}  // namespace
}  // namespace slipway::endpoints
