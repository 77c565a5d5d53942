"""The command line of `switchboard calls`."""

from __future__ import annotations

import sys

import click


@click.group()
def calls() -> None:
    """Show calls, why one waits, and end or move one. ROOM is a room's name or its sid."""


@calls.command(name="why")
@click.argument("room")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calls_why(room: str, *, as_json: bool) -> None:
    """Say why a call is not answered yet: its position, limits, and each worker's intake. Reads REDIS_URL."""
    from ops.commands.calls.why import run  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(run(room, as_json=as_json))


@calls.command(name="end")
@click.argument("room")
def calls_end(room: str) -> None:
    """End a call: its agent leaves, its callers are told, and its room is deleted. Reads REDIS_URL."""
    from ops.commands.calls.operations import end  # noqa: PLC0415 - as above

    sys.exit(end(room))


@calls.command(name="move")
@click.argument("room")
@click.option("--force", is_flag=True, help="Also if no other worker can take it now: its caller may have to wait.")
def calls_move(room: str, *, force: bool) -> None:
    """Hand a running call over to another worker, between two turns. Reads REDIS_URL."""
    from ops.commands.calls.operations import move  # noqa: PLC0415 - as above

    sys.exit(move(room, force=force))
