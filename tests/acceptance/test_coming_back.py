"""A caller who comes back into a room that its agent has left, or in which it does not listen, is answered again."""

from __future__ import annotations

import pytest

from tasks.rooms import Room, State
from tests.acceptance.installation import ANSWER_SECONDS, Installation


def answered_again(room: Room) -> bool:
    return room.attempt == 2 and "first_audio" in room.steps_ms


@pytest.mark.parametrize("announced", [True, False])
async def test_a_caller_who_comes_back_after_the_agent_had_left_is_answered(
    running: Installation, *, announced: bool
) -> None:
    name = running.room_name("acme")
    async with running.call("acme", room=name) as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        sid = caller.room_sid
    await running.reaches(sid, State.ENDED)
    balancer = running.stack.balancer
    assert balancer is not None
    if not announced:
        await balancer.stop()
    try:
        # LiveKit keeps a room for a while after the last one has left it.
        async with running.call("acme", room=name) as caller:
            assert caller.room_sid == sid
            room = await running.reaches(sid, answered_again)
            assert room.state is State.RUNNING
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        await running.reaches(sid, State.ENDED)
    finally:
        if not announced:
            await balancer.start()


async def test_a_caller_who_loads_the_page_again_is_answered_though_the_agents_session_has_closed(
    running: Installation,
) -> None:
    name = running.room_name("starter")
    async with running.call("starter", room=name) as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        sid = caller.room_sid
    async with running.call("starter", room=name) as caller:
        assert caller.room_sid == sid
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        await running.reaches(sid, answered_again)
