"""Ties an emulator to whoever started it.

The emulator runs in a process group and a folder of its own. When its standard input closes, which it does however the
starter ends, or on SIGTERM and SIGINT, the folder is removed and the whole group ends, children included.
"""

import atexit
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading

_ending = threading.Lock()
_folder = None

# Called before everything else ends.
at_end = []


def end(*_):
    """Removes the folder and ends the process group."""
    if _ending.acquire(blocking=False):
        for call in at_end:
            call()
        if _folder:
            shutil.rmtree(_folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


def _wait_for_starter():
    while sys.stdin.buffer.read(4096):
        pass
    end()


def begin():
    """Call first, before an emulator is imported: what it writes goes under the folder."""
    global _folder
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    _folder = tempfile.mkdtemp(prefix="keyward-emulator-")
    os.environ["TMPDIR"] = tempfile.tempdir = _folder
    atexit.register(end)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threading.Thread(target=_wait_for_starter, daemon=True).start()


def listen():
    """A socket on a free port of the loopback interface."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(128)
    return server


def announce(port):
    """Tells the starter the port, as the one line of standard output; what is printed later goes to the log."""
    print(port, flush=True)
    os.dup2(2, 1)
