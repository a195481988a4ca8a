"""moto on a free port of the loopback interface, with functions and rotations that run.

    moto_lambda.py LOG_FOLDER

Prints the port, then serves, and keeps what functions ask it for (calls.py). Four things differ from moto as it comes:

- A function is run as a process with a Runtime API of its own: `bootstrap` of its zip, or the program that its
  variable KEYWARD_BOOTSTRAP names. What it prints is appended to LOG_FOLDER/<function>.log. Where its variable
  KEYWARD_ELSEWHERE is a URL, it is not run here: its events are sent there, as to a function of another emulator.
- RotateSecret keeps the function that was configured, calls the four steps after it has answered and only as long as
  they succeed, names the secret by ARN and hands over a RotationToken, and refuses while AWSPENDING stands on a version
  other than AWSCURRENT, all as AWS documents it. The function is found by its name alone: an ARN of another emulator's
  has another account in it.
- GetSecretValue without a version reads AWSCURRENT.
- PutSecretValue takes AWSCURRENT from the version that has it, also after UpdateSecretVersionStage gave it to that one, and no
  other label with it.
"""

import guard

guard.begin()

import http.server  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import queue  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import urllib.request  # noqa: E402
import uuid  # noqa: E402
import zipfile  # noqa: E402

import calls  # noqa: E402
from moto.awslambda import models as functions  # noqa: E402
from moto.awslambda.utils import get_backend  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.secretsmanager import models as secrets  # noqa: E402
from moto.secretsmanager.exceptions import (  # noqa: E402
    InvalidRequestException,
    SecretNotFoundException,
)
from werkzeug.serving import make_server  # noqa: E402

LOGS = sys.argv[1]
PORT = 0
DEFAULT_TIMEOUT = 3


