"""Pipelines by stock clients: definitions, executions, real jobs, models and endpoints, crashes."""

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

from conftest import wait_for

ROLE = "arn:aws:iam::123456789012:role/builder"
BUCKET = "pipelines-lab"
ENDED = ("Succeeded", "Failed", "Stopped")

# Answers /ping and everything else with 200.
SERVE = """#!/usr/bin/python3
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def lab(server):
    server.client("s3").create_bucket(Bucket=BUCKET)
    return server


@pytest.fixture(scope="module")
def sagemaker(lab):
    return lab.client("sagemaker")


def processing(name, script, output=False, **members):
    """A Processing step that runs the script with /bin/sh."""
    arguments = {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "host", "ContainerEntrypoint": ["/bin/sh", "-c", script]},
        "ProcessingResources": {"ClusterConfig": {
            "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    }
    if output:
        arguments["ProcessingOutputConfig"] = {"Outputs": [{
            "OutputName": "report",
            "S3Output": {
                "S3Uri": {"Std:Join": {"On": "/", "Values": [
                    f"s3://{BUCKET}", {"Get": "Execution.PipelineExecutionId"}, name]}},
                "LocalPath": "/opt/ml/processing/report", "S3UploadMode": "EndOfJob"},
        }]}
        members["PropertyFiles"] = [
            {"PropertyFileName": "metrics", "OutputName": "report", "FilePath": "metrics.json"}]
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **members}


def condition(name, left, right, kind="Equals", then=(), otherwise=(), **members):
    return {"Name": name, "Type": "Condition", "Arguments": {
        "Conditions": [{"Type": kind, "LeftValue": left, "RightValue": right}],
        "IfSteps": list(then), "ElseSteps": list(otherwise)}, **members}


def metric(step):
    return {"Std:JsonGet": {"PropertyFile": {"Get": f"Steps.{step}.PropertyFiles.metrics"},
                            "Path": "scores.f1"}}


def definition(*steps, parameters=()):
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": list(parameters),
                       "Steps": list(steps)})


def create(sagemaker, name, *steps, **options):
    return sagemaker.create_pipeline(
        PipelineName=name, RoleArn=ROLE, PipelineDefinition=definition(*steps, **options))


def start(sagemaker, name, **options):
    return sagemaker.start_pipeline_execution(PipelineName=name, **options)["PipelineExecutionArn"]


def ended(sagemaker, arn, seconds=120):
    def look():
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return found["PipelineExecutionStatus"] in ENDED and found
    return wait_for(look, f"the end of {arn}", seconds)


def steps_of(sagemaker, arn):
    found = sagemaker.list_pipeline_execution_steps(
        PipelineExecutionArn=arn, SortOrder="Ascending")["PipelineExecutionSteps"]
    return {step["StepName"]: step for step in found}


def statuses(sagemaker, arn):
    return {name: step["StepStatus"] for name, step in steps_of(sagemaker, arn).items()}


def wait_for_line(lab, job, line):
    """Until a processing job has printed the line."""
    logs = lab.client("logs")

    def look():
        try:
            events = logs.filter_log_events(logGroupName="/aws/sagemaker/ProcessingJobs",
                                            logStreamNamePrefix=job.split("/")[-1])["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return any(event["message"] == line for event in events)
    wait_for(look, f"{line} from {job}")


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def test_a_pipeline_lives_from_creation_to_deletion(sagemaker):
    made = create(sagemaker, "Lives", condition("C", 1, 1))
    assert made["PipelineArn"].endswith(":pipeline/lives")
    again = refused(sagemaker.create_pipeline, PipelineName="Lives", RoleArn=ROLE,
                    PipelineDefinition=definition(condition("C", 1, 1)))
    assert again["Code"] == "ValidationException" and "already exists" in again["Message"]

    updated = sagemaker.update_pipeline(
        PipelineName="Lives", PipelineDescription="second",
        PipelineDefinition=definition(condition("D", 1, 1)))
    assert updated["PipelineVersionId"] == 2
    found = sagemaker.describe_pipeline(PipelineName=made["PipelineArn"])
    assert (found["PipelineName"], found["PipelineStatus"]) == ("Lives", "Active")
    assert found["PipelineDescription"] == "second" and '"D"' in found["PipelineDefinition"]
    first = sagemaker.describe_pipeline(PipelineName="Lives", PipelineVersionId=1)
    assert '"C"' in first["PipelineDefinition"]
    versions = sagemaker.list_pipeline_versions(PipelineName="Lives")["PipelineVersionSummaries"]
    assert [each["PipelineVersionId"] for each in versions] == [2, 1]
    listed = sagemaker.list_pipelines(PipelineNamePrefix="Live")["PipelineSummaries"]
    assert [each["PipelineName"] for each in listed] == ["Lives"]
    sagemaker.add_tags(ResourceArn=made["PipelineArn"], Tags=[{"Key": "team", "Value": "a"}])
    assert sagemaker.list_tags(ResourceArn=made["PipelineArn"])["Tags"]

    arn = start(sagemaker, "Lives")
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert "LastRunTime" in sagemaker.describe_pipeline(PipelineName="Lives")
    sagemaker.delete_pipeline(PipelineName="Lives")
    assert refused(sagemaker.describe_pipeline, PipelineName="Lives")["Code"] == "ResourceNotFound"
    gone = refused(sagemaker.describe_pipeline_execution, PipelineExecutionArn=arn)
    assert gone["Code"] == "ResourceNotFound"


def test_a_definition_is_refused_with_what_is_wrong(sagemaker):
    error = refused(sagemaker.create_pipeline, PipelineName="wrong", RoleArn=ROLE,
                    PipelineDefinition=definition(
                        {"Name": "T", "Type": "Tuning", "Arguments": {"a": 1}}))
    assert error["Code"] == "ValidationException"
    assert "Step 'T' has the type 'Tuning'" in error["Message"]


def test_a_definition_comes_from_s3(lab, sagemaker):
    lab.client("s3").put_object(Bucket=BUCKET, Key="p.json",
                                Body=definition(condition("FromS3", 1, 1)).encode())
    sagemaker.create_pipeline(PipelineName="from-s3", RoleArn=ROLE, PipelineDefinitionS3Location={
        "Bucket": BUCKET, "ObjectKey": "p.json"})
    arn = start(sagemaker, "from-s3")
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    text = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert "FromS3" in text["PipelineDefinition"]


def test_a_branch_is_taken_by_a_metric_of_a_job(sagemaker):
    write = "echo '{\"scores\": {\"f1\": 0.9}}' > /opt/ml/processing/report/metrics.json"
    create(sagemaker, "metric", processing("Evaluate", write, output=True),
           condition("Good", metric("Evaluate"), {"Get": "Parameters.Least"},
                     "GreaterThanOrEqualTo",
                     then=[processing("Publish", 'test "$NAME" = metric')],
                     otherwise=[{"Name": "Bad", "Type": "Fail", "Arguments": {
                         "ErrorMessage": {"Std:Join": {"On": " ", "Values": [
                             "f1 is", metric("Evaluate")]}}}}]),
           parameters=[{"Name": "Least", "Type": "Float", "DefaultValue": 0.8}])
    text = json.loads(sagemaker.describe_pipeline(PipelineName="metric")["PipelineDefinition"])
    publish = text["Steps"][1]["Arguments"]["IfSteps"][0]
    publish["Arguments"]["Environment"] = {"NAME": {"Get": "Execution.PipelineName"}}
    sagemaker.update_pipeline(PipelineName="metric", PipelineDefinition=json.dumps(text))

    good = start(sagemaker, "metric", PipelineExecutionDisplayName="good")
    assert ended(sagemaker, good)["PipelineExecutionDisplayName"] == "good"
    steps = steps_of(sagemaker, good)
    assert {name: step["StepStatus"] for name, step in steps.items()} == {
        "Evaluate": "Succeeded", "Good": "Succeeded", "Publish": "Succeeded"}
    assert steps["Good"]["Metadata"]["Condition"]["Outcome"] == "True"
    job = steps["Evaluate"]["Metadata"]["ProcessingJob"]["Arn"]
    assert job.split("/")[-1].startswith(f"pipelines-{good.split('/')[-1]}-Evaluate-")
    assert steps["Evaluate"]["StartTime"] <= steps["Evaluate"]["EndTime"]

    bad = start(sagemaker, "metric", PipelineParameters=[{"Name": "Least", "Value": "0.95"}])
    found = ended(sagemaker, bad)
    assert found["PipelineExecutionStatus"] == "Failed"
    assert "f1 is 0.9" in found["FailureReason"]
    assert steps_of(sagemaker, bad)["Bad"]["Metadata"]["Fail"]["ErrorMessage"] == "f1 is 0.9"
    parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=bad)
    assert parameters["PipelineParameters"] == [{"Name": "Least", "Value": "0.95"}]
    listed = sagemaker.list_pipeline_executions(PipelineName="metric", MaxResults=1)
    assert listed["PipelineExecutionSummaries"][0]["PipelineExecutionArn"] == bad
    rest = sagemaker.list_pipeline_executions(
        PipelineName="metric", MaxResults=1, NextToken=listed["NextToken"])
    assert rest["PipelineExecutionSummaries"][0]["PipelineExecutionArn"] == good


def test_a_step_is_taken_from_the_cache(sagemaker):
    step = processing("Prepare", "true", CacheConfig={"Enabled": True, "ExpireAfter": "PT1H"})
    create(sagemaker, "cached", step)
    first = start(sagemaker, "cached")
    ended(sagemaker, first)
    second = start(sagemaker, "cached")
    ended(sagemaker, second)

    assert "CacheHitResult" not in steps_of(sagemaker, first)["Prepare"]
    hit = steps_of(sagemaker, second)["Prepare"]
    assert hit["CacheHitResult"]["SourcePipelineExecutionArn"] == first
    assert hit["Metadata"] == steps_of(sagemaker, first)["Prepare"]["Metadata"]


def test_an_execution_is_stopped_and_retried(lab, sagemaker):
    wait = "trap 'exit 1' TERM; echo ready; sleep 300 & wait"
    create(sagemaker, "stopped", processing("Quick", "true"),
           processing("Long", wait, DependsOn=["Quick"]))
    arn = start(sagemaker, "stopped")
    job = wait_for(lambda: steps_of(sagemaker, arn).get("Long", {}).get("Metadata", {})
                   .get("ProcessingJob", {}).get("Arn"), "the long job")
    wait_for_line(lab, job, "ready")  # a first process without a trap ignores SIGTERM
    busy = refused(sagemaker.delete_pipeline, PipelineName="stopped")
    assert busy["Code"] == "ConflictException"
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(sagemaker, arn) == {"Quick": "Succeeded", "Long": "Stopped"}
    stopped = sagemaker.describe_processing_job(ProcessingJobName=job.split("/")[-1])
    assert stopped["ProcessingJobStatus"] == "Stopped"
    error = refused(sagemaker.stop_pipeline_execution, PipelineExecutionArn=arn)
    assert error["Code"] == "ValidationException"
    assert "Only pipelines with 'Executing' status can be stopped" in error["Message"]

    sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    second = wait_for(lambda: (found := steps_of(sagemaker, arn)["Long"].get("Metadata", {})
                               .get("ProcessingJob", {}).get("Arn")) != job and found,
                      "the second job")
    assert steps_of(sagemaker, arn)["Quick"]["AttemptCount"] == 1
    wait_for_line(lab, second, "ready")
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    ended(sagemaker, arn)


def test_a_callback_step_waits_for_its_answer(sagemaker):
    ask = {"Name": "Ask", "Type": "Callback", "SqsQueueUrl": "https://sqs/none",
           "Arguments": {"question": "?"},
           "OutputParameters": [{"OutputName": "answer", "OutputType": "String"}]}
    create(sagemaker, "asks", ask,
           condition("Yes", {"Get": "Steps.Ask.OutputParameters['answer']"}, "yes"))
    arn = start(sagemaker, "asks")
    token = wait_for(lambda: steps_of(sagemaker, arn).get("Ask", {}).get("Metadata", {})
                     .get("Callback", {}).get("CallbackToken"), "the token")
    sagemaker.send_pipeline_execution_step_success(
        CallbackToken=token, OutputParameters=[{"Name": "answer", "Value": "yes"}])
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert steps_of(sagemaker, arn)["Yes"]["Metadata"]["Condition"]["Outcome"] == "True"

    arn = start(sagemaker, "asks")
    token = wait_for(lambda: steps_of(sagemaker, arn).get("Ask", {}).get("Metadata", {})
                     .get("Callback", {}).get("CallbackToken"), "the token")
    sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="no time")
    assert "no time" in ended(sagemaker, arn)["FailureReason"]


def test_a_function_decides(lab, sagemaker):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("choose.py", """
def handler(event, context):
    if event["name"] == "none":
        raise ValueError("no name")
    return {"statusCode": 200, "count": len(event["name"]), "extra": []}
