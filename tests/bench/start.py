"""Starts as a Python function of the same purpose would: the same clients, then the first poll of the Runtime API.

Leaner than the real thing, which also loads a handler, logging and configuration.
"""

import http.client
import os

import boto3
import urllib3

CLIENTS = [boto3.client(name) for name in ("secretsmanager", "dynamodb", "sns")]
SESSION = urllib3.PoolManager()

runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
runtime.request("GET", "/2018-06-01/runtime/invocation/next")
runtime.getresponse()
