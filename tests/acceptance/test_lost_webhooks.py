"""Calls whose webhooks nobody received."""

from __future__ import annotations

import time
from collections.abc import Callable

from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation


async def test_a_caller_whose_webhooks_never_arrive_is_answered_all_the_same(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    balancer = running.stack.balancer
    assert balancer is not None
    await balancer.stop()
    try:
        began = time.monotonic()
        async with running.call("acme") as caller:
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
            record_property("seconds_until_answered", round(time.monotonic() - began, 1))
            room = await running.reaches(caller.room_sid, State.RUNNING)
            assert room.attempt == 1
        # Its room_finished comes to nobody, too: the agent notices by itself that its caller has left.
        await running.reaches(room.sid, State.ENDED)
    finally:
        await balancer.start()
