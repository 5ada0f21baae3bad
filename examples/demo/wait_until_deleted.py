"""Waits until an endpoint is gone. Usage: wait_until_deleted.py ENDPOINT"""

import sys

import boto3

boto3.client("sagemaker").get_waiter("endpoint_deleted").wait(
    EndpointName=sys.argv[1], WaiterConfig={"Delay": 1, "MaxAttempts": 90}
)
