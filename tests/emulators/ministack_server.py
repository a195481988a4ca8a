"""ministack on a free port of the loopback interface. Prints the port, then serves, and keeps what
functions ask it for (calls.py).

Three things differ from ministack as it comes:

- What an alarm publishes names the alarm by its ARN, as CloudWatch's messages do:
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
- An alarm watches the metric with its own dimensions alone: each combination of dimensions is a metric of its own:
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#dimension-combinations
- Where CloudTrail's events are recorded, those of a function whose application id is `~NAME` stand under that name, as a
  function's session has the function's name: https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
"""

import asyncio
import json
import os
import re

import calls
import guard

guard.begin()
server = guard.listen()
port = server.getsockname()[1]
os.environ["GATEWAY_PORT"] = str(port)
os.environ["BIND_HOST"] = "127.0.0.1"
# Where functions find AWS that are told of no other place.
os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
os.environ["IOT_MTLS_ENABLED"] = "0"
os.environ["SFTP_ENABLED"] = "0"

from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack.app import app  # noqa: E402
from ministack.core.responses import get_account_id, get_region  # noqa: E402
from ministack.services import cloudtrail, cloudwatch, sns  # noqa: E402

publish = sns._fanout


def publish_with_arn(topic_arn, message_id, message, subject, *more, **named):
    """Adds the alarm's ARN to what an alarm publishes."""
    try:
        alarm = json.loads(message)
    except ValueError:
        alarm = None
    if isinstance(alarm, dict) and "NewStateValue" in alarm and "AlarmArn" not in alarm:
        place = f"{get_region()}:{get_account_id()}"
        alarm["AlarmArn"] = f"arn:aws:cloudwatch:{place}:alarm:{alarm['AlarmName']}"
        message = json.dumps(alarm)
    return publish(topic_arn, message_id, message, subject, *more, **named)


sns._fanout = publish_with_arn

evaluate = cloudwatch._evaluate_alarm


def evaluate_own(alarm):
    """Shows an alarm no metric but its own."""
    own = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    every = cloudwatch._metrics
    cloudwatch._metrics = {key: points for key, points in every.items() if key[2] == own}
    try:
        evaluate(alarm)
    finally:
        cloudwatch._metrics = every


cloudwatch._evaluate_alarm = evaluate_own

record_event = cloudtrail.record_event


def record_by_session(**event):
    """Names a function's session."""
    session = re.search(r"app/~(\S+)", event["user_agent"])
    if session:
        event["username"] = session[1]
    record_event(**event)


cloudtrail.record_event = record_by_session

config = Config()
config.bind = [f"fd://{server.detach()}"]
guard.announce(port)
asyncio.run(serve(calls.asgi(app, calls.Recorder()), config))
