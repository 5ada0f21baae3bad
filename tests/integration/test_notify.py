"""Topics and notices against real receivers: a mail server with TLS and login, and web servers."""

import base64
import email
import email.policy
import io
import json
import socket
import ssl
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from botocore.exceptions import ClientError

from conftest import Server, wait_for

USER, PASSWORD = "slip", "way öff"


class Web:
    """A web server that notes what is posted and answers as it is told."""

    def __init__(self):
        self.received = []
        self.status = 200
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                web.received.append((self.path, dict(self.headers.items()), body.decode()))
                self.send_response(web.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        return [(headers, body) for place, headers, body in self.received if place == path]

    def wait(self, path, count=1):
        wait_for(lambda: len(self.at(path)) >= count, f"{count} posts to {path}")
        return self.at(path)[count - 1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web():
    running = Web()
    yield running
    running.stop()


class Inbox:
    """aiosmtpd's handler and authenticator."""

    def __init__(self):
        self.mails = []
        self.logins = []
        self.encrypted = []
        self.greetings = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.greetings.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server, session, envelope):
        self.encrypted.append(session.ssl is not None)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        good = self.logins[-1] == (USER, PASSWORD)
        return AuthResult(success=good, handled=good)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MailServer:
    """A mail server with STARTTLS and login; it can go away and come back on its port."""

    def __init__(self, directory, **options):
        self.inbox = Inbox()
        self.port = free_port()
        self.certificate = directory / "mail.pem"
        key = directory / "mail.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
             self.certificate],
            check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.options = {"tls_context": context, "require_starttls": True, "auth_required": True,
                        "authenticator": self.inbox.authenticate, **options}
        self.controller = None

    def start(self):
        self.controller = Controller(self.inbox, hostname="127.0.0.1", port=self.port,
                                     **self.options)
        self.controller.start()

    def stop(self):
        if self.controller:
            self.controller.stop()
        self.controller = None

    def wait(self, count):
        wait_for(lambda: len(self.inbox.mails) >= count, f"{count} mails")
        return self.inbox.mails[count - 1]


@pytest.fixture
def mail(tmp_path):
    running = MailServer(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def mailing_server(tmp_path, mail, monkeypatch):
    """A server that sends by `mail`, whose certificate it trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mail.certificate))
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    running = Server(tmp_path / "data", "--smtp-host", "127.0.0.1", "--smtp-port", str(mail.port),
                     "--smtp-user", USER, "--smtp-password-file", str(password), "--smtp-from",
                     "slipway@example.com")
    yield running
    running.clear()


def text_of(mail, kind="plain"):
    return mail.get_body((kind,)).get_content()


def signed_part(envelope):
    """What SNS signs, by its documentation."""
    members = (["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
               if envelope["Type"] == "Notification" else
               ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"])
    return "".join(f"{name}\n{envelope[name]}\n" for name in members if name in envelope)


def verify(envelope, directory):
    """By openssl's own program."""
    certificate = requests.get(envelope["SigningCertURL"], timeout=10)
    assert certificate.status_code == 200
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=certificate.content,
                         check=True, capture_output=True).stdout
    (directory / "key.pem").write_bytes(key)
    (directory / "signature").write_bytes(base64.b64decode(envelope["Signature"]))
    digest = {"1": "-sha1", "2": "-sha256"}[envelope["SignatureVersion"]]
    subprocess.run(["openssl", "dgst", digest, "-verify", directory / "key.pem", "-signature",
                    directory / "signature"],
                   input=signed_part(envelope).encode(), check=True, capture_output=True)


def test_topics_live_as_terraform_expects(server):
    sns = server.client("sns")
    arn = sns.create_topic(Name="orders", Attributes={"DisplayName": "Orders"},
                           Tags=[{"Key": "team", "Value": "a"}])["TopicArn"]
    assert arn == "arn:aws:sns:us-east-1:123456789012:orders"
    assert sns.create_topic(Name="orders")["TopicArn"] == arn
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["TopicArn"] == arn and attributes["Owner"] == "123456789012"
    assert attributes["DisplayName"] == "Orders"
    assert json.loads(attributes["Policy"])["Statement"]
    assert json.loads(attributes["EffectiveDeliveryPolicy"])
    sns.set_topic_attributes(TopicArn=arn, AttributeName="SignatureVersion", AttributeValue="2")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SignatureVersion"] == "2"
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "c"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "c"}]
    topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    assert arn in topics
    assert "arn:aws:sns:us-east-1:123456789012:slipway-notices" in topics
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    with pytest.raises(sns.exceptions.NotFoundException) as gone:
        sns.get_topic_attributes(TopicArn=arn)
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(sns.exceptions.NotFoundException):
        sns.publish(TopicArn=arn, Message="m")


