"""The command line of `switchboard keys`."""

from __future__ import annotations

import sys
from datetime import datetime

import click


@click.group()
def keys() -> None:
    """Create, list and revoke API keys of backends. Receivers follow at once. Reads REDIS_URL."""


@keys.command(name="create")
@click.argument("name")
@click.option("--tenant", "tenants", multiple=True, help="Tenant that the key is for; several if given several times.")
@click.option("--every-tenant", is_flag=True, help="The key is for all tenants, those to come included.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["calls:create", "calls:read", "calls:operate", "calls:erase", "usage:read"]),
    help="Right of the key; several if given several times.",
)
@click.option("--days", type=click.IntRange(1), help="The key expires after so many days.  [default: never]")
@click.option("--expires", type=click.DateTime(), metavar="TIME", help="The key expires then (UTC): 2027-01-31.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def keys_create(
    name: str,
    *,
    tenants: tuple[str, ...],
    every_tenant: bool,
    scopes: tuple[str, ...],
    days: int | None,
    expires: datetime | None,
    as_json: bool,
) -> None:
    """Create a key and print it, this once. NAME is yours, to tell the key from others."""
    from ops.commands.keys.command import create  # noqa: PLC0415 - imported when it runs, as ops.cli says

    if bool(tenants) is every_tenant:
        raise click.UsageError("give either --tenant or --every-tenant")
    if days is not None and expires is not None:
        raise click.UsageError("give either --days or --expires")
    sys.exit(
        create(
            name,
            tenants=None if every_tenant else tenants,
            scopes=scopes,
            days=days,
            expires=expires,
            as_json=as_json,
        )
    )


@keys.command(name="list")
@click.option("--tenant", help="Only the keys that are valid for this tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def keys_list(*, tenant: str | None, as_json: bool) -> None:
    """List the keys, the newest first, without what opens anything."""
    from ops.commands.keys.command import list_keys  # noqa: PLC0415 - as above

    sys.exit(list_keys(tenant=tenant, as_json=as_json))


@keys.command(name="revoke")
@click.argument("key_id", metavar="ID")
def keys_revoke(key_id: str) -> None:
    """Revoke a key, from the next request on. ID is that of `switchboard keys list`."""
    from ops.commands.keys.command import revoke  # noqa: PLC0415 - as above

    sys.exit(revoke(key_id))
