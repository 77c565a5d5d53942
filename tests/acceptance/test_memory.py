"""What a call keeps in memory that no other process shares: see decision 19."""

from __future__ import annotations

from collections.abc import Callable

from tasks.rooms import State
from tests.acceptance.installation import Installation
from tests.acceptance.speech import answered_rightly
from tests.bench.processes import private_mb

# About 38 MB where nothing else runs, and 73 before anything was done about it.
MOST_MB = 50


async def test_a_call_that_was_answered_keeps_little_memory_of_its_own(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    async with running.call("acme") as caller:
        await answered_rightly(caller)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.pid is not None
        own = private_mb(room.pid)
        record_property("private_mb", round(own, 1))
        assert 0 < own < MOST_MB
