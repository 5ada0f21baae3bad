#include "wire/api.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "wire/sigv4.h"
#include "wire/xml.h"

namespace slipway::wire {
namespace {

using testing::HasSubstr;

const SigningKey kKey{"AKIDEXAMPLE", "secret", ""};

class OneKey final : public Credentials {
 public:
  std::optional<Key> find(std::string_view access_key) const override {
    if (access_key != kKey.access_key) return std::nullopt;
    Key key;
    key.secret = kKey.secret;
    key.caller = {"123456789012", "arn:aws:iam::123456789012:root", "123456789012",
                  kKey.access_key};
    return key;
  }
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() : api_(credentials_, clock_, "us-east-1") {}

  net::Request request(std::string method, std::string target, std::string body = "") {
    net::Request result;
    result.method = std::move(method);
    result.target = std::move(target);
    result.headers.add("Host", "127.0.0.1:4700");
    result.body = net::Body(std::move(body));
    return result;
  }

  net::Response send(net::Request request, std::string_view service, const SigningKey& key = kKey) {
    sign(request, key, "us-east-1", service, request.body.sha256(), clock_.now());
    return api_.handle(std::move(request));
  }

  net::Response json(const std::string& target, const std::string& body) {
    net::Request made = request("POST", "/", body);
    made.headers.add("X-Amz-Target", target);
    made.headers.add("Content-Type", "application/x-amz-json-1.1");
    return send(std::move(made),
                target.substr(0, target.find('.')) == "SageMaker" ? "sagemaker" : "logs");
  }

  net::Response query(const std::string& form, const SigningKey& key = kKey) {
    net::Request made = request("POST", "/", form);
    made.headers.add("Content-Type", "application/x-www-form-urlencoded");
    return send(std::move(made), "sts", key);
  }

  static std::string body(const net::Response& response) {
    return std::get<std::string>(response.body);
  }
  static Json json_body(const net::Response& response) { return Json::parse(body(response)); }