def test_a_web_receiver_confirms_and_verifies(server, web, tmp_path):
    sns = server.client("sns")
    topic = sns.create_topic(Name="hooks")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{web.url}/hook")
    assert answer["SubscriptionArn"] == "pending confirmation"
    headers, body = web.wait("/hook")
    question = json.loads(body)
    assert headers["x-amz-sns-message-type"] == question["Type"] == "SubscriptionConfirmation"
    verify(question, tmp_path)
    [waiting] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert waiting["SubscriptionArn"] == "PendingConfirmation"
    confirmed = requests.get(question["SubscribeURL"], timeout=10)
    assert confirmed.status_code == 200 and "ConfirmSubscriptionResponse" in confirmed.text
    [subscription] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = subscription["SubscriptionArn"]
    assert arn in confirmed.text

    for count, version in [(2, "1"), (3, "2")]:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion",
                                 AttributeValue=version)
        sent = sns.publish(
            TargetArn=topic, Subject="greeting", MessageStructure="json",
            Message=json.dumps({"default": "hällo", "sms": "h"}),
            MessageAttributes={"kind": {"DataType": "String", "StringValue": "good"},
                               "raw": {"DataType": "Binary", "BinaryValue": b"\x00"}})
        headers, body = web.wait("/hook", count)
        envelope = json.loads(body)
        assert envelope["Message"] == "hällo" and envelope["Subject"] == "greeting"
        assert envelope["MessageId"] == sent["MessageId"] == headers["x-amz-sns-message-id"]
        assert headers["x-amz-sns-subscription-arn"] == arn
        assert envelope["MessageAttributes"]["kind"] == {"Type": "String", "Value": "good"}
        assert envelope["MessageAttributes"]["raw"] == {"Type": "Binary", "Value": "AA=="}
        assert envelope["SignatureVersion"] == version
        verify(envelope, tmp_path)

    assert requests.get(envelope["UnsubscribeURL"] + "0", timeout=10).status_code == 404
    assert requests.get(envelope["UnsubscribeURL"], timeout=10).status_code == 200
    with pytest.raises(ClientError) as gone:
        sns.get_subscription_attributes(SubscriptionArn=arn)
    assert gone.value.response["Error"]["Code"] == "NotFound"


def test_slack_filters_and_batches(server, web):
    sns = server.client("sns")
    topic = sns.create_topic(Name="chat")["TopicArn"]
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{web.url}/slack",
                        Attributes={"SlackFormat": "true",
                                    "FilterPolicy": json.dumps({"level": [{"prefix": "bad"}]})},
                        ReturnSubscriptionArn=True)["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "false"
    assert attributes["FilterPolicyScope"] == "MessageAttributes"

    def level(value):
        return {"level": {"DataType": "String", "StringValue": value}}

    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": "a", "Message": "not this", "MessageAttributes": level("good")},
        {"Id": "b", "Message": "<!here> this", "Subject": "S", "MessageAttributes": level("bad1")},
        {"Id": "c", "Message": "x", "Subject": "two\nlines", "MessageAttributes": level("bad1")}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a", "b"]
    assert [entry["Id"] for entry in answer["Failed"]] == ["c"]
    headers, body = web.wait("/slack")
    message = json.loads(body)
    assert message["text"] == "S\n&lt;!here&gt; this"
    assert message["blocks"][0]["type"] == "header"
    assert headers["Content-Type"].startswith("application/json")
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy",
                                    AttributeValue="{}")
    sns.publish(TopicArn=topic, Message="to all")
    assert "to all" in web.wait("/slack", 2)[1]
    sns.unsubscribe(SubscriptionArn=arn)
    for attributes, code in [({"FilterPolicy": "{"}, "InvalidParameter"),
                             ({"RedrivePolicy": '{"deadLetterTargetArn":"x"}'},
                              "InvalidParameter")]:
        with pytest.raises(ClientError) as refused:
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{web.url}/x",
                          Attributes=attributes)
        assert refused.value.response["Error"]["Code"] == code


