#include "notify/templates.h"

#include <gtest/gtest.h>

namespace slipway::notify {
namespace {

const Background kBackground = {.url = "http://127.0.0.1:4700"};

store::Event event(const std::string& type, const std::string& subject, const char* detail) {
  return {.sequence = 1,
          .at = 1'700'000'000'000,
          .account = "123456789012",
          .type = type,
          .subject = subject,
          .detail = Json::parse(detail)};
}

std::string text_of(const store::Event& event, const Background& background = kBackground) {
  const auto notice = notice_of(event, background);
  return notice ? to_text(notice->page) : "none";
}

constexpr const char* kVersion = "arn:aws:sagemaker:us-east-1:123456789012:model-package/tumour/7";

const store::Event kRegistered = event("ModelPackage.Created", kVersion, R"({
  "ModelPackageGroupName": "tumour", "ModelPackageVersion": 7,
  "ModelApprovalStatus": "PendingManualApproval",
  "By": "arn:aws:iam::123456789012:root",
  "Evidence": {
    "Commit": "4f2a9c1", "DataDigest": "sha256:d",
    "Images": [{"Image": "127.0.0.1:4700/tumour:4f2a9c1", "ImageDigest": "sha256:i"}],
    "ModelData": [{"Url": "s3://models/7/model.tar.gz", "Digest": "md5:e"}],
    "Metrics": {"accuracy": 0.951234567, "classification.f1": 0.9, "fresh": 12},
    "Live": {"ModelPackageVersion": 6,
             "Metrics": {"accuracy": 0.94, "classification.f1": 0.91}}}})");

TEST(Templates, EvaluationStandsBesideTheLiveVersion) {
  EXPECT_EQ(text_of(kRegistered),
            R"(tumour 7 waits for approval

Model:          tumour
Version:        7
Registered by:  arn:aws:iam::123456789012:root
Commit:         4f2a9c1
Image:          127.0.0.1:4700/tumour:4f2a9c1 sha256:i
Model data:     s3://models/7/model.tar.gz md5:e
Training data:  sha256:d

Metric             This version  Live (6)  Difference
accuracy           0.951235      0.94      +0.0112346
classification.f1  0.9           0.91      -0.01
fresh              12            -         -

Approve:
    slipway approve tumour 7 --comment 'why'

Reject:
    slipway reject tumour 7 --comment 'why'
)");
}

TEST(Templates, SayADigestOnce) {
  store::Event registered = kRegistered;
  registered.detail["Evidence"]["Images"][0]["Image"] = "127.0.0.1:4700/tumour@sha256:i";
  const std::string text = text_of(registered);
  EXPECT_NE(text.find("Image:          127.0.0.1:4700/tumour@sha256:i\n"), std::string::npos)
      << text;
}

TEST(Templates, SayWhatLiveStandsFor) {
  store::Event registered = kRegistered;
  Json& live = registered.detail["Evidence"]["Live"];
  live["Basis"] = "Endpoint";
  live["EndpointName"] = "tumour-live";
  Background background = kBackground;
  background.link = "http://127.0.0.1:4700/health/tumour/-/pipelines/3";
  const std::string served = text_of(registered, background);
  EXPECT_NE(served.find("Compared with:  version 6, which endpoint tumour-live serves\n"),
            std::string::npos)
      << served;
  EXPECT_NE(served.find("  Live (6)  "), std::string::npos);
  EXPECT_TRUE(served.ends_with("\n" + background.link + "\n"));
  live["Basis"] = "NewestApproved";
  const std::string approved = text_of(registered);
  EXPECT_NE(approved.find("version 6, the newest approved; no endpoint serves this model\n"),
            std::string::npos)
      << approved;
  EXPECT_NE(approved.find("  Approved (6)  "), std::string::npos);
}

TEST(Templates, TheFirstVersionHasNothingToCompareWith) {
  EXPECT_EQ(text_of(event("ModelPackage.Created", kVersion, R"({
              "ModelPackageGroupName": "tumour", "ModelPackageVersion": 1,
              "ModelApprovalStatus": "Approved", "By": "me",
              "Evidence": {"Metrics": {"f1": 1}}})")),
            R"(tumour 1 is registered

Model:          tumour
Version:        1
Registered by:  me

Metric  Value
f1      1
)");
}

TEST(Templates, UnversionedPackagesAreNobodysBusiness) {
  EXPECT_EQ(text_of(event("ModelPackage.Created", kVersion, R"({"ModelPackageName": "x"})")),
            "none");
}

TEST(Templates, DecisionsSayWhoAndWhy) {
  constexpr const char* kDetail = R"({
    "ModelPackageGroupName": "tumour", "ModelPackageVersion": 7, "By": "ana",
    "ApprovalDescription": "better on <all> sites", "Evidence": {"Commit": "4f2a9c1"}})";
  EXPECT_EQ(text_of(event("ModelPackage.Approved", kVersion, kDetail)), R"(tumour 7 is approved

Model:        tumour
Version:      7
Approved by:  ana
At:           2023-11-14T22:13:20Z
Comment:      better on <all> sites
Commit:       4f2a9c1
)");
  const auto rejected = notice_of(event("ModelPackage.Rejected", kVersion, kDetail), kBackground);
  ASSERT_TRUE(rejected);
  EXPECT_EQ(rejected->page.title, "tumour 7 is rejected");
  EXPECT_EQ(rejected->outcome, "failure");
}

