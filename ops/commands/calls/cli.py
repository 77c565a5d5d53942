"""The command line of `switchboard calls`."""

from __future__ import annotations

import sys
from typing import Any

import click

from ops.commands.calls.erase import erase

STATES = ("live", "over", "waiting", "queued", "running", "ended", "cancelled", "dead", "refused")


@click.group()
def calls() -> None:
    """Show calls, why one waits, and end or move one. ROOM is a room's name or its sid."""


@calls.command(name="list")
@click.option("--tenant", help="Only calls of this tenant.")
@click.option("--room", help="Name of the room, or its beginning and *.")
@click.option("--number", help="Telephone number of the caller, or its beginning and *.")
@click.option("--since", metavar="TIME", help="Opened since then: 30min, 2h, 7d, 2026-11-30, 2026-11-30T12:00 (UTC).")
@click.option("--state", type=click.Choice(STATES), help="live: waiting, queued or running; over: all others.")
@click.option("--outcome", help="Outcome of a call that is over, such as 'room empty'.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="Number of calls.")
@click.option("--cursor", help="Go on after a page: what it has printed as --cursor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calls_list(*, as_json: bool, **options: Any) -> None:
    """List calls, the newest first: open ones from Redis, and those that are over from the database.

    Reads REDIS_URL and SWITCHBOARD_DATABASE_URL.
    """
    from ops.commands.calls.listing import ListOptions, list_calls  # noqa: PLC0415 - as below

    sys.exit(list_calls(ListOptions(**options), as_json=as_json))


@calls.command(name="show")
@click.argument("room")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calls_show(room: str, *, as_json: bool) -> None:
    """Show a call as a timeline: steps, waits, attempts, failures and hand-overs, and then its turns and its usage.

    Reads REDIS_URL and SWITCHBOARD_DATABASE_URL.
    """
    from ops.commands.calls.show import show  # noqa: PLC0415 - as below

    sys.exit(show(room, as_json=as_json))


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


calls.add_command(erase)
