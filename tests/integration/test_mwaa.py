"""Airflow's APIs by the clients that trigger and poll DAG runs: boto3, MWAA's command line, REST."""

import ast
import base64
import http.client
import json
import re
import ssl

import pytest
import requests
from botocore.exceptions import ClientError

from conftest import wait_for

ROLE = "arn:aws:iam::123456789012:role/airflow"
NETWORK = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}


def step(name, left, right):
    """A step that compares, and needs no container."""
    return {"Name": name, "Type": "Condition", "Arguments": {
        "Conditions": [{"Type": "Equals", "LeftValue": left, "RightValue": right}],
        "IfSteps": [], "ElseSteps": []}}


def create(server, name, *steps):
    definition = {"Version": "2020-12-01", "Steps": list(steps), "Parameters": [
        {"Name": "Depth", "Type": "Integer", "DefaultValue": 2},
        {"Name": "Commit", "Type": "String", "DefaultValue": "none"}]}
    server.client("sagemaker").create_pipeline(
        PipelineName=name, RoleArn=ROLE, PipelineDefinition=json.dumps(definition))


@pytest.fixture(scope="module")
def lab(server):
    """The server with one DAG that succeeds, one that fails and one that runs a job."""
    create(server, "good", step("Compare", {"Get": "Parameters.Depth"}, 7))
    create(server, "bad", {"Name": "Refuse", "Type": "Fail",
                           "Arguments": {"ErrorMessage": "worse than before"}})
    create(server, "job", {"Name": "Say", "Type": "Processing", "Arguments": {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "host", "ContainerEntrypoint": ["/bin/sh", "-c", "echo hi"]},
        "ProcessingResources": {"ClusterConfig": {
            "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}}})
    return server


@pytest.fixture(scope="module")
def mwaa(lab):
    return lab.client("mwaa", inject_host_prefix=False)


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response


class Cli:
    """The algorithm of AWS's sample for Lambda functions: by TLS, whose authority it must know."""

    def __init__(self, server):
        self.trust = ssl.create_default_context(cafile=server.data / "tls" / "bundle.pem")
        mwaa = server.client("mwaa", inject_host_prefix=False)
        answer = mwaa.create_cli_token(Name="slipway")
        self.host, self.token = answer["WebServerHostname"], answer["CliToken"]

    def run(self, line, status=200):
        connection = http.client.HTTPSConnection(self.host, timeout=30, context=self.trust)
        connection.request("POST", "/aws_mwaa/cli", line, {
            "Authorization": f"Bearer {self.token}", "Content-Type": "text/plain"})
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status == status, data
        result = ast.literal_eval(data.decode())
        return (base64.b64decode(result["stdout"]).decode(),
                base64.b64decode(result["stderr"]).decode())


class Rest:
    """One version of the REST API over plain HTTP."""

    def __init__(self, server, version):
        self.version, self.base = version, f"{server.endpoint}/api/{version}"
        self.session = requests.Session()
        if version == "v1":
            self.session.auth = server.keys
            return
        user, password = server.keys
        login = requests.post(f"{server.endpoint}/auth/token",
                              json={"username": user, "password": password}, timeout=30)
        assert login.status_code == 201, login.text
        self.session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"

    def ask(self, method, path, status=200, **options):
        answer = self.session.request(method, self.base + path, timeout=30, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def trigger(self, dag, status=200, **body):
        if self.version == "v2":
            body = {"logical_date": None, **body}
        return self.ask("POST", f"/dags/{dag}/dagRuns", status, json=body)

    def ended(self, dag, run_id):
        def look():
            run = self.ask("GET", f"/dags/{dag}/dagRuns/{run_id}")
            return run["state"] in ("success", "failed") and run
        return wait_for(look, f"the end of {dag} {run_id}")


@pytest.fixture(params=["v1", "v2"])
def rest(lab, request):
    return Rest(lab, request.param)


def test_an_environment_lives_from_creation_to_deletion(mwaa):
    arn = mwaa.create_environment(
        Name="team-a", ExecutionRoleArn=ROLE, SourceBucketArn="arn:aws:s3:::team-a-dags",
        DagS3Path="dags", NetworkConfiguration=NETWORK, AirflowVersion="2.10.3",
        Tags={"team": "a"})["Arn"]
    assert arn == "arn:aws:airflow:us-east-1:123456789012:environment/team-a"
    found = mwaa.get_environment(Name="team-a")["Environment"]
    assert (found["Status"], found["Arn"], found["DagS3Path"]) == ("AVAILABLE", arn, "dags")
    assert found["NetworkConfiguration"] == NETWORK and found["Tags"] == {"team": "a"}
    assert found["CreatedAt"].year > 2000
    again = refused(mwaa.create_environment, Name="team-a", ExecutionRoleArn=ROLE, DagS3Path="dags",
                    SourceBucketArn="arn:aws:s3:::team-a-dags", NetworkConfiguration=NETWORK)
    assert again["Error"]["Code"] == "ValidationException"

    assert mwaa.update_environment(Name="team-a", MaxWorkers=3)["Arn"] == arn
    assert mwaa.get_environment(Name="team-a")["Environment"]["MaxWorkers"] == 3
    mwaa.tag_resource(ResourceArn=arn, Tags={"cost": "1"})
    mwaa.untag_resource(ResourceArn=arn, tagKeys=["team"])
    assert mwaa.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"cost": "1"}
    names = [name for page in mwaa.get_paginator("list_environments").paginate(
        PaginationConfig={"PageSize": 1}) for name in page["Environments"]]
    assert names == ["slipway", "team-a"]

    mwaa.delete_environment(Name="team-a")
    for call, arguments in ((mwaa.get_environment, {"Name": "team-a"}),
                            (mwaa.create_cli_token, {"Name": "team-a"}),
                            (mwaa.list_tags_for_resource, {"ResourceArn": arn})):
        assert refused(call, **arguments)["Error"]["Code"] == "ResourceNotFoundException"


def test_the_built_in_environment_names_its_web_server(lab, mwaa):
    host = json.loads((lab.data / "server.json").read_text())["tlsEndpoint"].removeprefix("https://")
    found = mwaa.get_environment(Name="slipway")["Environment"]
    assert (found["Status"], found["WebserverUrl"]) == ("AVAILABLE", host)
    assert mwaa.list_environments()["Environments"] == ["slipway"]
    token = mwaa.create_web_login_token(Name="slipway")
    assert token["WebServerHostname"] == host and token["WebToken"]


def test_a_dag_is_triggered_by_command_and_followed(lab):
    cli = Cli(lab)
    output, error = cli.run("""dags trigger good --conf '{"Depth": 7, "Commit": "a b"}' -r by-hand""")
    assert error == "" and "by-hand" in output and "| good" in output
    wait_for(lambda: cli.run("dags state good by-hand")[0] == "success\n", "success")
    runs = json.loads(cli.run("dags list-runs -d good -o json")[0])
    assert [(run["run_id"], run["state"]) for run in runs] == [("by-hand", "success")]
    execution = lab.client("sagemaker").list_pipeline_executions(
        PipelineName="good")["PipelineExecutionSummaries"][0]
    parameters = lab.client("sagemaker").list_pipeline_parameters_for_execution(
        PipelineExecutionArn=execution["PipelineExecutionArn"])["PipelineParameters"]
    assert {"Name": "Commit", "Value": "a b"} in parameters
    assert {"Name": "Depth", "Value": "7"} in parameters

    date = re.search(r"\d{4}-\d\d-\d\dT[^ ]+", cli.run("dags trigger bad")[0]).group()
    wait_for(lambda: cli.run(f"dags state bad {date}")[0] == "failed\n", "failure")
    listed = cli.run("dags list")[0].splitlines()
    assert [line.split()[0] for line in listed[2:]] == ["bad", "good", "job"]
    assert "paused: True" in cli.run("dags pause good")[0]
    assert "paused: False" in cli.run("dags unpause good")[0]
    assert cli.run("version")[0].startswith("2.")


def test_commands_that_fail_say_why(lab):
    cli = Cli(lab)
    for line, reason in (
            ("dags trigger no-such-dag", "DAG with dag_id: 'no-such-dag' not found"),
            ("dags trigger good --conf {oops", "--conf"),
            ("dags trigger good --conf '{\"Unknown\": 1}'", "Unknown"),
            ("dags state", "required: dag_id"),
            ("dags 'trigger", "No closing quotation"),
            ("db reset -y", "db reset is not allowed"),
            ("webserver", "not allowed"), ("users list", "not allowed"),
            ("dags delete good", "not allowed"), ("", "no command")):
        output, error = cli.run(line, status=400)
        assert output == "" and reason in error, (line, error)


def test_the_command_line_takes_only_its_own_tokens(lab, mwaa):
    cli = Cli(lab)
    foreign = Rest(lab, "v2").session.headers["Authorization"].removeprefix("Bearer ")
    web = mwaa.create_web_login_token(Name="slipway")["WebToken"]
    for token in ("wrong", "", cli.token[:-1], foreign, web):
        answer = requests.post(f"{lab.endpoint}/aws_mwaa/cli", "version", timeout=30,
                               headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403, token
    used = requests.get(f"{lab.endpoint}/api/v1/dags", timeout=30,
                        headers={"Authorization": f"Bearer {cli.token}"})
    assert used.status_code == 401


def test_the_rest_api_is_invoked_through_mwaa(mwaa):
    path = "/dags/good/dagRuns"
    made = mwaa.invoke_rest_api(Name="slipway", Path=path, Method="POST", Body={
        "dag_run_id": "invoked", "conf": {"Depth": 7}})
    assert made["RestApiStatusCode"] == 200
    assert made["RestApiResponse"]["dag_run_id"] == "invoked"

    def look():
        run = mwaa.invoke_rest_api(Name="slipway", Path=f"{path}/invoked", Method="GET")
        return run["RestApiResponse"]["state"] == "success"
    wait_for(look, "success")
    one = mwaa.invoke_rest_api(Name="slipway", Path=path, Method="GET",
                               QueryParameters={"limit": 1})["RestApiResponse"]
    assert len(one["dag_runs"]) == 1

    for arguments, status in (
            ({"Path": path, "Method": "POST", "Body": {"dag_run_id": "invoked"}}, 409),
            ({"Path": "/dags/no-such-dag/dagRuns", "Method": "POST", "Body": {}}, 404),
            ({"Path": path, "Method": "POST", "Body": {"conf": {"Unknown": "1"}}}, 400)):
        response = refused(mwaa.invoke_rest_api, Name="slipway", **arguments)
        assert response["Error"]["Code"] == "RestApiClientException"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert response["RestApiStatusCode"] == status
        assert response["RestApiResponse"]["detail"]
    unknown = refused(mwaa.invoke_rest_api, Name="nobody", Path="/dags", Method="GET")
    assert unknown["Error"]["Code"] == "ResourceNotFoundException"


def test_an_environment_of_airflow_3_has_its_api(mwaa):
    mwaa.create_environment(
        Name="three", ExecutionRoleArn=ROLE, SourceBucketArn="arn:aws:s3:::three-dags",
        DagS3Path="dags", NetworkConfiguration=NETWORK, AirflowVersion="3.0.6")
    try:
        missing = refused(mwaa.invoke_rest_api, Name="three", Path="/dags/good/dagRuns",
                          Method="POST", Body={})
        assert missing["RestApiStatusCode"] == 422
        made = mwaa.invoke_rest_api(Name="three", Path="/dags/good/dagRuns", Method="POST",
                                    Body={"logical_date": "2026-01-02T03:04:05Z"})
        assert made["RestApiResponse"]["logical_date"].startswith("2026-01-02T03:04:05")
        assert "execution_date" not in made["RestApiResponse"]
    finally:
        mwaa.delete_environment(Name="three")


def test_a_run_goes_from_its_trigger_to_its_end(rest):
    run_id = f"rest {rest.version}+00:00"
    made = rest.trigger("good", dag_run_id=run_id, conf={"Depth": 7}, note="by a test")
    assert made["state"] in ("queued", "running", "success")
    assert (made["dag_id"], made["dag_run_id"], made["note"]) == ("good", run_id, "by a test")
    assert made["conf"] == {"Depth": 7} and made["run_type"] == "manual"
    ended = rest.ended("good", requests.utils.quote(run_id, safe=""))
    assert ended["state"] == "success" and ended["end_date"] >= ended["start_date"]
    again = rest.trigger("good", 409, dag_run_id=run_id)
    assert "already exists" in again["detail"]
    listed = rest.ask("GET", "/dags/good/dagRuns?limit=100")
    assert run_id in [run["dag_run_id"] for run in listed["dag_runs"]]
    everywhere = rest.ask("POST", "/dags/~/dagRuns/list", json={"dag_ids": ["good"]})
    assert everywhere["total_entries"] == listed["total_entries"]


def test_task_instances_and_their_logs(rest):
    made = rest.trigger("job")
    assert re.match(r"manual__\d{4}-", made["dag_run_id"])
    path = f"/dags/job/dagRuns/{made['dag_run_id']}"
    assert rest.ended("job", made["dag_run_id"])["state"] == "success"
    tasks = rest.ask("GET", f"{path}/taskInstances")["task_instances"]
    assert [(task["task_id"], task["state"], task["try_number"]) for task in tasks] == [
        ("Say", "success", 1)]
    assert tasks[0]["duration"] > 0 and tasks[0]["operator"] == "Processing"
    assert rest.ask("GET", f"{path}/taskInstances/Say")["task_id"] == "Say"
    log = rest.ask("GET", f"{path}/taskInstances/Say/logs/1")["content"]
    text = log if rest.version == "v1" else "\n".join(line["event"] for line in log)
    assert "processing-job/" in text
    rest.ask("GET", f"{path}/taskInstances/Hush", 404)
    rest.ask("GET", f"{path}/taskInstances/Hush/logs/1", 404)


def test_a_failed_step_is_shown_with_its_reason(rest):
    made = rest.trigger("bad")
    assert rest.ended("bad", made["dag_run_id"])["state"] == "failed"
    path = f"/dags/bad/dagRuns/{made['dag_run_id']}/taskInstances"
    task = rest.ask("GET", path)["task_instances"][0]
    assert (task["state"], "worse than before" in task["note"]) == ("failed", True)
    plain = rest.session.get(f"{rest.base}{path}/Refuse/logs/1", timeout=30,
                             headers={"Accept": "text/plain"})
    assert "worse than before" in plain.text and plain.text.startswith("step Refuse")


def test_what_does_not_fit_is_refused(rest):
    detail = rest.trigger("no-such-dag", 404)["detail"]
    assert detail == "DAG with dag_id: 'no-such-dag' not found"
    rest.ask("GET", "/dags/good/dagRuns/no-such-run", 404)
    rest.ask("GET", "/no-such-thing", 404)
    if rest.version == "v1":
        error = rest.trigger("good", 400, surprise=1)
        assert (error["title"], error["status"]) == ("Bad Request", 400)
        return
    missing = rest.ask("POST", "/dags/good/dagRuns", 422, json={"conf": {}})["detail"]
    assert (missing[0]["type"], missing[0]["loc"]) == ("missing", ["body", "logical_date"])
    extra = rest.trigger("good", 422, surprise=1)["detail"]
    assert (extra[0]["type"], extra[0]["loc"]) == ("extra_forbidden", ["body", "surprise"])


def test_bodies_without_measure_are_refused(lab, mwaa):
    deep = "[" * 400_000 + "]" * 400_000
    answer = requests.post(f"{lab.endpoint}/api/v1/dags/good/dagRuns", auth=lab.keys, timeout=30,
                           data='{"conf": {"Commit": ' + deep + "}}")
    assert answer.status_code == 400, answer.text
    assert requests.post(f"{lab.endpoint}/auth/token", timeout=30,
                         data=deep[:30_000]).status_code == 401
    long = requests.post(f"{lab.endpoint}/api/v1/dags/good/dagRuns", auth=lab.keys, timeout=30,
                         data='{"conf": {"Commit": "' + "x" * 2_000_000 + '"}}')
    assert long.status_code == 413, long.text
    assert mwaa.list_environments()["Environments"] == ["slipway"]  # the server is still there


def test_strangers_are_refused(lab):
    for path in ("/api/v1/dags", "/api/v2/dags", "/api/v1/version"):
        assert requests.get(lab.endpoint + path, timeout=30).status_code == 401
        wrong = requests.get(lab.endpoint + path, auth=(lab.keys[0], "wrong"), timeout=30)
        assert wrong.status_code == 401 and "Basic" in wrong.headers["WWW-Authenticate"]
    login = requests.post(f"{lab.endpoint}/auth/token", timeout=30,
                          json={"username": lab.keys[0], "password": "wrong"})
    assert login.status_code == 401
    health = requests.get(f"{lab.endpoint}/health", timeout=30).json()
    assert health["scheduler"]["status"] == "healthy"


def test_a_dag_is_paused_and_run_all_the_same(rest):
    assert rest.ask("PATCH", "/dags/good", json={"is_paused": True})["is_paused"] is True
    made = rest.trigger("good")
    assert rest.ended("good", made["dag_run_id"])["state"] == "success"
    assert rest.ask("PATCH", "/dags/good", json={"is_paused": False})["is_paused"] is False
    assert [dag["dag_id"] for dag in rest.ask("GET", "/dags")["dags"]] == ["bad", "good", "job"]
    assert rest.ask("GET", "/importErrors")["total_entries"] == 0


def test_runs_outlive_a_killed_server_and_tokens_do_not(own_server):
    create(own_server, "kept", step("C", 1, 1))
    cli, rest = Cli(own_server), Rest(own_server, "v1")
    rest.trigger("kept", dag_run_id="before", conf={"Depth": 3})
    own_server.kill()
    own_server.start()
    answer = requests.post(f"{own_server.endpoint}/aws_mwaa/cli", "version", timeout=30,
                           headers={"Authorization": f"Bearer {cli.token}"})
    assert answer.status_code == 403
    assert rest.ended("kept", "before")["state"] == "success"
    assert rest.ask("GET", "/dags/kept/dagRuns")["total_entries"] == 1
    assert rest.trigger("kept", 409, dag_run_id="before")
