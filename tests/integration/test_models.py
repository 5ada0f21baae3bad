"""Models and the model registry with boto3, in the texts that clients steer by."""

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/slipway-execution"


@pytest.fixture(scope="module", name="sagemaker")
def _sagemaker(server):
    return server.client("sagemaker")


@pytest.fixture(scope="module", name="image")
def _image(server):
    return server.push_image("team/model", "1.0.0", {"/opt/a.txt": "a"}, entrypoint=["/bin/true"])


def fails(call, code, text):
    """Fails unless the call is refused with this code and text."""
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    assert (error["Code"], text in error["Message"]) == (code, True), error


def inference(image):
    """An inference specification with this image."""
    return {"Containers": [{"Image": image}], "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"]}


def test_a_model_lives_and_dies(sagemaker, image):
    container = {"Image": image, "Environment": {"A": "1"}}
    arn = sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE,
                                 Tags=[{"Key": "k", "Value": "v"}])["ModelArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:model/m"
    described = sagemaker.describe_model(ModelName="m")
    assert described["PrimaryContainer"] == {**container, "Mode": "SingleModel"}
    assert described["EnableNetworkIsolation"] is False
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    fails(lambda: sagemaker.create_model(ModelName="m", PrimaryContainer=container),
          "ValidationException", "Cannot create already existing model")
    sagemaker.delete_model(ModelName="m")
    fails(lambda: sagemaker.describe_model(ModelName="m"), "ValidationException",
          "Could not find model")


def test_versions_count_up_and_carry_who_approved_them(sagemaker, image):
    group = {"ModelPackageGroupName": "g"}
    sagemaker.create_model_package_group(**group)
    fails(lambda: sagemaker.create_model_package_group(**group), "ValidationException",
          "Model Package Group already exists")
    arns = [
        sagemaker.create_model_package(
            **group, InferenceSpecification=inference(image),
            CustomerMetadataProperties={"metric.f1": str(n)})["ModelPackageArn"]
        for n in range(3)
    ]
    assert [arn.rsplit("/", 1)[1] for arn in arns] == ["1", "2", "3"]
    waiting = sagemaker.describe_model_package(ModelPackageName=arns[0])
    assert waiting["ModelApprovalStatus"] == "PendingManualApproval"
    digest = waiting["InferenceSpecification"]["Containers"][0]["ImageDigest"]
    assert digest.startswith("sha256:")
    sagemaker.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved",
                                   ApprovalDescription="looks right")
    approved = sagemaker.list_model_packages(
        **group, ModelApprovalStatus="Approved", SortBy="CreationTime", SortOrder="Descending",
        MaxResults=1)["ModelPackageSummaryList"]
    assert [package["ModelPackageVersion"] for package in approved] == [2]
    described = sagemaker.describe_model_package(ModelPackageName=arns[1])
    assert described["ApprovalDescription"] == "looks right"
    fails(lambda: sagemaker.delete_model_package_group(**group), "ConflictException", "")


def test_a_model_from_an_approved_version_and_not_from_another(sagemaker, image):
    sagemaker.create_model_package_group(ModelPackageGroupName="h")
    arn = sagemaker.create_model_package(ModelPackageGroupName="h",
                                         InferenceSpecification=inference(image))["ModelPackageArn"]
    make = lambda: sagemaker.create_model(ModelName="from-package", ExecutionRoleArn=ROLE,
                                          PrimaryContainer={"ModelPackageName": arn})
    fails(make, "ValidationException", "")
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    make()
    assert sagemaker.describe_model(
        ModelName="from-package")["PrimaryContainer"]["ModelPackageName"] == arn


def test_nothing_is_approved_by_the_request_that_changes_it(server, sagemaker, image):
    other = server.push_image("team/model", "2.0.0", {"/opt/a.txt": "b"}, entrypoint=["/bin/true"])
    sagemaker.create_model_package_group(ModelPackageGroupName="changed")
    arn = sagemaker.create_model_package(ModelPackageGroupName="changed",
                                         InferenceSpecification=inference(image))["ModelPackageArn"]
    approve = lambda image: sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", InferenceSpecification=inference(image))
    fails(lambda: approve(other), "ConflictException", "by the request that changes its")
    assert sagemaker.describe_model_package(
        ModelPackageName=arn)["ModelApprovalStatus"] == "PendingManualApproval"
    approve(image)


def test_lists_page_and_filter(sagemaker, image):
    for number in range(23):
        sagemaker.create_model(ModelName=f"page-{number:02}", PrimaryContainer={"Image": image})
    pages = sagemaker.get_paginator("list_models").paginate(
        NameContains="PAGE-", SortBy="Name", SortOrder="Ascending",
        PaginationConfig={"PageSize": 10})
    sizes, names = [], []
    for page in pages:
        sizes.append(len(page["Models"]))
        names += [model["ModelName"] for model in page["Models"]]
    assert sizes == [10, 10, 3]
    assert names == [f"page-{number:02}" for number in range(23)]
    assert len(sagemaker.list_models()["Models"]) == 10
    fails(lambda: sagemaker.list_models(NextToken="rubbish"), "ValidationException", "oken")


@pytest.mark.parametrize("name,text", [
    ("-a", "regular expression pattern"),
    ("a" * 64, "less than or equal to 63"),
])
def test_a_bad_name_gets_the_validation_error_of_the_service(sagemaker, image, name, text):
    fails(lambda: sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": image}),
          "ValidationException", text)


def test_search_finds_a_group_as_the_sdk_asks(sagemaker):
    sagemaker.create_model_package_group(ModelPackageGroupName="sought")
    results = sagemaker.search(
        Resource="ModelPackageGroup",
        SearchExpression={"Filters": [{"Name": "ModelPackageGroupName", "Operator": "Equals",
                                       "Value": "sought"}]})["Results"]
    assert [r["ModelPackageGroup"]["ModelPackageGroupName"] for r in results] == ["sought"]