  OneKey credentials_;
  base::FakeClock clock_;
  Api api_;
};

TEST_F(ApiTest, RunsAnOperationOverJson) {
  Json seen;
  api_.on("sagemaker", "DescribeModel", [&](Call& call) -> Reply {
    seen = call.input;
    EXPECT_EQ(call.service, "sagemaker");
    EXPECT_EQ(call.operation, "DescribeModel");
    EXPECT_EQ(call.region, "us-east-1");
    EXPECT_EQ(call.caller.account, "123456789012");
    EXPECT_EQ(call.text("ModelName"), "m");
    return Json{{"ModelName", "m"}, {"CreationTime", 1700000000.5}, {"Stranger", 1}};
  });

  const net::Response response =
      json("SageMaker.DescribeModel", R"({"ModelName":"m","Unknown":{"x":1}})");

  EXPECT_EQ(seen, Json::parse(R"({"ModelName":"m"})"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), "application/x-amz-json-1.1");
  EXPECT_FALSE(response.headers.get("x-amzn-requestid").empty());
  EXPECT_EQ(body(response), R"({"CreationTime":1700000000.5,"ModelName":"m"})");
}

TEST_F(ApiTest, ValidatesBeforeItRuns) {
  api_.on("sagemaker", "DescribeModel", [](Call&) -> Reply {
    ADD_FAILURE() << "ran with an invalid input";
    return {};
  });
  const net::Response response = json("SageMaker.DescribeModel", R"({"ModelName":"a b"})");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json_body(response)["__type"], "ValidationException");
  EXPECT_THAT(json_body(response)["message"].get<std::string>(),
              HasSubstr("1 validation error detected: Value 'a b' at 'modelName' failed to satisfy "
                        "constraint: Member must satisfy regular expression pattern: "));
  EXPECT_EQ(json_body(json("SageMaker.DescribeModel", "{"))["__type"], "SerializationException");
  EXPECT_EQ(json_body(json("SageMaker.DescribeModel", ""))["__type"], "ValidationException");
}

TEST_F(ApiTest, NamesInvalidParametersAsTheServiceDoes) {
  api_.on("logs", "CreateLogGroup", [](Call&) { return Reply(); });
  EXPECT_EQ(json_body(json("Logs_20140328.CreateLogGroup", "{}"))["__type"],
            "InvalidParameterException");
}

TEST_F(ApiTest, TellsErrorsOfOperations) {
  api_.on("sagemaker", "CreateModel", [](Call&) -> Reply {
    throw Error("ValidationException", "Cannot create already existing model \"m\".");
  });
  api_.on("sagemaker", "DescribePipeline",
          [](Call&) -> Reply { throw Error("ResourceNotFound", "Pipeline 'p' does not exist."); });

  const net::Response exists = json("SageMaker.CreateModel", R"({"ModelName":"m"})");
  const net::Response missing = json("SageMaker.DescribePipeline", R"({"PipelineName":"p"})");

  EXPECT_EQ(exists.status, 400);
  EXPECT_EQ(json_body(exists), Json({{"__type", "ValidationException"},
                                     {"message", "Cannot create already existing model \"m\"."}}));
  // The model of this one spells its member so.
  EXPECT_EQ(json_body(missing),
            Json({{"__type", "ResourceNotFound"}, {"Message", "Pipeline 'p' does not exist."}}));
}

TEST_F(ApiTest, KeepsDefectsToItself) {
  api_.on("sagemaker", "DescribeModel",
          [](Call&) -> Reply { throw std::runtime_error("/secret/path is broken"); });
  api_.on("sagemaker", "DeleteModel",
          [](Call&) -> Reply { base::throw_internal("/secret/path is broken"); });
  for (const char* operation : {"DescribeModel", "DeleteModel"}) {
    const net::Response response =
        json("SageMaker." + std::string(operation), R"({"ModelName":"m"})");
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(json_body(response)["__type"], "InternalFailure");
    EXPECT_THAT(body(response), Not(HasSubstr("secret")));
  }
}

TEST_F(ApiTest, RefusesStrangersInTheWordsOfJsonServices) {
  api_.on("sagemaker", "DescribeModel", [](Call&) { return Reply(); });
  net::Request made = request("POST", "/", R"({"ModelName":"m"})");
  made.headers.add("X-Amz-Target", "SageMaker.DescribeModel");

  const net::Response missing = api_.handle(made);
  const net::Response unknown = send(made, "sagemaker", {"AKIDOTHER", "secret", ""});
  const net::Response wrong = send(made, "sagemaker", {kKey.access_key, "other", ""});

  EXPECT_EQ(json_body(missing)["__type"], "MissingAuthenticationTokenException");
  EXPECT_EQ(json_body(unknown)["__type"], "UnrecognizedClientException");
  EXPECT_EQ(json_body(unknown)["message"],
            "The security token included in the request is invalid.");
  EXPECT_EQ(json_body(wrong)["__type"], "InvalidSignatureException");
  EXPECT_EQ(wrong.status, 400);
}

TEST_F(ApiTest, RefusesStrangersInTheWordsOfQueryServices) {
  api_.on("sts", "GetCallerIdentity", [](Call&) { return Reply(); });
  const net::Response response =
      query("Action=GetCallerIdentity&Version=2011-06-15", {"AKIDOTHER", "secret", ""});
  EXPECT_EQ(response.status, 403);
  const XmlElement root = parse_xml(body(response));
  EXPECT_EQ(root.name, "ErrorResponse");
  EXPECT_EQ(root.find("Error")->find("Code")->text, "InvalidClientTokenId");
  EXPECT_EQ(root.find("Error")->find("Type")->text, "Sender");
}

TEST_F(ApiTest, RunsAnOperationOverQuery) {
  api_.on("sts", "AssumeRole", [](Call& call) -> Reply {
    EXPECT_EQ(call.input["DurationSeconds"], 900);
    return Json{{"AssumedRoleUser", {{"Arn", "arn:x"}, {"AssumedRoleId", "id"}}}};
  });
  const net::Response response = query(
      "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3A"
      "role%2Fr&RoleSessionName=session&DurationSeconds=900");
  EXPECT_EQ(response.status, 200) << body(response);
  const XmlElement root = parse_xml(body(response));
  EXPECT_EQ(root.name, "AssumeRoleResponse");
  EXPECT_EQ(root.find("AssumeRoleResult")->find("AssumedRoleUser")->find("Arn")->text, "arn:x");
  EXPECT_FALSE(root.find("ResponseMetadata")->find("RequestId")->text.empty());
  const net::Response invalid = query("Action=AssumeRole&Version=2011-06-15&RoleArn=short");
  EXPECT_THAT(body(invalid), HasSubstr("<Code>ValidationError</Code>"));
  EXPECT_THAT(body(query("Action=Nothing&Version=2011-06-15")),
              HasSubstr("<Code>InvalidAction</Code>"));
}

TEST_F(ApiTest, PutsAndGetsObjects) {
  std::string stored;
  api_.on("s3", "PutObject", [&](Call& call) -> Reply {
    EXPECT_EQ(call.text("Bucket"), "b");
    EXPECT_EQ(call.text("Key"), "a/k");
    EXPECT_EQ(call.input["Metadata"], Json({{"color", "red"}}));
    EXPECT_FALSE(call.has("Body"));
    EXPECT_EQ(call.checksums.at("x-amz-checksum-crc32"), "DUoRhQ==");
    stored = call.payload.text();
    return Json{{"ETag", "\"e\""}, {"ChecksumCRC32", "DUoRhQ=="}};
  });
  api_.on("s3", "GetObject", [&](Call&) -> Reply {
    Reply reply(Json{{"ContentType", "text/csv"}, {"LastModified", 1700000000}, {"ETag", "\"e\""}});
    reply.payload = stored;
    reply.status = 206;
    reply.headers.add("x-extra", "1");
    return reply;
  });

  net::Request put = request("PUT", "/b/a/k", "hello world");
  put.headers.add("x-amz-meta-Color", "red");
  put.headers.add("x-amz-checksum-crc32", "DUoRhQ==");
  const net::Response made = send(put, "s3");
  const net::Response got = send(request("GET", "/b/a/k"), "s3");

  EXPECT_EQ(made.status, 200) << body(made);
  EXPECT_EQ(made.headers.get("etag"), "\"e\"");
  EXPECT_EQ(made.headers.get("x-amz-checksum-crc32"), "DUoRhQ==");
  EXPECT_EQ(got.status, 206);
  EXPECT_EQ(body(got), "hello world");
  EXPECT_EQ(got.headers.get("content-type"), "text/csv");
  EXPECT_EQ(got.headers.get("last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(got.headers.get("x-extra"), "1");
  EXPECT_EQ(got.headers.get("x-amz-request-id").size(), 16u);
  EXPECT_FALSE(got.headers.get("x-amz-id-2").empty());
}

TEST_F(ApiTest, RefusesDamagedObjects) {
  api_.on("s3", "PutObject", [](Call&) -> Reply {
    ADD_FAILURE() << "stored a damaged object";
    return {};
  });
  net::Request put = request("PUT", "/b/k", "hello");
  put.headers.add("x-amz-checksum-crc32", "DUoRhQ==");
  EXPECT_THAT(body(send(put, "s3")), HasSubstr("<Code>BadDigest</Code>"));
  net::Request changed = request("PUT", "/b/k", "hello");
  sign(changed, kKey, "us-east-1", "s3", changed.body.sha256(), clock_.now());
  changed.body = net::Body("hellO");
  const net::Response response = api_.handle(changed);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(body(response), HasSubstr("<Code>XAmzContentSHA256Mismatch</Code>"));
}

TEST_F(ApiTest, TakesTheFramingOffObjects) {
  api_.on("s3", "PutObject", [](Call& call) -> Reply {
    EXPECT_EQ(call.payload.text(), "hello world");
    EXPECT_EQ(call.input["ContentLength"], 11);
    EXPECT_EQ(call.text("ContentEncoding"), "gzip");
    EXPECT_EQ(call.checksums.at("x-amz-checksum-crc32"), "DUoRhQ==");
    return {};
  });
  net::Request put =
      request("PUT", "/b/k", "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n");
  put.headers.add("Content-Encoding", "gzip, aws-chunked");
  put.headers.add("X-Amz-Trailer", "x-amz-checksum-crc32");
  put.headers.add("X-Amz-Decoded-Content-Length", "11");
  sign(put, kKey, "us-east-1", "s3", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", clock_.now());
  const net::Response response = api_.handle(put);
  EXPECT_EQ(response.status, 200) << body(response);
}

TEST_F(ApiTest, TellsErrorsOfS3) {
  api_.on("s3", "GetObject", [](Call&) -> Reply {
    throw Error("NoSuchKey", "The specified key does not exist.", 404, Json{{"Key", "k&"}});
  });
  api_.on("s3", "HeadObject", [](Call&) -> Reply { throw Error("NotFound", "Not Found", 404); });

  const net::Response missing = send(request("GET", "/b/k"), "s3");
  const net::Response head = send(request("HEAD", "/b/k"), "s3");

  EXPECT_EQ(missing.status, 404);
  const XmlElement root = parse_xml(body(missing));
  EXPECT_EQ(root.name, "Error");
  EXPECT_EQ(root.find("Code")->text, "NoSuchKey");
  EXPECT_EQ(root.find("Key")->text, "k&");
  EXPECT_EQ(root.find("Resource")->text, "/b/k");
  EXPECT_EQ(root.find("RequestId")->text, missing.headers.get("x-amz-request-id"));
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(body(head), "");
}

TEST_F(ApiTest, RefusesStrangersInTheWordsOfS3) {
  api_.on("s3", "GetObject", [](Call&) { return Reply(); });
  const auto code = [&](const net::Response& response) {
    return std::to_string(response.status) + " " + parse_xml(body(response)).find("Code")->text;
  };
  net::Request late = request("GET", "/b/k");
  sign(late, kKey, "us-east-1", "s3", late.body.sha256(), clock_.now() - 3'600'000);

  EXPECT_EQ(code(api_.handle(request("GET", "/b/k"))), "403 AccessDenied");
  EXPECT_EQ(code(send(request("GET", "/b/k"), "s3", {"AKIDOTHER", "secret", ""})),
            "403 InvalidAccessKeyId");
  EXPECT_EQ(code(send(request("GET", "/b/k"), "s3", {kKey.access_key, "other", ""})),
            "403 SignatureDoesNotMatch");
  EXPECT_EQ(code(api_.handle(late)), "403 RequestTimeTooSkewed");
}

TEST_F(ApiTest, TakesPresignedUrls) {
  api_.on("s3", "GetObject", [](Call& call) -> Reply {
    EXPECT_EQ(call.text("Key"), "k");
    return {};
  });
  net::Request get = request("GET", "/b/k?response-content-type=text%2Fcsv");
  presign(get, kKey, "us-east-1", "s3", std::chrono::seconds(60), clock_.now());

  EXPECT_TRUE(api_.takes(get));
  EXPECT_EQ(api_.handle(get).status, 200);
  clock_.advance(61'000);
  const net::Response expired = api_.handle(get);
  EXPECT_EQ(expired.status, 403);
  EXPECT_THAT(body(expired), HasSubstr("<Message>Request has expired</Message>"));
}

TEST_F(ApiTest, ListsInTheElementsOfS3) {
  api_.on("s3", "ListObjectsV2", [](Call& call) -> Reply {
    EXPECT_EQ(call.input["MaxKeys"], 2);
    return Json{{"Name", "b"},
                {"KeyCount", 1},
                {"IsTruncated", false},
                {"Contents", {{{"Key", "k"}, {"Size", 3}, {"LastModified", 1700000000}}}},
                {"CommonPrefixes", {{{"Prefix", "p/"}}}}};
  });
  const net::Response response = send(request("GET", "/b?list-type=2&max-keys=2"), "s3");
  EXPECT_THAT(body(response),
              HasSubstr("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"));
  const XmlElement root = parse_xml(body(response));
  EXPECT_EQ(root.find("Contents")->find("Key")->text, "k");
  EXPECT_EQ(root.find("Contents")->find("LastModified")->text, "2023-11-14T22:13:20Z");
  EXPECT_EQ(root.find("CommonPrefixes")->find("Prefix")->text, "p/");
}

TEST_F(ApiTest, AsksWhoMay) {
  api_.on("sagemaker", "DeleteModel", [](Call&) -> Reply {
    ADD_FAILURE() << "ran what was not allowed";
    return {};
  });
  api_.authorize_by([](const Call& call) {
    throw Error("AccessDeniedException", "no " + std::string(call.operation), 400);
  });
  const net::Response response = json("SageMaker.DeleteModel", R"({"ModelName":"m"})");
  EXPECT_EQ(json_body(response)["__type"], "AccessDeniedException");
  EXPECT_EQ(json_body(response)["message"], "no DeleteModel");
}

TEST_F(ApiTest, AdmitsBodiesOfThoseItKnows) {
  api_.on("s3", "PutObject", [](Call&) { return Reply(); });
  net::Request put = request("PUT", "/b/k");
  put.headers.add("Content-Length", "5000000");
  EXPECT_TRUE(api_.admit(put).has_value());
  sign(put, kKey, "us-east-1", "s3", "UNSIGNED-PAYLOAD", clock_.now());
  EXPECT_FALSE(api_.admit(put).has_value());
  put.target = "/b/other";
  const auto refused = api_.admit(put);
  ASSERT_TRUE(refused.has_value());
  EXPECT_THAT(body(*refused), HasSubstr("<Code>SignatureDoesNotMatch</Code>"));
}

TEST_F(ApiTest, LimitsBodiesThatItCannotVerifyByTheirHead) {
  api_.on("sagemaker", "CreateModel", [](Call&) { return Reply(); });
  net::Request create = request("POST", "/");
  create.headers.add("X-Amz-Target", "SageMaker.CreateModel");
  sign(create, kKey, "us-east-1", "sagemaker", create.body.sha256(), clock_.now());
  create.headers.remove("X-Amz-Content-Sha256");
  const auto status = [&](const char* length) {
    net::Request sized = create;
    if (length) sized.headers.add("Content-Length", length);
    const auto answer = api_.admit(sized);
    return answer ? answer->status : 0;
  };
  EXPECT_EQ(status("2000000"), 0);
  EXPECT_EQ(status("67108865"), 413);
  EXPECT_EQ(status(nullptr), 411);
}

TEST_F(ApiTest, KnowsWhatIsForIt) {
  net::Request target = request("POST", "/");
  target.headers.add("X-Amz-Target", "SageMaker.ListModels");
  net::Request form = request("POST", "/");
  form.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  net::Request basic = request("GET", "/v2/");
  basic.headers.add("Authorization", "Basic QVdTOng=");
  net::Request signed_request = request("GET", "/anything");
  sign(signed_request, kKey, "us-east-1", "s3", "UNSIGNED-PAYLOAD", clock_.now());

  EXPECT_TRUE(api_.takes(target));
  EXPECT_TRUE(api_.takes(form));
  EXPECT_TRUE(api_.takes(request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15")));
  EXPECT_TRUE(api_.takes(signed_request));
  EXPECT_FALSE(api_.takes(basic));
  EXPECT_FALSE(api_.takes(request("GET", "/console/")));
  EXPECT_FALSE(api_.takes(request("GET", "/bucket/key")));
}

TEST_F(ApiTest, InvokesOverRestJson) {
  api_.on("sagemaker-runtime", "InvokeEndpoint", [](Call& call) -> Reply {
    EXPECT_EQ(call.text("EndpointName"), "e");
    EXPECT_EQ(call.text("ContentType"), "text/csv");
    EXPECT_EQ(call.payload.text(), "1,2");
    if (call.text("TargetVariant") == "broken")
      throw Error("ModelError", "the model failed", 424, Json{{"OriginalStatusCode", 500}});
    return Json{{"ContentType", "text/csv"},
                {"InvokedProductionVariant", "v"},
                {"Body", base::base64("0.5")}};
  });
  net::Request invoke = request("POST", "/endpoints/e/invocations", "1,2");
  invoke.headers.add("Content-Type", "text/csv");
  net::Request broken = invoke;
  broken.headers.add("X-Amzn-SageMaker-Target-Variant", "broken");

  const net::Response good = send(invoke, "sagemaker");
  const net::Response bad = send(broken, "sagemaker");

  EXPECT_EQ(body(good), "0.5");
  EXPECT_EQ(good.headers.get("content-type"), "text/csv");
  EXPECT_EQ(good.headers.get("x-amzn-invoked-production-variant"), "v");
  EXPECT_EQ(bad.status, 424);
  EXPECT_EQ(bad.headers.get("x-amzn-errortype"), "ModelError");
  EXPECT_EQ(json_body(bad)["Message"], "the model failed");
  EXPECT_EQ(json_body(bad)["OriginalStatusCode"], 500);
}

}  // namespace
}  // namespace slipway::wire
