"""The command line of `switchboard notices`."""

from __future__ import annotations

import sys
from typing import Any

import click


@click.group()
def notices() -> None:
    """List, send again and test the notices to tenants' backends. Each command reads REDIS_URL."""


@notices.command(name="list")
@click.argument("tenant")
@click.option("--state", type=click.Choice(["pending", "delivered", "given_up"]), help="Notices in this state alone.")
@click.option("--call", "sid", help="Notices of the call of the room with this sid alone.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Number of notices.")
@click.option("--before", metavar="ID", help="Notices that are older than this one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, with all tries.")
def notices_list(tenant: str, **options: Any) -> None:
    """List the notices of a tenant, the newest first, with the last answer of its backend."""
    from ops.commands.notices.command import list_notices  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(list_notices(tenant, **options))


@notices.command(name="show")
@click.argument("notice")
def notices_show(notice: str) -> None:
    """Show a notice as JSON, with its content and all tries. NOTICE is its id, the backend's `webhook-id`."""
    from ops.commands.notices.command import show  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(show(notice))


@notices.command(name="resend")
@click.argument("ids", metavar="NOTICE...", nargs=-1)
@click.option("--tenant", help="All notices of this tenant that are in the state.")
@click.option("--state", default="given_up", show_default=True, type=click.Choice(["pending", "delivered", "given_up"]))
def notices_resend(ids: tuple[str, ...], *, tenant: str | None, state: str) -> None:
    """Send notices again, or at once if they wait. A backend that is disabled gets them too."""
    from ops.commands.notices.command import resend  # noqa: PLC0415 - imported when it runs, as ops.cli says

    if bool(ids) is (tenant is not None):
        raise click.UsageError("name the notices, or a --tenant")
    sys.exit(resend(ids, tenant=tenant, state=state))


@notices.command(name="test")
@click.argument("tenant")
@click.option(
    "--seconds", default=30.0, show_default=True, type=click.FloatRange(1), help="Time for the backend's answer."
)
def notices_test(tenant: str, *, seconds: float) -> None:
    """Send a notice of type `test` to a tenant's backend, and print its answer.

    A background worker sends it, as it sends all. A backend that is disabled and takes it is enabled again. The exit
    status is 0 if it was taken, else 1.
    """
    from ops.commands.notices.command import test  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(test(tenant, seconds=seconds))


@notices.command(name="backends")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def notices_backends(*, as_json: bool) -> None:
    """Show the backends of all tenants: which fail, which are disabled and why, and how many notices wait."""
    from ops.commands.notices.command import backends  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(backends(as_json=as_json))
