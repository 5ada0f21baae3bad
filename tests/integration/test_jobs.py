"""Training and processing jobs by stock clients, with real containers on the image "host"."""

import io
import tarfile

import pytest
from botocore.exceptions import ClientError

from conftest import wait_for

ROLE = "arn:aws:iam::123456789012:role/trainer"
BUCKET = "jobs-lab"


@pytest.fixture(scope="module")
def lab(server):
    """The server, with a bucket of input data."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="data/train/a.csv", Body=b"1,2\n")
    return server


def training_request(name, script, **changes):
    """The script travels in the environment: members of an entrypoint are one short line each."""
    request = {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "host",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", 'eval "$SCRIPT"'],
        },
        "Environment": {"SCRIPT": script},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    request.update(changes)
    return request


def processing_request(name, script, **changes):
    request = {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": "host",
            "ContainerEntrypoint": ["/bin/sh", "-c", script],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
    }
    request.update(changes)
    return request


def train(server, request):
    """Runs a training job to its end; returns its description."""
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    return trained(server, request["TrainingJobName"])


def trained(server, name):
    sagemaker = server.client("sagemaker")
    return wait_for(
        lambda: (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"]
        in ("Completed", "Failed", "Stopped") and job,
        f"the end of training job {name}",
    )


def reached(server, name, secondary):
    sagemaker = server.client("sagemaker")
    return wait_for(
        lambda: sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"]
        == secondary,
        f"{secondary} of training job {name}",
    )


def process(server, request):
    sagemaker = server.client("sagemaker")
    sagemaker.create_processing_job(**request)
    name = request["ProcessingJobName"]
    return wait_for(
        lambda: (job := sagemaker.describe_processing_job(ProcessingJobName=name))[
            "ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") and job,
        f"the end of processing job {name}",
    )


def messages_by_the_sdk(logs, group, job, instances=1):
    """All lines of a job, by the algorithm of the SageMaker SDK and of Airflow."""
    streams = logs.describe_log_streams(
        logGroupName=group, logStreamNamePrefix=f"{job}/", orderBy="LogStreamName",
        limit=instances)
    assert "nextToken" not in streams
    messages = []
    for stream in streams["logStreams"]:
        token = {}
        for _ in range(100):
            page = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startTime=0,
                startFromHead=True, **token)
            if not page["events"]:
                break
            messages += [event["message"] for event in page["events"]]
            token = {"nextToken": page["nextForwardToken"]}
    return streams["logStreams"], messages


def test_training_carries_data_to_a_model(lab):
    script = """
        set -e
        test "$(cat /opt/ml/input/config/hyperparameters.json)" = '{"depth":"3"}'
        test "$TRAINING_JOB_NAME" = trains
        cp /opt/ml/input/data/train/a.csv /opt/ml/model/weights.csv
        echo note > /opt/ml/output/data/note.txt
        echo 'epoch 1 loss=0.5;'
        echo 'epoch 2 loss=0.25; f1=0.9'
    """
    request = training_request(
        "trains", script,
        HyperParameters={"depth": "3"},
        InputDataConfig=[{
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/train"}},
        }],
        Tags=[{"Key": "team", "Value": "security"}],
    )
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "loss", "Regex": "loss=(.*?);"},
        {"Name": "f1", "Regex": r"f1=([0-9\.]+)"},
    ]
    job = train(lab, request)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["SecondaryStatus"] == "Completed"
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["TrainingTimeInSeconds"] >= 1 and job["BillableTimeInSeconds"] >= 1
    assert {m["MetricName"]: round(m["Value"], 3) for m in job["FinalMetricDataList"]} == {
        "loss": 0.25, "f1": 0.9}
    for member in ("HyperParameters", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
                   "RoleArn", "StoppingCondition"):
        assert job[member] == request[member], member
    messages = [each["StatusMessage"] for each in job["SecondaryStatusTransitions"]]
    assert all(messages) and len(set(messages)) == len(messages)
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-1] == "Completed"

    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{BUCKET}/out/trains/output/model.tar.gz"
    body = lab.client("s3").get_object(Bucket=BUCKET, Key="out/trains/output/model.tar.gz")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read()), mode="r:gz") as archive:
        assert archive.getnames() == ["weights.csv"]
        assert archive.extractfile("weights.csv").read() == b"1,2\n"


def test_logs_are_read_as_the_sdk_reads_them(lab):
    train(lab, training_request("prints", "for i in $(seq 300); do echo line $i; done"))

    logs = lab.client("logs")
    streams, messages = messages_by_the_sdk(logs, "/aws/sagemaker/TrainingJobs", "prints")
    assert len(streams) == 1
    assert streams[0]["logStreamName"].startswith("prints/algo-1-")
    assert messages == [f"line {i}" for i in range(1, 301)]


def test_a_failure_file_becomes_the_reason(lab):
    job = train(lab, training_request(
        "fails", "printf 'no column age' > /opt/ml/output/failure; exit 3"))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: no column age, exit code: 3"
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Failed"
    assert "TrainingEndTime" in job


def test_without_a_failure_file_the_last_output_is_told(lab):
    job = train(lab, training_request("mute", "echo 'ValueError: age' >&2; exit 1"))

    assert job["FailureReason"].startswith("AlgorithmError: , exit code: 1")
    assert "ValueError: age" in job["FailureReason"]


def test_missing_input_data_is_the_clients_error(lab):
    job = train(lab, training_request("hungry", "true", InputDataConfig=[{
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://no-such-bucket/data"}},
    }]))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed: ")


def test_a_stopped_job_keeps_its_model(lab):
    sagemaker = lab.client("sagemaker")
    sagemaker.create_training_job(**training_request(
        "stops", "trap 'exit 0' TERM; echo w > /opt/ml/model/w; echo ready;"
                 " while :; do sleep 0.1; done"))
    wait_for(lambda: first_line(lab, "stops") == "ready", "the first line of the job")
    sagemaker.stop_training_job(TrainingJobName="stops")
    job = trained(lab, "stops")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    lab.client("s3").head_object(Bucket=BUCKET, Key="out/stops/output/model.tar.gz")
    with pytest.raises(ClientError) as refused:
        sagemaker.stop_training_job(TrainingJobName="stops")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "is in status Stopped" in refused.value.response["Error"]["Message"]


def first_line(server, job):
    logs = server.client("logs")
    try:
        messages = messages_by_the_sdk(logs, "/aws/sagemaker/TrainingJobs", job)[1]
    except logs.exceptions.ResourceNotFoundException:
        return None
    return messages[0] if messages else None


def test_the_maximum_run_time_stops_a_job(lab):
    job = train(lab, training_request(
        "endless", "trap 'exit 0' TERM; echo w > /opt/ml/model/w; while :; do sleep 0.1; done",
        StoppingCondition={"MaxRuntimeInSeconds": 1}))

    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    lab.client("s3").head_object(Bucket=BUCKET, Key="out/endless/output/model.tar.gz")


def test_checkpoints_are_restored_and_saved(lab):
    script = ("cd /opt/ml/checkpoints; test -e step && echo found > /opt/ml/model/seen;"
              " echo 1 >> step; true")
    for name in ("resumes-1", "resumes-2"):
        job = train(lab, training_request(
            name, script, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints/resumes"}))
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")

    s3 = lab.client("s3")
    assert s3.get_object(Bucket=BUCKET, Key="checkpoints/resumes/step")["Body"].read() == b"1\n1\n"
    s3.head_object(Bucket=BUCKET, Key="out/resumes-2/output/model.tar.gz")


def test_processing_carries_inputs_to_outputs(lab):
    s3 = lab.client("s3")
    s3.put_object(Bucket=BUCKET, Key="in/sub/a.txt", Body=b"a")
    job = process(lab, processing_request(
        "processes",
        "cp -r /opt/ml/processing/in/sub /opt/ml/processing/out/ &&"
        " printf done > /opt/ml/output/message && echo $GREETING",
        Environment={"GREETING": "hello"},
        ProcessingInputs=[{"InputName": "in", "S3Input": {
            "S3Uri": f"s3://{BUCKET}/in", "LocalPath": "/opt/ml/processing/in",
            "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": {
            "S3Uri": f"s3://{BUCKET}/report", "LocalPath": "/opt/ml/processing/out",
            "S3UploadMode": "EndOfJob"}}]},
    ))

    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "done"
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    assert s3.get_object(Bucket=BUCKET, Key="report/sub/a.txt")["Body"].read() == b"a"
    _, messages = messages_by_the_sdk(lab.client("logs"), "/aws/sagemaker/ProcessingJobs",
                                      "processes")
    assert messages == ["hello"]


def test_a_failed_processing_job_says_why(lab):
    job = process(lab, processing_request("breaks", "echo 'bad input' >&2; exit 2"))

    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: , exit code: 2")
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]


def test_names_are_unique_and_absence_is_a_validation_error(lab):
    sagemaker = lab.client("sagemaker")
    request = training_request("once", "true")
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    with pytest.raises(sagemaker.exceptions.ResourceInUse) as taken:
        sagemaker.create_training_job(**request)
    assert arn in taken.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as absent:
        sagemaker.describe_training_job(TrainingJobName="never")
    assert absent.value.response["Error"]["Code"] == "ValidationException"
    assert absent.value.response["Error"]["Message"] == "Requested resource not found."


@pytest.mark.parametrize("change,says", [
    ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
     "InstanceCount is 2"),
    ({"AlgorithmSpecification": {"TrainingImage": "no/such:1", "TrainingInputMode": "File"}},
     "no/such"),
    ({"AlgorithmSpecification": {"TrainingImage": "host", "TrainingInputMode": "Pipe"}}, "Pipe"),
    ({"RoleArn": "arn:aws:iam::999999999999:role/trainer"}, "Cross-account"),
])
def test_what_cannot_be_done_is_refused_at_creation(lab, change, says):
    sagemaker = lab.client("sagemaker")
    with pytest.raises(ClientError) as refused:
        sagemaker.create_training_job(**training_request("refused", "true", **change))
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert says in refused.value.response["Error"]["Message"]


def test_lists_filter_and_page(lab):
    sagemaker = lab.client("sagemaker")
    for number in range(3):
        train(lab, training_request(f"listed-{number}", "true"))
    first = sagemaker.list_training_jobs(
        NameContains="listed", SortBy="Name", SortOrder="Descending", MaxResults=2)
    rest = sagemaker.list_training_jobs(
        NameContains="listed", SortBy="Name", SortOrder="Descending", MaxResults=2,
        NextToken=first["NextToken"])

    names = [job["TrainingJobName"] for page in (first, rest)
             for job in page["TrainingJobSummaries"]]
    assert names == ["listed-2", "listed-1", "listed-0"]
    assert "NextToken" not in rest
    assert all("TrainingEndTime" in job for job in first["TrainingJobSummaries"])
    failed = sagemaker.list_training_jobs(NameContains="listed", StatusEquals="Failed")
    assert failed["TrainingJobSummaries"] == []


def test_a_killed_server_carries_on(own_server):
    server = own_server
    server.client("s3").create_bucket(Bucket=BUCKET)
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request(
        "survives",
        "echo started >> /opt/ml/model/starts;"
        " for i in $(seq 60); do echo line $i; sleep 0.05; done"))
    reached(server, "survives", "Training")
    wait_for(lambda: first_line(server, "survives"), "the first line of the job")
    server.kill()
    server.start()
    job = trained(server, "survives")

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    body = server.client("s3").get_object(
        Bucket=BUCKET, Key="out/survives/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        assert archive.extractfile("starts").read() == b"started\n"
    _, messages = messages_by_the_sdk(
        server.client("logs"), "/aws/sagemaker/TrainingJobs", "survives")
    assert messages == [f"line {i}" for i in range(1, 61)]
