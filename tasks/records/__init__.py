"""The lasting records of calls: a database that is written from the stream `switchboard:calls`, and queries on it.

    database      `Database`: connections, deadlines, and errors that name the cure
    store         `RecordStore`: find calls, one call with its attempts, usage
    erasure       `RecordErasure`: erasure of numbers and rooms' names, with its entry in the audit log
    directory     `CallDirectory`: open calls and those that are over in one list
    on_demand     `RecordsOnDemand`: a store that is loaded at its first query
    call_filter   `CallFilter`, and the cursors of pages
    selection     the conditions of a search, in SQL
    results       the results of `RecordStore`
    stream        the stream of records in Redis, read by a group of writers
    entries       the rows that one entry of the stream stands for
    insertion     the writing of rows, any number of times with the same result
    writer        `RecordWriter`: from the stream to the database
    models/       the tables, a module for each group of them
    migrations/   the schema's versions, for alembic
    schema        `switchboard database upgrade | status`
    errors        the errors of the database, each with its cure

# Use

    async with Database.open(DatabaseSettings.read()) as database:
        store = RecordStore(database)
        page = await store.list_calls(CallFilter(tenant="acme", number="+4930*"), limit=50)
        page = await store.list_calls(CallFilter(tenant="acme", number="+4930*"), cursor=page.next_cursor)
        details = await store.get_call("RM_…", tenant="acme")     # None: no such call of this tenant
        usage = await store.usage(since_ms=…, until_ms=…, tenant="acme")

One `Database` for a process, opened at its start: opening connects to nothing, so a process starts also while the
database is away. Every method raises `DatabaseUnavailable` (which is `retryable`: a receiver answers 503),
`SchemaOutdated` or `SchemaTooNew`; the messages are for an operator. Own tables are read and written with
`database.transaction()`, which is the same with SQLAlchemy's connection in it.

# What is in it

A call is a row from when its first attempt has ended, and complete when it is over, a moment later. Calls that run are
in Redis (`tasks.rooms`). Usage is kept by attempt, and a call's usage is the sum over its attempts: nothing of an
attempt that was handed over or killed is lost. A call belongs to the period in which it was opened, so that the calls
that a list shows of a month are those whose usage the month has.

Only the writer, `switchboard records`, and what shows records imports this package. Workers, their children and the
reconciler do not: a call never waits for the database. `Database` and `RecordStore` are imported when they are first
named: SQLAlchemy, alembic and the drivers take 40 MB, which a receiver need not have (`on_demand`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks.records.call_filter import CallFilter
from tasks.records.errors import DatabaseUnavailable, InvalidCursor, SchemaOutdated, SchemaTooNew
from tasks.records.results import (
    CallDetails,
    CallPage,
    ProviderProblem,
    StoredAttempt,
    StoredCall,
    TenantUsage,
    UsageLine,
)

if TYPE_CHECKING:
    from tasks.records.database import Database
    from tasks.records.store import RecordStore

__all__ = [
    "CallDetails",
    "CallFilter",
    "CallPage",
    "Database",
    "DatabaseUnavailable",
    "InvalidCursor",
    "ProviderProblem",
    "RecordStore",
    "SchemaOutdated",
    "SchemaTooNew",
    "StoredAttempt",
    "StoredCall",
    "TenantUsage",
    "UsageLine",
]

_LATER = {"Database": "tasks.records.database", "RecordStore": "tasks.records.store"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
