"""Spans of a real worker's calls: what exports them, and a collector that is of no use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore, State
from tests.integration.tasks.worker.calling import calling, ends
from tests.support.otlp_sink import otlp_sink
from tests.support.waiting import until

FAILS_ONCE = """
import asyncio
from pathlib import Path

async def entrypoint(ctx):
    mark = Path(__file__).with_name("failed")
    if not mark.exists():
        mark.touch()
        raise RuntimeError("+15551234567 is not in the directory")
    done = Path(__file__).with_name("done")
    while not done.exists():
        await asyncio.sleep(0.05)
    ctx.shutdown("done")
"""


async def test_a_call_ends_and_is_taken_over_though_no_request_of_the_collectors_is_answered(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    with otlp_sink(hangs=True) as sink:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with calling(
            redis_server, switchboard_env, dispatcher, rooms, tmp_path, FAILS_ONCE, settings=settings
        ) as worker:

            async def next_attempt_runs() -> bool:
                room = await worker.room()
                return room.attempt == 2 and room.state is State.RUNNING and "connecting" in room.steps_ms

            await until(next_attempt_runs)
            child = await worker.child()
            (tmp_path / "done").touch()
            await until(_is_over(rooms))
            await ends(child)
            await worker.says("the last spans were not sent in time")
            assert not sink.spans


async def test_only_a_child_exports_and_its_failure_is_in_the_trace_without_its_message(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    with otlp_sink() as sink:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
        async with calling(
            redis_server, switchboard_env, dispatcher, rooms, tmp_path, FAILS_ONCE, settings=settings
        ) as worker:

            async def runs_again() -> bool:
                return (await worker.room()).attempt == 2 and (await worker.room()).pid is not None

            await until(runs_again)
            assert psutil.Process(worker.process.pid).num_threads() == 1
            child = await worker.child()
            (tmp_path / "done").touch()
            await until(_is_over(rooms))
            await ends(child)
        first, second = sorted(sink.named("attempt"), key=lambda span: span.attributes["switchboard.attempt"])
        assert (first.failed, second.failed) == (True, False)
        # No receiver has begun the trace, and it is one all the same.
        assert first.trace == second.trace
        assert second.links == (first.id,)
        assert {span.parent for span in sink.named("job_entrypoint")} == {first.id, second.id}
        assert b"5551234567" not in b"".join(sink.raw)


def _is_over(rooms: RoomStore) -> Callable[[], Awaitable[bool]]:
    async def over() -> bool:
        room = await rooms.get("RM_a0")
        return room is not None and room.state is State.ENDED

    return over
