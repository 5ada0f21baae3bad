"""What Slack and mail are told, word by word: failures with their logs, endpoints, comparisons."""

import json
import threading
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from conftest import Server, wait_for
from repositories import Hosted
from test_flow import Slack
from test_pipelines import ROLE, SERVE, create, ended, processing, start, steps_of
from test_trouble import free_port


class Inbox:
    """aiosmtpd's handler; confirms nothing by itself."""

    def __init__(self):
        self.mails = []
        self.lock = threading.Lock()

    async def handle_DATA(self, _server, _session, envelope):
        with self.lock:
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    def wait(self, *words):
        """(text, html) of the first mail that has all the words in both."""
        def look():
            with self.lock:
                found = [(mail.get_body(("plain",)).get_content(),
                          mail.get_body(("html",)).get_content()) for mail in self.mails
                         if mail.get_body(("html",))]
            return [parts for parts in found
                    if all(word in text for word in words for text in parts)]
        return wait_for(look, f"a mail with {words}", 30)[0]


class World:
    def __init__(self, folder):
        port = free_port()
        self.inbox = Inbox()
        self.mail = Controller(self.inbox, hostname="127.0.0.1", port=port)
        self.mail.start()
        self.server = Server(folder / "data", "--smtp-host", "127.0.0.1", "--smtp-port", str(port),
                             "--smtp-from", "slipway@localhost", "--smtp-plain")
        self.slack = Slack()
        sns = self.server.client("sns")
        topic = next(each["TopicArn"] for each in sns.list_topics()["Topics"]
                     if each["TopicArn"].endswith(":slipway-notices"))
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=self.slack.url,
                      Attributes={"SlackFormat": "true"})
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.com")
        mail = wait_for(lambda: self.inbox.mails, "the mail that asks to confirm")[0]
        text = mail.get_body(("plain",)).get_content()
        token = text.split("Token=")[1].split("&")[0].split()[0]
        sns.confirm_subscription(TopicArn=topic, Token=token)

    def close(self):
        self.server.clear()
        self.slack.server.shutdown()
        self.mail.stop()


@pytest.fixture(scope="module", name="world")
def _world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()


def shown(note):
    """A Slack note's blocks as one text."""
    texts = []
    for block in json.loads(note)["blocks"]:
        parts = block.get("fields", []) + ([block["text"]] if "text" in block else [])
        texts += [part["text"] for part in parts]
    return "\n".join(texts)


def test_a_failed_job_of_ci(world, tmp_path):
    hosted = Hosted(world.server, "root/failing", tmp_path / "work")
    hosted.variable("PASSWORD", "s3cret-and-long", masked=True)
    pipeline = hosted.run("""
stages: [check]
inspect:
  stage: check
  script:
    - for i in $(seq 1 40); do echo "line $i"; done
    - echo "the password is $PASSWORD"
    - echo "no data today" >&2
    - exit 3
""")
    assert hosted.ended(pipeline)["status"] == "failed"
    note = shown(world.slack.wait("root/failing", "inspect"))
    link = f"{world.server.endpoint}/root/failing/-/pipelines/{pipeline}"
    for part in ("CI failed: root/failing main", "inspect, stage check (script_failure)",
                 "no data today", "the password is [MASKED]", "line 40", link):
        assert part in note, (part, note)
    assert "line 2\n" not in note and "s3cret" not in note and "\x1b" not in note
    for text in world.inbox.wait("root/failing", "inspect"):
        for part in ("stage check", "no data today", "[MASKED]", link):
            assert part in text, (part, text)


def test_a_configuration_that_is_wrong(world, tmp_path):
    hosted = Hosted(world.server, "root/wrong", tmp_path / "work")
    hosted.commit({".gitlab-ci.yml": "build: {script: [x], scripts: [x]}\n"})
    hosted.push()
    note = shown(world.slack.wait("CI failed: root/wrong"))
    assert "jobs:build config contains unknown keys: scripts" in note


