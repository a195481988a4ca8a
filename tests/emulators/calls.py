"""Keeps which calls of AWS each function makes, as IAM sees them: the action, the resource, and what conditions look at.

A function tells who it is by its application id (AWS_SDK_UA_APP_ID), which the SDK sends as `app/<id>` in the user agent:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html. Requests of anybody else are not kept. One line of JSON for each
different call, in a file for each emulator in the folder that KEYWARD_CALLS names.
"""

import json
import os
import re
import threading
import urllib.parse

import cbor2

# What a transaction's parts are to IAM:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
PARTS = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}
# Calls that IAM knows no resource for, or none narrower that would do.
ANYTHING = "*"
# The tags that conditions look at.
CONDITIONS = ("keyward:stack", "keyward:slot")
# The name under which a request's method stands among its headers.
METHOD = ":method"


class Recorder:
    """What one emulator was asked. `tags_of` tells the tags of a secret by what it is named by, and None if there
    is none: what a role says to that is no matter."""

    def __init__(self, tags_of=lambda secret: {}):
        self.tags_of = tags_of
        self.known = set()
        self.lock = threading.Lock()
        folder = os.environ.get("KEYWARD_CALLS")
        self.path = folder and os.path.join(folder, f"{os.getpid()}.jsonl")

    def record(self, headers, path, body):
        """Keeps one request; `headers` by names in lower case."""
        agent = f"{headers.get('user-agent', '')} {headers.get('x-amz-user-agent', '')}"
        function = re.search(r"\bapp/([a-z-]+)", agent)
        if not function or not self.path:
            return
        for action, resource, context in self.calls(headers, path, body):
            call = {"function": function[1], "action": action, "resource": resource, "context": context}
            self.keep(json.dumps(call, sort_keys=True))

    def keep(self, line):
        with self.lock:
            if line not in self.known:
                self.known.add(line)
                with open(self.path, "a") as calls:
                    calls.write(f"{line}\n")

    def calls(self, headers, path, body):
        scope = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", headers.get("authorization", ""))
        service = scope[1] if scope else ""
        # `lambda` is no name in Python.
        read = getattr(self, {"lambda": "functions"}.get(service, service), self.unknown)
        return read(headers, path, body)

    @staticmethod
    def s3(headers, path, _):
        # The bucket is in the path: an emulator's address has no names before it.
        operation = {"GET": "GetObject", "PUT": "PutObject"}.get(headers[METHOD], headers[METHOD])
        return [(f"s3:{operation}", urllib.parse.unquote(path.lstrip("/")), {})]

    @staticmethod
    def securityhub(_, path, __):
        return [("securityhub:BatchImportFindings" if path == "/findings/import" else f"unknown:{path}", ANYTHING, {})]

    @staticmethod
    def cloudtrail(headers, _, __):
        # Looking up knows no resources.
        return [(f"cloudtrail:{headers['x-amz-target'].split('.')[-1]}", ANYTHING, {})]

    @staticmethod
    def unknown(headers, path, body):
        return [(f"unknown:{path}", ANYTHING, {})]

    def secretsmanager(self, headers, _, body):
        request = json.loads(body)
        operation = headers["x-amz-target"].split(".")[-1]
        action = f"secretsmanager:{operation}"
        if operation == "ListSecrets":
            return [(action, ANYTHING, {})]
        secret = request["SecretId"]
        tags = self.tags_of(secret)
        if tags is None:
            return []
        context = {f"aws:ResourceTag/{key}": [value] for key, value in tags.items() if key in CONDITIONS}
        keys = [re.sub(r"^keyward:handle:.*", "keyward:handle:*", key) for key in tag_keys(request)]
        if keys:
            context["aws:TagKeys"] = keys
        calls = [(action, secret, context)]
        if operation == "RotateSecret":
            # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
            calls.append(("lambda:InvokeFunction", "function:rotate", {}))
        return calls

    @staticmethod
    def dynamodb(headers, _, body):
        request = json.loads(body)
        operation = headers["x-amz-target"].split(".")[-1]
        if operation != "TransactWriteItems":
            index = request.get("IndexName")
            table = request["TableName"]
            return [(f"dynamodb:{operation}", f"table/{table}" + (f"/index/{index}" if index else ""), {})]
        parts = [(PARTS[kind], part["TableName"]) for item in request["TransactItems"] for kind, part in item.items()]
        return [(f"dynamodb:{action}", f"table/{table}", {}) for action, table in parts]

    @staticmethod
    def sns(_, __, body):
        request = dict(urllib.parse.parse_qsl(body.decode()))
        return [(f"sns:{request['Action']}", request["TopicArn"], {})]

    @staticmethod
    def monitoring(_, path, body):
        operation = path.split("/operation/")[-1]
        request = cbor2.loads(body) if body else {}
        action = f"cloudwatch:{operation}"
        if operation == "PutMetricData":
            return [(action, ANYTHING, {"cloudwatch:namespace": [request["Namespace"]]})]
        if operation in ("DescribeAlarms", "DescribeAlarmHistory"):
            return [(action, ANYTHING, {})]
        arn = request.get("ResourceARN")
        names = request.get("AlarmNames") or [request.get("AlarmName")]
        calls = [(action, arn or f"alarm:{name}", {}) for name in names]
        if operation == "PutMetricAlarm" and request.get("Tags"):
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
            calls += [("cloudwatch:TagResource", f"alarm:{name}", {}) for name in names]
        return calls

    @staticmethod
    def functions(_, path, __):
        if path.rstrip("/").endswith("/functions"):
            return [("lambda:ListFunctions", ANYTHING, {})]
        function = urllib.parse.unquote(path.split("/functions/")[-1].split("/")[0])
        return [("lambda:InvokeFunction", f"function:{function.split(':')[-1]}", {})]


def tag_keys(request):
    keys = [tag["Key"] for tag in request.get("Tags") or []]
    return keys + list(request.get("TagKeys") or [])


def asgi(app, recorder):
    """An ASGI application whose requests are kept."""

    async def recorded(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        headers[METHOD] = scope["method"]
        body = bytearray()

        async def received():
            message = await receive()
            body.extend(message.get("body", b""))
            if message["type"] == "http.request" and not message.get("more_body"):
                recorder.record(headers, scope["path"], bytes(body))
            return message

        return await app(scope, received, send)

    return recorded


def wsgi(app, recorder):
    """A WSGI application whose requests are kept."""
    import io

    def recorded(environ, start_response):
        names = (name for name in environ if name.startswith("HTTP_"))
        headers = {name[5:].replace("_", "-").lower(): environ[name] for name in names}
        headers[METHOD] = environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        recorder.record(headers, environ["PATH_INFO"], body)
        return app(environ, start_response)

    return recorded
