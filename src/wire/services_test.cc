#include "wire/services.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::wire {
namespace {

net::RequestHead request(std::string method, std::string target, std::string host = "127.0.0.1") {
  net::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.headers.add("Host", std::move(host));
  return head;
}

class S3Routes : public testing::Test {
 protected:
  S3Routes() {
    for (const char* operation :
         {"ListBuckets", "CreateBucket", "ListObjects", "ListObjectsV2", "GetObject", "PutObject",
          "CopyObject", "UploadPart", "UploadPartCopy", "ListParts", "CreateMultipartUpload",
          "CompleteMultipartUpload", "DeleteObjects", "GetBucketAcl", "HeadObject",
          "GetBucketLifecycleConfiguration"})
      services_.add("s3", operation, [](Call&) { return Reply(); });
  }

  std::string route(const net::RequestHead& head) {
    Target target = services_.find_service(head, "s3");
    try {
      services_.find_operation(head, "", target);
    } catch (const Error& error) {
      return error.code();
    }
    std::string text = target.operation->name;
    for (const auto& [name, value] : target.labels) text += " " + name + "=" + value;
    return text;
  }

  Services services_;
};

TEST_F(S3Routes, TellsOperationsApartByPathAndQuery) {
  EXPECT_EQ(route(request("GET", "/")), "ListBuckets");
  EXPECT_EQ(route(request("PUT", "/b")), "CreateBucket Bucket=b");
  EXPECT_EQ(route(request("GET", "/b")), "ListObjects Bucket=b");
  EXPECT_EQ(route(request("GET", "/b/")), "ListObjects Bucket=b");
  EXPECT_EQ(route(request("GET", "/b?list-type=2&prefix=a")), "ListObjectsV2 Bucket=b");
  EXPECT_EQ(route(request("GET", "/b?acl")), "GetBucketAcl Bucket=b");
  EXPECT_EQ(route(request("GET", "/b?lifecycle")), "GetBucketLifecycleConfiguration Bucket=b");
  EXPECT_EQ(route(request("GET", "/b/k?x-id=GetObject")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("HEAD", "/b/k")), "HeadObject Bucket=b Key=k");
  EXPECT_EQ(route(request("POST", "/b?delete")), "DeleteObjects Bucket=b");
}

TEST_F(S3Routes, KeepsKeysAsTheyAre) {
  EXPECT_EQ(route(request("GET", "/b/a/b//c/")), "GetObject Bucket=b Key=a/b//c/");
  EXPECT_EQ(route(request("GET", "/b//a")), "GetObject Bucket=b Key=/a");
  EXPECT_EQ(route(request("GET", "/b/a%20b%2Fc+d/..")), "GetObject Bucket=b Key=a b/c+d/..");
}

TEST_F(S3Routes, TellsOperationsApartByWhatTheyCannotLack) {
  net::RequestHead copy = request("PUT", "/b/k");
  EXPECT_EQ(route(copy), "PutObject Bucket=b Key=k");
  copy.headers.add("x-amz-copy-source", "/b/other");
  EXPECT_EQ(route(copy), "CopyObject Bucket=b Key=k");
  copy.target = "/b/k?partNumber=1&uploadId=u";
  EXPECT_EQ(route(copy), "UploadPartCopy Bucket=b Key=k");
  EXPECT_EQ(route(request("PUT", "/b/k?partNumber=1&uploadId=u")), "UploadPart Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/b/k?uploadId=u")), "ListParts Bucket=b Key=k");
  EXPECT_EQ(route(request("POST", "/b/k?uploads")), "CreateMultipartUpload Bucket=b Key=k");
  EXPECT_EQ(route(request("POST", "/b/k?uploadId=u")), "CompleteMultipartUpload Bucket=b Key=k");
}

TEST_F(S3Routes, RefusesWhatItKnowsButDoesNotServe) {
  EXPECT_EQ(route(request("GET", "/b?inventory")), "NotImplemented");
  EXPECT_EQ(route(request("DELETE", "/b")), "NotImplemented");
  EXPECT_EQ(route(request("PATCH", "/b")), "MethodNotAllowed");
}

