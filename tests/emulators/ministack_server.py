"""ministack on a free port of the loopback interface. Prints the port, then serves.

One thing differs from ministack as it comes: what an alarm publishes names the alarm by its ARN, as CloudWatch's
messages do: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
"""

import asyncio
import json
import os

import guard

guard.begin()
server = guard.listen()
port = server.getsockname()[1]
os.environ["GATEWAY_PORT"] = str(port)
os.environ["BIND_HOST"] = "127.0.0.1"
os.environ["IOT_MTLS_ENABLED"] = "0"
os.environ["SFTP_ENABLED"] = "0"

from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack.app import app  # noqa: E402
from ministack.core.responses import get_account_id, get_region  # noqa: E402
from ministack.services import sns  # noqa: E402

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

config = Config()
config.bind = [f"fd://{server.detach()}"]
guard.announce(port)
asyncio.run(serve(app, config))
