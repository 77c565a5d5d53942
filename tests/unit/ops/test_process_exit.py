from __future__ import annotations

import os
import subprocess
import sys

import pytest

FINALIZED = """
import os
from ops.caller.process_exit import exit_process

class Native:
    \"\"\"Aborts if Python is finalized around it, as a thread of WebRTC does that calls back into it.\"\"\"

    def __del__(self, abort=os.abort):
        abort()

native = Native()
print("answered")
"""


@pytest.mark.parametrize("status", [0, 1])
def test_a_process_that_has_been_a_caller_ends_with_its_status_and_its_output(status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{FINALIZED}\nexit_process({status})"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "answered\n", "")


def test_a_reader_that_has_gone_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", f"{FINALIZED}\nimport sys; sys.stdin.read(); exit_process(0)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
