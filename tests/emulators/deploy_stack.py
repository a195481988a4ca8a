"""Deploys a SAM template as a stack on ministack, and says on standard output, as JSON, what became of it.

    deploy_stack.py URL STACK TEMPLATE PARAMETERS LOGS PROGRAM…

TEMPLATE is JSON, and so are PARAMETERS, an object of texts. Each function runs the PROGRAM whose file has the name of the folder in its CodeUri; what it
prints is appended to LOGS/<function>.log. The template goes by way of a
bucket, as `sam deploy` sends it: it is longer than a request may be.
"""

import io
import json
import os
import shlex
import sys
import time
import zipfile

import boto3

url, stack, template, parameters, logs, *programs = sys.argv[1:]
programs = {os.path.basename(program): program for program in programs}
ANYBODY = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
BUCKET = "code"


def client(service):
    return boto3.client(service, endpoint_url=url, **ANYBODY)


def archive(function):
    """A `bootstrap` that runs the function's program, whatever its size."""
    program, log = shlex.quote(programs[function]), shlex.quote(f"{logs}/{function}.log")
    entry = zipfile.ZipInfo("bootstrap", date_time=(2026, 1, 1, 0, 0, 0))
    entry.external_attr = 0o755 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr(entry, f"#!/bin/sh\nexec {program} >>{log} 2>&1\n")
    return packed.getvalue()


def put(name, body):
    bucket.put_object(Bucket=BUCKET, Key=name, Body=body)


bucket = client("s3")
bucket.create_bucket(Bucket=BUCKET)
with open(template) as text:
    described = json.load(text)
for resource in described["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        function = os.path.basename(resource["Properties"]["CodeUri"])
        put(f"{function}.zip", archive(function))
        resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/{function}.zip"
put("template.json", json.dumps(described).encode())
stacks = client("cloudformation")
needed = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
given = [{"ParameterKey": name, "ParameterValue": value} for name, value in json.loads(parameters).items()]
stacks.create_stack(
    StackName=stack, TemplateURL=f"{url}/{BUCKET}/template.json", Capabilities=needed, Parameters=given
)
while True:
    made = stacks.describe_stacks(StackName=stack)["Stacks"][0]
    if not made["StackStatus"].endswith("IN_PROGRESS"):
        break
    time.sleep(0.1)
events = stacks.describe_stack_events(StackName=stack)["StackEvents"]
resources = stacks.describe_stack_resources(StackName=stack)["StackResources"]
said = {
    "status": made["StackStatus"],
    "outputs": {output["OutputKey"]: output["OutputValue"] for output in made.get("Outputs", [])},
    "resources": {each["LogicalResourceId"]: each["ResourceStatus"] for each in resources},
    "failed": [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events if "FAILED" in e["ResourceStatus"]],
}
json.dump(said, sys.stdout)