def test_functions_are_called_where_their_policy_lets(server):
    sns, functions, logs = (server.client(name) for name in ("sns", "lambda", "logs"))
    topic = sns.create_topic(Name="calls")["TopicArn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("app.py", "def handler(event, context):\n"
                                "    sns = event['Records'][0]['Sns']\n"
                                "    print('got', sns['Message'], sns['Type'], sns['TopicArn'])\n")
    function = functions.create_function(
        FunctionName="called", Runtime="python3.11", Handler="app.handler", Timeout=10,
        Role="arn:aws:iam::123456789012:role/slipway-execution",
        Code={"ZipFile": archive.getvalue()})["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="called")
    functions.add_permission(FunctionName="called", StatementId="sns", SourceArn=topic,
                             Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
    arn = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
    assert arn.startswith(topic + ":")
    sns.publish(TopicArn=topic, Message="hello")

    def lines():
        try:
            events = logs.filter_log_events(logGroupName="/aws/lambda/called")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "".join(event["message"] for event in events)

    wait_for(lambda: f"got hello Notification {topic}" in lines(), "the function's line")


def test_every_dead_letter_is_listed_and_sent_again(own_server):
    sns = own_server.client("sns")
    topic = sns.create_topic(Name="refused")["TopicArn"]
    # Without a permission: what it refuses is given up at once.
    sns.subscribe(TopicArn=topic, Protocol="lambda",
                  Endpoint="arn:aws:lambda:us-east-1:123456789012:function:nobody")
    for batch in range(12):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
            {"Id": str(each), "Message": f"{batch}-{each}"} for each in range(10)])

    def letters():
        told = own_server.slipway("notices", "list", "--json")
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)["DeadLetters"]

    first = wait_for(lambda: found if len(found := letters()) == 120 else None,
                     "every message among the dead letters")
    sent = own_server.slipway("notices", "resend", "--all")
    assert (sent.returncode, sent.stdout) == (0, "120 on their way again\n"), sent.stderr
    last = max(each["GivenUp"] for each in first)
    wait_for(lambda: len(found := letters()) == 120 and min(each["GivenUp"] for each in found) > last,
             "the second refusal of each")


def test_a_receiver_that_was_down_gets_everything_after_a_crash(own_server, web):
    sns = own_server.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    for path in ("/slow", "/fine"):
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{web.url}{path}",
                      Attributes={"SlackFormat": "true"})
    web.status = 503
    sns.publish(TopicArn=topic, Message="kept")
    wait_for(lambda: web.received, "a first attempt")
    own_server.kill()
    web.status = 200
    own_server.start()
    wait_for(lambda: len([1 for _, _, body in web.received if "kept" in body]) >= 3,
             "both receivers to be told")
    web.wait("/slow")
    web.wait("/fine")


def test_mail_with_tls_and_login(mailing_server, mail):
    mail.start()
    sns = mailing_server.client("sns")
    topic = sns.create_topic(Name="mails", Attributes={"DisplayName": "Prüfung"})["TopicArn"]
    arn = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.com",
                        ReturnSubscriptionArn=True)["SubscriptionArn"]
    question = mail.wait(1)
    assert question["To"].addresses[0].addr_spec == "ana@example.com"
    link = next(line for line in text_of(question).splitlines() if line.startswith("http"))
    page = requests.get(link, headers={"Accept": "text/html"}, timeout=10)
    assert page.status_code == 200 and "confirmed" in page.text
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "false"

    sns.publish(TopicArn=topic, Message="Grüße & <b>", Subject="Hello")
    told = mail.wait(2)
    assert told["Subject"] == "Hello"
    assert told["From"].addresses[0].display_name == "Prüfung"
    assert told["From"].addresses[0].addr_spec == "slipway@example.com"
    assert told["Message-ID"].endswith("@example.com>")
    assert text_of(told).startswith("Grüße & <b>")
    assert "Grüße &amp; &lt;b&gt;" in text_of(told, "html")
    assert mail.inbox.logins[-1] == (USER, PASSWORD)
    assert all(mail.inbox.encrypted)

    unsubscribe = told["List-Unsubscribe"].strip("<>").replace(" ", "")
    # A mail program that looks ahead ends nothing; the button does.
    requests.get(unsubscribe, headers={"Accept": "text/html"}, timeout=10)
    assert sns.get_subscription_attributes(SubscriptionArn=arn)
    assert requests.post(unsubscribe, data={"List-Unsubscribe": "One-Click"},
                         timeout=10).status_code == 200
    with pytest.raises(ClientError):
        sns.get_subscription_attributes(SubscriptionArn=arn)


