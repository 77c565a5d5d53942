"""`switchboard database`: the schema of the database. Each function returns the exit status."""

from __future__ import annotations

import asyncio
import json
import sys

from tasks.errors import SwitchboardError
from tasks.records.database import schema_status
from tasks.records.database import upgrade as upgrade_schema
from tasks.records.schema import NONE, SchemaStatus
from tasks.settings import DatabaseSettings

NOT_CURRENT = 2


def upgrade() -> int:
    """Upgrade the schema to the version that is needed."""
    return asyncio.run(_upgrade(DatabaseSettings.read()))


def status(*, as_json: bool) -> int:
    """Print the version of the schema. The exit status is 2 if it is not the one that is needed."""
    return asyncio.run(_status(DatabaseSettings.read(), as_json=as_json))


async def _upgrade(settings: DatabaseSettings) -> int:
    try:
        before = await schema_status(settings)
        await upgrade_schema(settings)
    except SwitchboardError as error:
        print(error, file=sys.stderr)
        return 1
    if before.is_current:
        print(f"the schema is {before.needed} already")
    else:
        print(f"the schema was {before.found or NONE} and is {before.needed}")
    return 0


async def _status(settings: DatabaseSettings, *, as_json: bool) -> int:
    try:
        schema = await schema_status(settings)
    except SwitchboardError as error:
        print(error, file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps({"found": schema.found, "needed": schema.needed, "cure": _cure(schema)}))
    else:
        cure = f"; {_cure(schema)}" if _cure(schema) else ""
        print(f"the schema is {schema.found or NONE}, needed is {schema.needed}{cure}")
    return 0 if schema.is_current else NOT_CURRENT


def _cure(schema: SchemaStatus) -> str:
    if schema.is_current:
        return ""
    return (
        "run: switchboard database upgrade"
        if schema.known
        else "deploy the version of Switchboard that has upgraded it"
    )