""")
    role = lab.client("iam").create_role(
        RoleName="chooser", AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": "lambda.amazonaws.com"}}]}))["Role"]["Arn"]
    function = lab.client("lambda").create_function(
        FunctionName="choose", Runtime="python3.11", Handler="choose.handler", Role=role,
        Code={"ZipFile": code.getvalue()})["FunctionArn"]
    create(sagemaker, "function",
           {"Name": "Choose", "Type": "Lambda", "FunctionArn": function,
            "Arguments": {"name": {"Get": "Parameters.Name"}},
            "OutputParameters": [{"OutputName": "count", "OutputType": "Integer"}]},
           condition("Long", {"Get": "Steps.Choose.OutputParameters['count']"}, 3, "GreaterThan"),
           parameters=[{"Name": "Name", "Type": "String", "DefaultValue": "long"}])
    arn = start(sagemaker, "function")
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = steps_of(sagemaker, arn)
    assert steps["Choose"]["Metadata"]["Lambda"] == {
        "Arn": function, "OutputParameters": [{"Name": "count", "Value": "4"}]}
    assert steps["Long"]["Metadata"]["Condition"]["Outcome"] == "True"

    arn = start(sagemaker, "function", PipelineParameters=[{"Name": "Name", "Value": "none"}])
    assert "no name" in ended(sagemaker, arn)["FailureReason"]


def test_parameters_are_checked(sagemaker):
    create(sagemaker, "typed", condition("C", 1, 1),
           parameters=[{"Name": "N", "Type": "Integer"},
                       {"Name": "Size", "Type": "String", "DefaultValue": "s",
                        "EnumValues": ["s", "l"]}])
    missing = refused(sagemaker.start_pipeline_execution, PipelineName="typed")
    assert missing["Code"] == "ValidationException" and "[N]" in missing["Message"]
    for name, value in (("N", "x"), ("Size", "m"), ("Other", "1")):
        error = refused(sagemaker.start_pipeline_execution, PipelineName="typed",
                        PipelineParameters=[{"Name": "N", "Value": "1"}] * (name != "N")
                        + [{"Name": name, "Value": value}])
        assert error["Code"] == "ValidationException", name
    none = refused(sagemaker.start_pipeline_execution, PipelineName="no-such-pipeline")
    assert none["Code"] == "ResourceNotFound"


def test_from_training_to_an_endpoint(lab, sagemaker):
    image = lab.push_image("lab/pipelines", "1.0.0", {"/serve.py": SERVE},
                           entrypoint=["/usr/bin/python3", "/serve.py"])
    train = {"Name": "Train", "Type": "Training", "Arguments": {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "host", "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", "echo $DEPTH > /opt/ml/model/model.txt"]},
        "Environment": {"DEPTH": {"Get": "Parameters.Depth"}},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600}}}
    data = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    register = {"Name": "Register", "Type": "RegisterModel", "Arguments": {
        "ModelPackageGroupName": "from-a-pipeline",
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelMetrics": {"ModelQuality": {"Statistics": {
            "ContentType": "application/json",
            "S3Uri": {"Std:Join": {"On": "/", "Values": [f"s3://{BUCKET}", "metrics.json"]}}}}},
        "InferenceSpecification": {
            "Containers": [{"Image": image, "ModelDataUrl": data}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}}}
    model = {"Name": "Model", "Type": "Model", "Arguments": {
        "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": image, "ModelDataUrl": data}}}
    config = {"Name": "Config", "Type": "EndpointConfig", "Arguments": {"ProductionVariants": [{
        "VariantName": "AllTraffic", "ModelName": {"Get": "Steps.Model.ModelName"},
        "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}]}}
    endpoint = {"Name": "Endpoint", "Type": "Endpoint", "Arguments": {
        "EndpointName": "from-a-pipeline",
        "EndpointConfigName": {"Get": "Steps.Config.EndpointConfigName"}}}
    create(sagemaker, "whole", train, register, model, config, endpoint,
           parameters=[{"Name": "Depth", "Type": "Integer", "DefaultValue": 3}])

    for version in (1, 2):
        arn = start(sagemaker, "whole")
        found = ended(sagemaker, arn)
        assert found["PipelineExecutionStatus"] == "Succeeded", found.get("FailureReason")
        steps = steps_of(sagemaker, arn)
        package = steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
        assert package.endswith(f":model-package/from-a-pipeline/{version}")
        described = sagemaker.describe_model_package(ModelPackageName=package)
        assert described["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == (
            f"s3://{BUCKET}/metrics.json")
        assert steps["Endpoint"]["Metadata"]["Endpoint"]["Arn"].endswith("/from-a-pipeline")
        live = sagemaker.describe_endpoint(EndpointName="from-a-pipeline")
        assert live["EndpointStatus"] == "InService"
        assert live["EndpointConfigName"] == (
            steps["Config"]["Metadata"]["EndpointConfig"]["Arn"].split("/")[-1])
    sagemaker.delete_endpoint(EndpointName="from-a-pipeline")


def test_selected_steps_run_on_earlier_results(sagemaker):
    write = "echo '{\"scores\": {\"f1\": 0.5}}' > /opt/ml/processing/report/metrics.json"
    create(sagemaker, "selected", processing("Evaluate", write, output=True),
           condition("Good", metric("Evaluate"), 0.5))
    source = start(sagemaker, "selected")
    ended(sagemaker, source)
    arn = start(sagemaker, "selected", SelectiveExecutionConfig={
        "SourcePipelineExecutionArn": source, "SelectedSteps": [{"StepName": "Good"}]})
    assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = steps_of(sagemaker, arn)
    assert steps["Good"]["Metadata"]["Condition"]["Outcome"] == "True"
    reused = steps["Evaluate"]["SelectiveExecutionResult"]
    assert reused["SourcePipelineExecutionArn"] == source


def test_a_file_that_is_not_there_is_named(sagemaker):
    uri = f"s3://{BUCKET}/none.json"
    create(sagemaker, "nofile", condition(
        "C", {"Std:JsonGet": {"S3Uri": uri, "Path": "scores.f1"}}, 1))
    failed = ended(sagemaker, start(sagemaker, "nofile"))
    assert f"{uri} cannot be read: The specified key" in failed["FailureReason"]


def test_a_killed_server_carries_on(own_server):
    sagemaker = own_server.client("sagemaker")
    chain = [processing("S0", "sleep 0.3")]
    chain += [processing(f"S{i}", "sleep 0.3", DependsOn=[f"S{i - 1}"]) for i in range(1, 5)]
    create(sagemaker, "killed", *chain)
    arns = [start(sagemaker, "killed") for _ in range(2)]
    for kills in range(1, 4):
        wait_for(lambda: any(len(statuses(sagemaker, arn)) > kills for arn in arns), "progress")
        own_server.kill()
        own_server.start()

    jobs = []
    for arn in arns:
        assert ended(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
        assert statuses(sagemaker, arn) == {f"S{i}": "Succeeded" for i in range(5)}
        assert all(step["AttemptCount"] == 1 for step in steps_of(sagemaker, arn).values())
        jobs += [step["Metadata"]["ProcessingJob"]["Arn"]
                 for step in steps_of(sagemaker, arn).values()]
    made = sagemaker.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    assert sorted(job["ProcessingJobArn"] for job in made) == sorted(jobs)
