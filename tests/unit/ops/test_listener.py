from __future__ import annotations

import asyncio

import numpy as np
import pytest

from ops.caller.clock import Clock
from ops.caller.errors import CallEnded, NoAnswer
from ops.caller.listener import Ear
from ops.caller.milestones import Moment, Moments
from ops.caller.recording import Channel, Samples

RATE = 1000
LOUD = np.full(20, 5000, dtype=np.int16)
QUIET = np.zeros(20, dtype=np.int16)


class HearingAid:
    """An ear, and frames put into it without a track."""

    def __init__(self) -> None:
        self.moments = Moments(Clock(), lambda _: None)
        self.ear = Ear(RATE, Clock(), self.moments)
        self.channel = self.new_channel()

    def new_channel(self) -> Channel:
        channel = Channel(RATE)
        self.ear.channels.append(channel)
        return channel

    def hears(self, *frames: Samples) -> None:
        for frame in frames:
            self.ear._take(frame, self.channel)


@pytest.fixture
async def aid() -> HearingAid:
    return HearingAid()


async def test_a_sound_wakes_whoever_waits_for_one(aid: HearingAid) -> None:
    waiting = asyncio.create_task(aid.ear.sound(0.0, 5))
    await asyncio.sleep(0)

    aid.hears(QUIET, LOUD)

    await waiting


async def test_a_sound_from_before_is_not_the_one_waited_for(aid: HearingAid) -> None:
    aid.hears(LOUD)

    with pytest.raises(NoAnswer, match="Waited 0 s for the agent to speak"):
        await aid.ear.sound(1000.0, 0.05)


async def test_silence_is_as_long_as_the_audio_that_had_nothing_in_it(aid: HearingAid) -> None:
    aid.hears(LOUD, *[QUIET] * 4)
    with pytest.raises(NoAnswer):
        await aid.ear.silence(0.1, 0.05)

    aid.hears(QUIET)

    await aid.ear.silence(0.1, 0.05)


async def test_a_sound_ends_the_silence(aid: HearingAid) -> None:
    aid.hears(*[QUIET] * 10, LOUD)

    with pytest.raises(NoAnswer):
        await aid.ear.silence(0.1, 0.05)


async def test_no_audio_is_not_silence(aid: HearingAid) -> None:
    with pytest.raises(NoAnswer, match="for the agent to be silent"):
        await aid.ear.silence(0.02, 0.05)


async def test_the_end_of_the_call_wakes_whoever_waits(aid: HearingAid) -> None:
    waiting = asyncio.create_task(aid.ear.sound(0.0, 5))
    await asyncio.sleep(0)

    aid.ear.hang_up()

    with pytest.raises(CallEnded, match="while the caller waited for the agent to speak"):
        await waiting


async def test_the_first_frame_and_the_first_sound_are_noted_once(aid: HearingAid) -> None:
    aid.hears(QUIET)
    assert list(aid.moments.ms) == [Moment.FIRST_FRAME]

    aid.hears(LOUD)
    first = aid.moments.ms
    aid.hears(LOUD)

    assert list(first) == [Moment.FIRST_FRAME, Moment.FIRST_SOUND]
    assert aid.moments.ms == first


async def test_two_agents_one_after_the_other_are_both_in_the_recording(aid: HearingAid) -> None:
    aid.hears(LOUD)
    replacement = aid.new_channel()

    aid.ear._take(LOUD, replacement)

    assert len(aid.ear.stretches(gap=0.0)) == 2