class Runtime:
    """One running copy of a function: takes one event at a time and stays up between them."""

    def __init__(self, function):
        self.events = queue.Queue()
        self.answers = queue.Queue()
        self.lock = threading.Lock()
        self.timeout = int(function.timeout or DEFAULT_TIMEOUT)
        self.arn = function.function_arn
        self.api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.api.daemon_threads = True
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        self.log_path = os.path.join(LOGS, f"{function.function_name}.log")
        self.program, folder = self._program(function)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program],
                env=self._environment(function, folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @staticmethod
    def _program(function):
        folder = tempfile.mkdtemp(prefix="function-")
        program = (function.environment_vars or {}).get("KEYWARD_BOOTSTRAP")
        if not program:
            zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(folder)
            program = os.path.join(folder, "bootstrap")
            os.chmod(program, 0o755)
        return program, folder

    def _environment(self, function, folder):
        own = {k: str(v) for k, v in (function.environment_vars or {}).items()}
        passed = {k: v for k, v in os.environ.items() if k.startswith("AWS_ENDPOINT_URL")}
        return {
            "PATH": os.environ.get("PATH", ""),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.api.server_address[1]}",
            "_HANDLER": function.handler or "bootstrap",
            "LAMBDA_TASK_ROOT": folder,
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_SDK_UA_APP_ID": os.path.basename(self.program),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": "emulated",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
            **passed,
            **own,
        }

    def _handler(runtime):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                request, event = runtime.events.get()
                deadline = int((time.time() + runtime.timeout) * 1000)
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", request)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", runtime.arn)
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self):
                body = self._body()
                parts = self.path.split("/")
                if "invocation" in parts:
                    runtime.answers.put((parts[-2], parts[-1] == "error", body))
                elif parts[-2:] == ["init", "error"]:
                    runtime.answers.put((None, True, body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        return Handler

    def alive(self):
        return self.process.poll() is None

    def invoke(self, event):
        """The answer, whether it is an error, and what was printed meanwhile."""
        with self.lock:
            start = os.path.getsize(self.log_path)
            request = str(uuid.uuid4())
            self.events.put((request, json.dumps(event).encode()))
            is_error, body = self._answer(request)
            with open(self.log_path, "rb") as log:
                log.seek(start)
                printed = log.read().decode(errors="replace")
            return body, is_error, printed

    def _answer(self, request):
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            try:
                answered, is_error, body = self.answers.get(timeout=0.05)
            except queue.Empty:
                if self.alive():
                    continue
                if self.answers.empty():
                    return True, failure("Runtime.ExitError", f"exit status {self.process.returncode}")
                continue
            if answered in (request, None):
                return is_error, body.decode()
        self.process.kill()
        self.process.wait()
        return True, failure("Sandbox.Timedout", f"Task timed out after {self.timeout}.00 seconds")


def failure(kind, message):
    return json.dumps({"errorType": kind, "errorMessage": message})


RUNTIMES = {}
RUNTIMES_LOCK = threading.Lock()


def runtime_of(function):
    key = (function.function_arn, function.code_sha_256, json.dumps(function.environment_vars))
    with RUNTIMES_LOCK:
        runtime = RUNTIMES.get(key)
        if runtime is None or not runtime.alive():
            runtime = RUNTIMES[key] = Runtime(function)
        return runtime


def end_functions():
    for runtime in list(RUNTIMES.values()):
        runtime.process.kill()
        runtime.process.wait()


guard.at_end.append(end_functions)


def send_elsewhere(url, event, timeout):
    """The answer of a function that another emulator has, and whether it is an error."""
    scope = "Credential=testing/20260101/us-east-1/lambda/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(event).encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read().decode(), "X-Amz-Function-Error" in answer.headers


def run_function(self, event=None):
    self.logs_backend.ensure_log_group(self.logs_group_name)
    if isinstance(event, str):
        event = json.loads(event)
    elsewhere = (self.environment_vars or {}).get("KEYWARD_ELSEWHERE")
    if elsewhere:
        body, is_error = send_elsewhere(elsewhere, event or {}, int(self.timeout or DEFAULT_TIMEOUT))
        return body, is_error, ""
    body, is_error, printed = runtime_of(self).invoke(event or {})
    self.save_logs(printed)
    return body, is_error, printed


functions.LambdaFunction._invoke_lambda = run_function


def holder(secret, label):
    """The version that carries a label."""
    for version, content in secret.versions.items():
        if label in content["version_stages"]:
            return version
    return None


def rotate_secret(
    self,
    secret_id,
    client_request_token=None,
    rotation_lambda_arn=None,
    rotation_rules=None,
    rotate_immediately=True,
):
    if not self._is_valid_identifier(secret_id):
        raise SecretNotFoundException()
    secret = self.secrets[secret_id]
    function = rotation_lambda_arn or secret.rotation_lambda_arn
    if not function:
        raise InvalidRequestException("No Lambda rotation function ARN is associated with this secret.")
    token = self._from_client_request_token(client_request_token)
    pending = holder(secret, "AWSPENDING")
    if pending == token:
        return secret.to_short_dict(version_id=token)
    if pending and "AWSCURRENT" not in secret.versions[pending]["version_stages"]:
        raise InvalidRequestException("A previous rotation isn't complete. That rotation will be reattempted.")
    secret.rotation_lambda_arn = function
    secret.rotation_requested = True
    secret.rotation_enabled = True
    days = (rotation_rules or {}).get("AutomaticallyAfterDays", 0)
    if days:
        secret.auto_rotate_after_days = days
        secret.next_rotation_date = int(time.time()) + days * 86400
    steps = ["testSecret"]
    if rotate_immediately:
        steps = ["createSecret", "setSecret", "testSecret", "finishSecret"]
        secret.remove_version_stages_from_old_versions(["AWSPENDING"])
        secret.versions[token] = {
            "createdate": int(time.time()),
            "version_id": token,
            "version_stages": ["AWSPENDING"],
        }
        secret.last_rotation_date = int(time.time())
    backend = get_backend(self.account_id, self.region_name)
    named = backend.get_function(function.split(":function:")[-1])
    rotation = threading.Thread(target=call_steps, args=(named, secret.arn, token, steps), daemon=True)
    rotation.start()
    return secret.to_short_dict(version_id=token)


def call_steps(function, arn, token, steps):
    rotation_token = str(uuid.uuid4())
    for step in steps:
        event = {
            "Step": step,
            "SecretId": arn,
            "ClientRequestToken": token,
            "RotationToken": rotation_token,
        }
        _, is_error, _ = function._invoke_lambda(event)
        if is_error:
            return


secrets.SecretsManagerBackend.rotate_secret = rotate_secret

get_secret_value = secrets.SecretsManagerBackend.get_secret_value


def get_current_by_default(self, secret_id, version_id, version_stage):
    if not version_id and not version_stage:
        version_stage = "AWSCURRENT"
    return get_secret_value(self, secret_id, version_id, version_stage)


secrets.SecretsManagerBackend.get_secret_value = get_current_by_default


reset_default_version = secrets.FakeSecret.reset_default_version


def move_current(self, secret_version, version_id):
    """Moves AWSCURRENT from whichever version has it."""
    old = holder(self, "AWSCURRENT")
    pending = old and "AWSPENDING" in self.versions[old]["version_stages"]
    self.default_version_id = old or self.default_version_id
    reset_default_version(self, secret_version, version_id)
    if pending:
        self.versions[old]["version_stages"].append("AWSPENDING")


secrets.FakeSecret.reset_default_version = move_current


def tags_of(secret):
    """The tags of a secret, by its name or ARN; None if there is no such secret."""
    for regions in secrets.secretsmanager_backends.values():
        for backend in regions.values():
            found = backend.secrets.get(secret)
            if found:
                return {tag["Key"]: tag["Value"] for tag in found.tags or []}
    return None


server = make_server(
    "127.0.0.1",
    0,
    calls.wsgi(DomainDispatcherApplication(create_backend_app), calls.Recorder(tags_of)),
    threaded=True,
    request_handler=MotoRequestHandler,
)
PORT = server.server_address[1]
os.environ["MOTO_PORT"] = str(PORT)
guard.announce(PORT)
server.serve_forever()
