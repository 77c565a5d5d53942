from __future__ import annotations

import subprocess
import sys

import click

from ops.commands.calls.cli import STATES
from ops.commands.keys.cli import keys_create
from tasks.rooms import CallState, State
from tasks.tenants.api_keys import Scope


def test_help_imports_neither_livekit_nor_celery() -> None:
    program = "import sys; from ops.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "demo" in output
    assert "ps" in output
    assert not {"livekit", "celery", "redis", "rich", "numpy"} & set(output.splitlines()[-1].split())


def test_the_words_that_the_command_line_offers_are_those_of_keys_and_calls() -> None:
    scopes = next(option for option in keys_create.params if option.name == "scopes").type
    assert isinstance(scopes, click.Choice)
    assert list(scopes.choices) == list(Scope)
    assert set(STATES) == {"live", "over", *State, *CallState}
