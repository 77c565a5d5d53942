"""The command line of `switchboard tenants`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.group()
def tenants() -> None:
    """Apply the tenants file to Redis, and show the tenants in Redis."""


@tenants.command(name="apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Validate the file and show what would change; change nothing.")
@click.option("--prune", is_flag=True, help="Remove the tenants that are in Redis and not in the file.")
@click.option(
    "--keys",
    type=click.File(encoding="utf-8"),
    help='Read the keys that are declared as "stdin:NAME" from this file, in lines NAME=key; - for stdin.',
)
@click.option(
    "--reencrypt",
    is_flag=True,
    help="Encrypt keys again that cannot be decrypted because their encryption key is lost.",
)
def tenants_apply(**options: Any) -> None:
    """Write the tenants that FILE declares to Redis: all of them, or none if anything in the file is wrong.

    Provider keys are read here and stored encrypted. Reads the same settings as a receiver, and
    SWITCHBOARD_ENCRYPTION_KEYS as the workers have it. The exit status is 0 if the file was applied, else 1.
    """
    from ops.commands.tenants.command import apply  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(apply(**options))


@tenants.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def tenants_list(*, as_json: bool) -> None:
    """List the tenants. Reads REDIS_URL."""
    from ops.commands.tenants.command import list_tenants  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(list_tenants(as_json=as_json))


@tenants.command(name="show")
@click.argument("tenant")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def tenants_show(tenant: str, *, as_json: bool) -> None:
    """Show a tenant, with fingerprints instead of its keys. Reads REDIS_URL."""
    from ops.commands.tenants.command import show  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(show(tenant, as_json=as_json))


@tenants.command(name="remove")
@click.argument("tenant")
def tenants_remove(tenant: str) -> None:
    """Remove a tenant and its keys. Its running calls go on. Reads REDIS_URL."""
    from ops.commands.tenants.command import remove  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(remove(tenant))


@tenants.command(name="rotate-keys")
def tenants_rotate_keys() -> None:
    """Encrypt all provider keys with the first of SWITCHBOARD_ENCRYPTION_KEYS.

    Reads the same settings as a receiver.
    """
    from ops.commands.tenants.command import rotate_keys  # noqa: PLC0415 - imported when it runs, as ops.cli says

    sys.exit(rotate_keys())
