"""Checks of the lasting records: the database can be used, and a writer keeps up with the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ops.commands.doctor.finding import Finding, error, ok, warning
from ops.commands.doctor.installation import Installation
from tasks.errors import RedisUnavailable
from tasks.records.database import schema_status
from tasks.records.errors import DatabaseUnavailable
from tasks.rooms.record_lag import StreamLag, writer_is_alive

NO_RECORDS = "no writer of records has ever begun: the last 30,000 records are in Redis alone"
LATE_SECONDS = 300.0
"""As the alert SwitchboardRecordsNotWritten has it."""
START = "start one: switchboard records. If one runs, its log says what it lacks: most often the database"


async def database(installation: Installation) -> AsyncIterator[Finding]:
    """Check that the database answers, and has the schema of this version."""
    settings = installation.settings.database
    try:
        schema = await schema_status(settings)
    except DatabaseUnavailable as failure:
        problem = " ".join(str(failure).split())
        yield error(problem, "start it, or correct the address; calls are answered without it, and not recorded")
        return
    if not schema.found and not await _is_wanted(installation):
        yield ok(NO_RECORDS)
    elif schema.is_current:
        yield ok(f"it answers, and has the schema {schema.found}")
    elif schema.known:
        found = schema.found or "none"
        yield error(f"its schema is {found}, and this version needs {schema.needed}", "switchboard database upgrade")
    else:
        cure = "deploy the version that has upgraded it here too"
        yield error(f"its schema is {schema.found}, which this version does not know", cure)


async def records(installation: Installation) -> AsyncIterator[Finding]:
    """Check that a writer is alive, and how far it is behind."""
    lag = await _lag(installation)
    if lag is None:
        if "url" in installation.settings.database.model_fields_set:
            yield warning("a database is named, and no writer of records has ever begun", START)
        else:
            yield ok(NO_RECORDS)
        return
    yield judge(lag, is_alive=await installation.ask_redis(writer_is_alive(installation.redis)))


def judge(lag: StreamLag, *, is_alive: bool) -> Finding:
    """Return the finding about what the writers have left."""
    behind = f"the oldest record that is not written is {lag.unwritten_seconds:.0f} s old"
    kept = f"Redis keeps those of the last {lag.kept_seconds / 3600:.1f} h"
    if not is_alive:
        return error(f"no writer of records runs: {behind}, and {kept}", START)
    if lag.unwritten_seconds > LATE_SECONDS:
        cure = "see the writer's log and the database; docs/alerts.md#switchboardrecordsnotwritten"
        return error(f"a writer runs, and is late: {behind}, and {kept}", cure)
    return ok(f"a writer runs, and is {lag.unwritten_seconds:.0f} s behind")


async def _is_wanted(installation: Installation) -> bool:
    try:
        return "url" in installation.settings.database.model_fields_set or await _lag(installation) is not None
    except RedisUnavailable:
        return True


async def _lag(installation: Installation) -> StreamLag | None:
    await installation.require_redis()
    return await installation.record_lag()