TEST(Templates, ExecutionsSayWhereTheyFailed) {
  constexpr const char* kArn =
      "arn:aws:sagemaker:us-east-1:123456789012:pipeline/train/execution/abc";
  EXPECT_EQ(text_of(event("PipelineExecution.Failed", kArn, R"({
              "PipelineName": "train", "DisplayName": "nightly", "Step": "Evaluate",
              "FailureReason": "exit 1", "Parameters": {"Epochs": "3", "Rate": 0.1}})")),
            R"(Pipeline train failed

Pipeline:    train
Execution:   nightly
Step:        Evaluate
Reason:      exit 1
Parameters:  Epochs=3, Rate=0.1

See what happened:
    aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn )" +
                std::string(kArn) + "\n");
  const std::string with_log = text_of(event("PipelineExecution.Failed", kArn, R"({
      "PipelineName": "train", "Step": "Evaluate", "FailureReason": "exit 1",
      "JobName": "evaluate-7", "lines": ["loading", "no data"]})"));
  EXPECT_NE(with_log.find("Job:       evaluate-7\n"), std::string::npos) << with_log;
  EXPECT_NE(with_log.find("The end of the log of evaluate-7:\n    loading\n    no data\n"),
            std::string::npos);
  EXPECT_NE(with_log.find("    slipway logs evaluate-7\n"), std::string::npos);
  EXPECT_EQ(text_of(event("PipelineExecution.Succeeded", kArn,
                          R"({"PipelineName": "train", "DisplayName": "nightly"})")),
            "Pipeline train succeeded\n\nPipeline:   train\nExecution:  nightly\n");
  EXPECT_EQ(text_of(event("PipelineExecution.Started", kArn, R"({"PipelineName": "train"})")),
            "none");
}

TEST(Templates, CallbacksSayHowToAnswer) {
  const store::Event asked = event("PipelineExecution.CallbackWaiting", "arn:execution", R"({
      "PipelineName": "train", "Step": "Ask", "CallbackToken": "tok",
      "Arguments": {"question": "<why?>", "count": 3}})");
  EXPECT_EQ(text_of(asked), R"(Pipeline train waits for an answer to Ask

Pipeline:        train
Step:            Ask
Execution:       arn:execution
Callback token:  tok
count:           3
question:        <why?>

Go on:
    aws sagemaker send-pipeline-execution-step-success --callback-token tok

Give up:
    aws sagemaker send-pipeline-execution-step-failure --callback-token tok
)");
  EXPECT_EQ(notice_of(asked, kBackground)->outcome, "approval");
}

TEST(Templates, EndpointsSayWhereTheyAre) {
  constexpr const char* kArn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/tumour";
  EXPECT_EQ(text_of(event("Endpoint.InService", kArn,
                          R"({"EndpointName": "tumour", "EndpointConfigName": "tumour-7"})")),
            R"(Endpoint tumour is in service

Endpoint:       tumour
Configuration:  tumour-7
URL:            http://127.0.0.1:4700/endpoints/tumour/invocations
)");
  EXPECT_EQ(text_of(event("Endpoint.InService", kArn, R"({
              "EndpointName": "tumour", "EndpointConfigName": "tumour-7",
              "Versions": ["tumour 7"], "Images": ["here/tumour@sha256:i"],
              "Instances": ["2 x ml.m5.large"]})")),
            R"(Endpoint tumour is in service

Endpoint:       tumour
Configuration:  tumour-7
Model version:  tumour 7
Image:          here/tumour@sha256:i
Instances:      2 x ml.m5.large
URL:            http://127.0.0.1:4700/endpoints/tumour/invocations
)");
  EXPECT_EQ(text_of(event("Endpoint.Failed", kArn, R"({
              "EndpointName": "tumour", "EndpointConfigName": "tumour-7",
              "FailureReason": "no ping"})")),
            R"(Endpoint tumour failed

Endpoint:       tumour
Configuration:  tumour-7
Reason:         no ping

See what happened:
    slipway logs tumour
)");
  EXPECT_EQ(text_of(event("Endpoint.Creating", kArn, R"({"EndpointName": "tumour"})")), "none");
}

TEST(Templates, CiSpeaksUpWhenItFailsAndWhenItIsFixed) {
  const auto finished = [](const std::string& status) {
    return event(
        "Pipeline.Finished", "health/tumour#12",
        (R"({"ref": "main", "sha": "4f2a9c1", "source": "push", "status": ")" + status + "\"}")
            .c_str());
  };
  Background background = kBackground;
  background.failures = {Json::parse(
      R"({"name": "test", "stage": "check", "failure_reason": "script_failure",
          "lines": ["1 failed", "exit 1"]})")};
  EXPECT_EQ(text_of(finished("failed"), background), R"(CI failed: health/tumour main

Project:     health/tumour
Ref:         main
Commit:      4f2a9c1
Pipeline:    #12
Started by:  push
Failed job:  test, stage check (script_failure)

The end of test:
    1 failed
    exit 1

http://127.0.0.1:4700/health/tumour/-/pipelines/12
)");
  EXPECT_EQ(text_of(finished("success")), "none");
  background.failures.clear();
  background.ref_before = "failed";
  EXPECT_TRUE(
      text_of(finished("success"), background).starts_with("CI is fixed: health/tumour main\n"));
  EXPECT_EQ(text_of(finished("canceled"), background), "none");
}