TEST_F(S3Routes, FindsBucketsInHost) {
  services_.serve_host("models.example");
  EXPECT_EQ(route(request("GET", "/k", "b.s3.localhost:4700")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/k", "my.bucket.s3.localhost")),
            "GetObject Bucket=my.bucket Key=k");
  EXPECT_EQ(route(request("GET", "/", "b.models.example:4700")), "ListObjects Bucket=b");
  EXPECT_EQ(route(request("GET", "/b/k", "models.example")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/b/k", "localhost:4700")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/b/k", "127.0.0.1:4700")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/b/k", "[::1]:4700")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/b/k", "elsewhere.org")), "GetObject Bucket=b Key=k");
  EXPECT_EQ(route(request("GET", "/k", "b.s3.eu-west-1.amazonaws.com")),
            "GetObject Bucket=b Key=k");
}

TEST(Services, TellsServicesOfOneNameApart) {
  Services services;
  services.add("sagemaker", "CreateModel", [](Call&) { return Reply(); });
  services.add("sagemaker-runtime", "InvokeEndpoint", [](Call&) { return Reply(); });
  net::RequestHead control = request("POST", "/");
  control.headers.add("X-Amz-Target", "SageMaker.CreateModel");
  const net::RequestHead runtime = request("POST", "/endpoints/e/invocations");

  EXPECT_EQ(services.find_service(control, "sagemaker").service->model.name(), "sagemaker");
  Target target = services.find_service(runtime, "sagemaker");
  ASSERT_NE(target.service, nullptr);
  services.find_operation(runtime, "", target);
  EXPECT_EQ(target.operation->name, "InvokeEndpoint");
  EXPECT_EQ(target.labels.at(0).second, "e");
}

TEST(Services, NamesOperationsThatAreUnknownOrNotServed) {
  Services services;
  services.add("sagemaker", "CreateModel", [](Call&) { return Reply(); });
  const auto failure = [&](const std::string& name) {
    net::RequestHead head = request("POST", "/");
    head.headers.add("X-Amz-Target", "SageMaker." + name);
    Target target = services.find_service(head, "sagemaker");
    try {
      services.find_operation(head, "", target);
      return std::string();
    } catch (const Error& error) {
      return std::to_string(error.status()) + " " + error.message();
    }
  };
  EXPECT_EQ(failure("CreateModel"), "");
  EXPECT_EQ(failure("MakeModel"), "404 The service sagemaker has no operation MakeModel");
  EXPECT_EQ(failure("DescribeModel"), "501 Slipway does not implement DescribeModel of sagemaker");
  EXPECT_EQ(failure("CreateCluster"), "501 Slipway does not implement CreateCluster of sagemaker");
}

TEST(Services, NamesServicesThatNobodyServes) {
  Services services;
  const auto failure = [&](const net::RequestHead& head, std::string_view form,
                           std::string_view signing_name) {
    Target target = services.find_service(head, signing_name);
    try {
      services.find_operation(head, form, target);
      return std::string();
    } catch (const Error& error) {
      return error.code() + ": " + error.message();
    }
  };
  net::RequestHead form = request("POST", "/");
  form.headers.add("Content-Type", "application/x-www-form-urlencoded");

  EXPECT_EQ(failure(request("GET", "/2015-03-31/functions"), "", "lambda"),
            "UnknownOperationException: Slipway does not implement GET /2015-03-31/functions of "
            "lambda");
  EXPECT_EQ(failure(form, "Action=ListTopics", "sns"),
            "InvalidAction: Slipway does not implement ListTopics of sns");
  EXPECT_EQ(failure(request("GET", "/b"), "", "s3"),
            "NotImplemented: Slipway does not implement GET /b of s3");
}

TEST(Services, FailsAtStartForAnOperationWithoutModel) {
  Services services;
  EXPECT_THROW(services.add("sagemaker", "MakeModel", [](Call&) { return Reply(); }), Error);
  EXPECT_THROW(services.add("sagemaker", "CreateCluster", [](Call&) { return Reply(); }), Error);
  EXPECT_THROW(services.add("ec2", "RunInstances", [](Call&) { return Reply(); }), Error);
}

}  // namespace
}  // namespace slipway::wire