def test_a_failed_step(world):
    sagemaker = world.server.client("sagemaker")
    script = "for i in $(seq 1 40); do echo line $i; done; echo no such column; exit 3"
    create(sagemaker, "evaluates", processing("Evaluate", script))
    arn = start(sagemaker, "evaluates")
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Failed"
    job = steps_of(sagemaker, arn)["Evaluate"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[-1]
    note = shown(world.slack.wait("Pipeline evaluates failed"))
    for part in ("*Step*\nEvaluate", "*Job*\n" + job, "no such column", "line 40",
                 f"slipway logs {job}", arn):
        assert part in note, (part, note)
    assert "line 2\n" not in note
    for text in world.inbox.wait("Pipeline evaluates failed"):
        assert "Evaluate" in text and "no such column" in text and job in text


def test_an_endpoint_and_what_comes_after_it(world):
    server = world.server
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    s3.create_bucket(Bucket="notices")
    image = server.push_image("lab/notices", "1.0.0", {"/serve.py": SERVE},
                              entrypoint=["/usr/bin/python3", "/serve.py"])
    digest = server.client("ecr").describe_images(
        repositoryName="lab/notices")["imageDetails"][0]["imageDigest"]
    sagemaker.create_model_package_group(ModelPackageGroupName="kidney")

    def register(f1, approve=False):
        return sagemaker.create_model_package(
            ModelPackageGroupName="kidney",
            ModelApprovalStatus="Approved" if approve else "PendingManualApproval",
            InferenceSpecification={
                "Containers": [{"Image": image}], "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"]},
            CustomerMetadataProperties={"metric.f1": str(f1), "commit": "4f2a9c1"})["ModelPackageArn"]

    first = register(0.5, approve=True)
    register(0.6, approve=True)  # approved, and never deployed
    note = shown(world.slack.wait("kidney 2 is registered"))
    assert "version 1, the newest approved; no endpoint serves this model" in note
    sagemaker.create_model(ModelName="kidney-1", ExecutionRoleArn=ROLE,
                           PrimaryContainer={"ModelPackageName": first})
    sagemaker.create_endpoint_config(EndpointConfigName="kidney-1", ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": "kidney-1", "InitialInstanceCount": 2,
        "InstanceType": "ml.m5.large"}])
    sagemaker.create_endpoint(EndpointName="kidney-live", EndpointConfigName="kidney-1")
    note = shown(world.slack.wait("Endpoint kidney-live is in service"))
    url = f"{server.endpoint}/endpoints/kidney-live/invocations"
    facts = {"Endpoint": "kidney-live", "Configuration": "kidney-1", "Model version": "kidney 1",
             "Instances": "2 x ml.m5.large", "Commit": "4f2a9c1", "URL": url}
    for label, value in facts.items():
        assert f"*{label}*\n{value}" in note, (label, note)
    assert digest in note and "lab/notices" in note
    for text in world.inbox.wait("Endpoint kidney-live is in service"):
        assert all(part in text for part in [*facts.values(), digest]), text

    register(0.75)
    note = shown(world.slack.wait("kidney 3 waits for approval"))
    assert "version 1, which endpoint kidney-live serves" in note
    for part in ("Live (1)", "0.75", "0.5", "+0.25", "slipway approve kidney 3"):
        assert part in note, (part, note)
    sagemaker.delete_endpoint(EndpointName="kidney-live")


def test_a_callback_can_be_answered_from_its_notice(world):
    sagemaker = world.server.client("sagemaker")
    create(sagemaker, "asks", {"Name": "Ask", "Type": "Callback", "SqsQueueUrl": "https://sqs/none",
                               "Arguments": {"question": "is it good?"}, "OutputParameters": []})
    arn = start(sagemaker, "asks")
    note = shown(world.slack.wait("Pipeline asks waits for an answer to Ask"))
    assert "*question*\nis it good?" in note
    token = note.split("*Callback token*\n")[1].split("\n")[0]
    sagemaker.send_pipeline_execution_step_success(CallbackToken=token)
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
