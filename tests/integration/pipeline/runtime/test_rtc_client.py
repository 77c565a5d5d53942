"""livekit's client in a process of its own: without a log by default, and warm after a connection that is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Counts the lines of the client's log that reach Python. What the client prints itself goes to stderr.
PREAMBLE = """
import asyncio, logging, os
from livekit import rtc
from livekit.rtc import _ffi_client
from pipeline.runtime import rtc_client

logged = []
logging.getLogger("livekit").addHandler(logging.Handler())
logging.getLogger("livekit").handlers[0].emit = logged.append
logging.getLogger("livekit").propagate = False

async def fail():
    try:
        await rtc.Room().connect("ws://127.0.0.1:1", "nobody listens there")
    except rtc.ConnectError as error:
        return str(error)

def threads():
    names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
    return sorted(name for name in names if name != "python")
"""


# As a child ends. The client's threads may still have a line for an interpreter that is about to end, and panic.
END = """
print(end="", flush=True)
os._exit(0)
"""


def run(program: str, **environment: str) -> tuple[str, str]:
    ran = subprocess.run(
        [sys.executable, "-c", PREAMBLE + program + END],
        env=os.environ | {"RUST_LOG": "off"} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ran.stdout.strip(), ran.stderr.strip()


CONNECT = """
async def main():
    rtc_client.start()
    reason = await fail()
    print("refused" in reason, len(logged))
    rtc_client.enable_logs()
    await fail()
    # They come from a thread of its own.
    while not logged:
        await asyncio.sleep(0.01)
    print(any("failed" in record.getMessage() for record in logged))
asyncio.run(main())
"""


def test_it_logs_nothing_until_its_logs_are_enabled_and_its_exception_has_the_reason() -> None:
    assert run(CONNECT) == ("True 0\nTrue", "")


def test_the_client_s_debug_log_is_forwarded_where_it_is_asked_for() -> None:
    program = """
async def main():
    rtc_client.start()
    await fail()
    print(any(record.levelno == logging.DEBUG for record in logged))
asyncio.run(main())
"""
    out, _ = run("logging.getLogger('livekit').setLevel(logging.DEBUG)\n" + program, LIVEKIT_RTC_DEBUG="1")
    assert out == "True"


def test_the_warm_up_connects_to_nobody_else_and_leaves_no_connection_and_no_line() -> None:
    program = """
async def main():
    rtc_client.start()
    before = len(os.listdir("/proc/self/fd"))
    await rtc_client.warm_up()
    # WebRTC's own threads have been there, and end by themselves.
    while any("signaling" in name for name in threads()):
        await asyncio.sleep(0.01)
    print(len(os.listdir("/proc/self/fd")) - before, len(logged))
asyncio.run(main())
"""
    assert run(program) == ("0 0", "")


def test_there_is_no_warm_up_through_a_proxy() -> None:
    program = """
import socket
proxy = socket.create_server(("127.0.0.1", 0))
os.environ["HTTP_PROXY"] = f"http://127.0.0.1:{proxy.getsockname()[1]}"
async def main():
    rtc_client.start()
    await rtc_client.warm_up()
    proxy.settimeout(0)
    try:
        proxy.accept()
        print("asked")
    except BlockingIOError:
        print("not asked")
asyncio.run(main())
"""
    assert run(program)[0] == "not asked"


@pytest.mark.parametrize(("warm_up", "outcome"), [("await rtc_client.warm_up()", "refused"), ("pass", "reads")])
def test_after_the_warm_up_the_certificates_of_the_host_are_not_read_again(
    tmp_path: Path, warm_up: str, outcome: str
) -> None:
    # A pipe that nobody writes to: its reader waits.
    certificates = tmp_path / "certificates.pem"
    os.mkfifo(certificates)
    program = f"""
async def main():
    rtc_client.start()
    {warm_up}
    os.environ["SSL_CERT_FILE"] = {str(certificates)!r}
    connecting = asyncio.create_task(fail())
    done, _ = await asyncio.wait({{connecting}}, timeout=3)
    print("refused" if done and "refused" in connecting.result() else "reads", flush=True)
    os._exit(0)
asyncio.run(main())
"""
    assert run(program)[0] == outcome


PANIC = """
import ctypes, signal
from livekit.rtc._proto import ffi_pb2

# As a child of the worker does.
signal.signal(signal.SIGTERM, lambda *_: None)
rtc_client.start()
event = ffi_pb2.FfiEvent(panic=ffi_pb2.Panic(message="made up")).SerializeToString()
data = (ctypes.c_uint8 * len(event)).from_buffer_copy(event)
_ffi_client.ffi_event_callback(data, len(event))
print("goes on without its client")
"""


def test_a_panic_of_the_client_ends_a_process_that_disregards_sigterm() -> None:
    ran = subprocess.run([sys.executable, "-c", PREAMBLE + PANIC + END], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, "")
    assert "FFI Panic:  made up" in ran.stderr
