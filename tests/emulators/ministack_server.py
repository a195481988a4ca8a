"""ministack on a free port of the loopback interface. Prints the port, then serves."""

import asyncio
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

config = Config()
config.bind = [f"fd://{server.detach()}"]
guard.announce(port)
asyncio.run(serve(app, config))