TEST(Pages, EscapeWhatOthersWrote) {
  Page page;
  page.title = "<script>";
  page.facts = {{"Reason", "a <b> & \"c\" 'd'"}, {"Two", "x\nInjected: y"}, {"Empty", ""}};
  page.table = {{"Metric"}, {"<i>"}};
  page.listings = {{"Log", {"```<!channel>", "</pre>"}}};
  page.link = "http://h/?a=1&b=\"2\"";
  EXPECT_EQ(to_html(page),
            "<html><body style=\"font-family:sans-serif\">\n<h2>&lt;script&gt;</h2>\n"
            "<table cellpadding=\"4\">\n"
            "<tr><td align=\"left\">Reason</td><td align=\"left\">a &lt;b&gt; &amp; "
            "&quot;c&quot; &#39;d&#39;</td></tr>\n"
            "<tr><td align=\"left\">Two</td><td align=\"left\">x\nInjected: y</td></tr>\n"
            "</table>\n"
            "<table border=\"1\" cellpadding=\"4\" cellspacing=\"0\">\n"
            "<tr><th align=\"left\">Metric</th></tr>\n<tr><td align=\"left\">&lt;i&gt;</td></tr>\n"
            "</table>\n"
            "<p>Log:</p>\n<pre>```&lt;!channel&gt;\n&lt;/pre&gt;\n</pre>\n"
            "<p><a href=\"http://h/?a=1&amp;b=&quot;2&quot;\">"
            "http://h/?a=1&amp;b=&quot;2&quot;</a></p>\n</body></html>\n");
  EXPECT_NE(to_text(page).find("Two:     x Injected: y\n"), std::string::npos);
  EXPECT_EQ(to_slack_blocks(page), Json::parse(R"json([
    {"type": "header", "text": {"type": "plain_text", "text": "<script>", "emoji": false}},
    {"type": "section", "fields": [
      {"type": "mrkdwn", "verbatim": true, "text": "*Reason*\na &lt;b&gt; &amp; \"c\" 'd'"},
      {"type": "mrkdwn", "verbatim": true, "text": "*Two*\nx Injected: y"}]},
    {"type": "section",
     "text": {"type": "mrkdwn", "verbatim": true, "text": "```\nMetric\n&lt;i&gt;\n```"}},
    {"type": "section",
     "text": {"type": "mrkdwn", "verbatim": true,
              "text": "Log:\n```\n'''&lt;!channel&gt;\n&lt;/pre&gt;\n```"}},
    {"type": "section",
     "text": {"type": "mrkdwn", "verbatim": true, "text": "http://h/?a=1&amp;b=\"2\""}}])json"));
}

TEST(Pages, WhatSlackHasNoRoomForShowsThatItIsCut) {
  Page page;
  page.title = "a pipeline";
  const std::string fits(1'000, 'p');
  page.facts = {{"Fits", fits}, {"Long", std::string(3'000, '&') + "Version=1.0.0"}};
  const Json fields = to_slack_blocks(page)[1]["fields"];
  EXPECT_EQ(fields[0]["text"], "*Fits*\n" + fits);
  const std::string cut = fields[1]["text"];
  EXPECT_TRUE(cut.ends_with("&amp;…")) << cut;
  EXPECT_LE(cut.size(), 2'000u);
}

TEST(Pages, SlackGetsTheEndOfALongLog) {
  Page page;
  page.title = "t";
  page.listings = {{"Log", std::vector<std::string>(5000, "a line of it")}};
  page.listings[0].lines.back() = "the last one";
  const Json blocks = to_slack_blocks(page);
  const std::string text = blocks[1]["text"]["text"].get<std::string>();
  EXPECT_LE(text.size(), 3000u);
  EXPECT_TRUE(text.ends_with("the last one\n```"));
}

TEST(Notices, CanBeFilteredAndRead) {
  const auto notice = notice_of(kRegistered, kBackground);
  ASSERT_TRUE(notice);
  const Json attributes = attributes_of(kRegistered, *notice);
  EXPECT_EQ(attributes["event"]["StringValue"], "ModelPackage.Created");
  EXPECT_EQ(attributes["outcome"]["StringValue"], "approval");
  EXPECT_EQ(attributes["name"]["StringValue"], "tumour");
  const Json message = machine_message(kRegistered, *notice);
  EXPECT_EQ(message["type"], "ModelPackage.Created");
  EXPECT_EQ(message["at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(message["subject"], kVersion);
  EXPECT_EQ(message["detail"], kRegistered.detail);
}

}  // namespace
}  // namespace slipway::notify
