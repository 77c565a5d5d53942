from __future__ import annotations

import asyncio

import numpy as np
import pytest

from ops.caller.errors import CallEnded, NoAnswer
from ops.caller.listener import Listener
from ops.caller.milestones import Clock, Milestone, Milestones
from ops.caller.recording import Channel, Samples

RATE = 1000
LOUD = np.full(20, 5000, dtype=np.int16)
QUIET = np.zeros(20, dtype=np.int16)


class Feed:
    """A listener, and frames put into it without a track."""

    def __init__(self) -> None:
        self.milestones = Milestones(Clock(), lambda _: None)
        self.listener = Listener(RATE, Clock(), self.milestones)
        self.channel = self.new_channel()

    def new_channel(self) -> Channel:
        channel = Channel(RATE)
        self.listener.channels.append(channel)
        return channel

    def put(self, *frames: Samples) -> None:
        for frame in frames:
            self.listener._add_frame(frame, self.channel)


@pytest.fixture
async def feed() -> Feed:
    return Feed()


async def test_a_sound_wakes_a_waiter(feed: Feed) -> None:
    waiting = asyncio.create_task(feed.listener.wait_for_sound(0.0, 5))
    await asyncio.sleep(0)

    feed.put(QUIET, LOUD)

    await waiting


async def test_a_sound_from_before_is_not_the_one_waited_for(feed: Feed) -> None:
    feed.put(LOUD)

    with pytest.raises(NoAnswer, match="Waited 0 s for the agent to speak"):
        await feed.listener.wait_for_sound(1000.0, 0.05)


async def test_silence_is_as_long_as_the_audio_that_had_nothing_in_it(feed: Feed) -> None:
    feed.put(LOUD, *[QUIET] * 4)
    with pytest.raises(NoAnswer):
        await feed.listener.wait_for_silence(0.1, 0.05)

    feed.put(QUIET)

    await feed.listener.wait_for_silence(0.1, 0.05)


async def test_a_sound_ends_the_silence(feed: Feed) -> None:
    feed.put(*[QUIET] * 10, LOUD)

    with pytest.raises(NoAnswer):
        await feed.listener.wait_for_silence(0.1, 0.05)


async def test_no_audio_is_not_silence(feed: Feed) -> None:
    with pytest.raises(NoAnswer, match="for the agent to be silent"):
        await feed.listener.wait_for_silence(0.02, 0.05)


async def test_the_end_of_the_call_wakes_a_waiter(feed: Feed) -> None:
    waiting = asyncio.create_task(feed.listener.wait_for_sound(0.0, 5))
    await asyncio.sleep(0)

    feed.listener.hang_up()

    with pytest.raises(CallEnded, match="while the caller waited for the agent to speak"):
        await waiting


async def test_the_first_frame_and_the_first_sound_are_noted_once(feed: Feed) -> None:
    feed.put(QUIET)
    assert list(feed.milestones.ms) == [Milestone.FIRST_FRAME]

    feed.put(LOUD)
    first = feed.milestones.ms
    feed.put(LOUD)

    assert list(first) == [Milestone.FIRST_FRAME, Milestone.FIRST_SOUND]
    assert feed.milestones.ms == first


async def test_two_agents_one_after_the_other_are_both_in_the_recording(feed: Feed) -> None:
    feed.put(LOUD)
    replacement = feed.new_channel()

    feed.listener._add_frame(LOUD, replacement)

    assert len(feed.listener.audible_intervals(gap=0.0)) == 2
