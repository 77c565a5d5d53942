"""Databases with the schema of this version, and records in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from ops.stack import environment
from ops.stack.ports import PortPicker
from ops.stack.records import RecordWriterProcess
from tasks.records import Database
from tasks.records.database import upgrade
from tasks.records.entries import read_entry
from tasks.records.insertion import insert_records
from tasks.settings import DatabaseSettings
from tests.support.postgres import Postgres
from tests.unit.conventions.source_tree import ROOT

Fields = dict[str, str]

OPENED_MS = 1_790_000_000_000
USAGE = [
    {"type": "llm_usage", "provider": "openai", "model": "gpt-4o", "input_tokens": 120, "output_tokens": 30},
    {"type": "stt_usage", "provider": "deepgram", "model": "nova-3", "audio_duration": 12.5},
    {"type": "tts_usage", "provider": "elevenlabs", "model": "flash", "characters_count": 210, "audio_duration": 9.25},
]

_numbers = count(1)


async def sqlite(folder: Path) -> DatabaseSettings:
    """Return the settings of a new file of SQLite."""
    settings = DatabaseSettings.read({"SWITCHBOARD_DATABASE_URL": f"sqlite:///{folder / 'records.db'}"})
    await upgrade(settings)
    return settings


async def postgresql(server: Postgres) -> DatabaseSettings:
    """Return the settings of a new database of a running server."""
    settings = DatabaseSettings.read({"SWITCHBOARD_DATABASE_URL": server.create_database()})
    await upgrade(settings)
    return settings


def writer(directory: Path, *, redis_url: str, database: DatabaseSettings) -> RecordWriterProcess:
    """Return a writer of these records, a process of its own that may be killed, paused and started again."""
    env = environment.inherited((ROOT,)) | {
        "REDIS_URL": redis_url,
        "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
    }
    return RecordWriterProcess(directory, env, port=PortPicker().pick())


async def write(database: Database, entries: Iterable[Mapping[str, str]]) -> None:
    """Write entries of the stream, which get ids in their order."""
    async with database.transaction() as connection:
        await insert_records(connection, [read_entry(f"{next(_numbers)}-0", fields) for fields in entries])


def attempt_entry(
    sid: str,
    *,
    attempt: int = 1,
    opened_ms: int = OPENED_MS,
    ending: str = "ended",
    seconds: int = 60,
    usage: list[dict[str, Any]] | None = None,
    **fields: str,
) -> Fields:
    """Return the stream's fields for an attempt that was claimed a second after its call was opened."""
    claimed = opened_ms + 1000 * attempt
    end = "at:lost" if ending in {"lost", "handed_over"} else "at:ended"
    return {
        "kind": "attempt",
        "sid": sid,
        "name": f"call-acme-{sid}",
        "tenant": "acme",
        "tier": "premium",
        "attempt": str(attempt),
        "worker": f"premium@host{attempt}",
        "version": "0.1.0",
        "ending": ending,
        "cause": "failed" if ending == "lost" else "",
        "reason": "room empty",
        "uncounted": "0",
        "at:opened": str(opened_ms),
        "at:queued": str(opened_ms),
        "at:claimed": str(claimed),
        end: str(claimed + 1000 * seconds),
        "usage": json.dumps(USAGE if usage is None else usage),
        "turns": json.dumps({"turns": 4, "interruptions": 1, "replies_ms": [800, 950]}),
        **fields,
    }


def call_entry(
    sid: str, *, attempts: int = 1, opened_ms: int = OPENED_MS, state: str = "ended", seconds: int = 60, **fields: str
) -> Fields:
    """Return the stream's fields for a call that is over."""
    claimed = opened_ms + 1000 * attempts
    return {
        "kind": "call",
        "sid": sid,
        "name": f"call-acme-{sid}",
        "tenant": "acme",
        "tier": "premium",
        "attempt": str(attempts),
        "attempts": str(attempts),
        "worker": f"premium@host{attempts}" if attempts else "",
        "state": state,
        "outcome": "room empty",
        "ended_by": "callers",
        "usage": "[]",
        "at:opened": str(opened_ms),
        "at:ended": str(claimed + 1000 * seconds),
        **({"at:first_claimed": str(opened_ms + 1000), "at:claimed": str(claimed)} if attempts else {}),
        **fields,
    }