def test_a_mail_server_that_is_away_delays_mail_alone(mailing_server, mail, web):
    sns = mailing_server.client("sns")
    topic = sns.create_topic(Name="both")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.com")
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{web.url}/slack",
                  Attributes={"SlackFormat": "true"})
    sns.publish(TopicArn=topic, Message="at once")
    assert "at once" in web.wait("/slack")[1]
    assert not mail.inbox.mails
    mail.start()
    assert mail.wait(1)["Subject"] == "Confirm your subscription"


def test_a_wrong_certificate_gets_no_password(tmp_path, mail, monkeypatch):
    """Nobody vouches for the mail server: it is told neither the password nor the mail."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    mail.start()
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    running = Server(tmp_path / "data", "--smtp-host", "127.0.0.1", "--smtp-port", str(mail.port),
                     "--smtp-user", USER, "--smtp-password-file", str(password))
    try:
        sns = running.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.com")
        # A second attempt means that the first one has ended.
        wait_for(lambda: len(mail.inbox.greetings) >= 2, "two attempts")
        assert not mail.inbox.logins and not mail.inbox.mails
    finally:
        running.clear()


def test_a_new_version_is_told_with_its_figures(server, web):
    sns, sagemaker, s3 = (server.client(name) for name in ("sns", "sagemaker", "s3"))
    arn = sns.subscribe(TopicArn="arn:aws:sns:us-east-1:123456789012:slipway-notices",
                        Protocol="http", Endpoint=f"{web.url}/notices",
                        Attributes={"SlackFormat": "true"},
                        ReturnSubscriptionArn=True)["SubscriptionArn"]
    s3.create_bucket(Bucket="evidence")
    s3.put_object(Bucket="evidence", Key="model.tar.gz", Body=b"weights")
    sagemaker.create_model_package_group(ModelPackageGroupName="tumour")

    def register(f1):
        s3.put_object(Bucket="evidence", Key=f"{f1}.json",
                      Body=json.dumps({"classification": {"f1": {"value": f1}}}))
        return sagemaker.create_model_package(
            ModelPackageGroupName="tumour", ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [{"Image": "elsewhere/tumour:1",
                                "ModelDataUrl": "s3://evidence/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"]},
            ModelMetrics={"ModelQuality": {"Statistics": {
                "ContentType": "application/json", "S3Uri": f"s3://evidence/{f1}.json"}}},
            CustomerMetadataProperties={"commit": "4f2a9c1"})["ModelPackageArn"]

    first = register(0.75)
    sagemaker.update_model_package(ModelPackageArn=first, ModelApprovalStatus="Approved",
                                   ApprovalDescription="good <enough>")
    assert json.loads(web.wait("/notices", 1)[1])["text"] == "tumour 1 waits for approval"
    approved = web.wait("/notices", 2)[1]
    assert json.loads(approved)["text"] == "tumour 1 is approved"
    assert "good &lt;enough&gt;" in approved
    second = register(0.875)
    told = web.wait("/notices", 3)[1]
    for part in ("slipway approve tumour 2", "0.875", "0.75", "+0.125", "Approved (1)", "4f2a9c1"):
        assert part in told, part
    described = sagemaker.describe_model_package(ModelPackageName=second)
    assert described["CustomerMetadataProperties"] == {"commit": "4f2a9c1"}

    s3.put_object(Bucket="evidence", Key="model.tar.gz", Body=b"other weights")
    with pytest.raises(sagemaker.exceptions.ConflictException) as refused:
        sagemaker.update_model_package(ModelPackageArn=second, ModelApprovalStatus="Approved")
    assert "s3://evidence/model.tar.gz" in str(refused.value)
    sns.unsubscribe(SubscriptionArn=arn)
