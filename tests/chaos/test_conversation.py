"""What a caller hears of two agents, with the long frames of the callers of these tests."""

from __future__ import annotations

import numpy as np
import pytest

from ops.caller.caller import LOW_CPU, RATE
from ops.caller.recording import Channel
from tests.chaos.conversation import doubled_seconds

FRAME_SECONDS = LOW_CPU[1] / 1000


def heard(speaker: str, begin: float, end: float) -> Channel:
    """Return a channel with a hum from `begin` to `end`, in whole frames of silence and sound."""
    channel = Channel(RATE, speaker)
    frame = round(RATE * FRAME_SECONDS)
    for first in range(0, 2 * RATE, frame):
        at = np.arange(first, first + frame) / RATE
        hum = np.where((begin <= at) & (at < end), 4000 * np.sin(2 * np.pi * 250 * at), 0)
        channel.put(first / RATE, hum.astype(np.int16))
    return channel


@pytest.mark.parametrize(
    ("ends", "begins", "doubled"), [(0.51, 0.52, 0.0), (0.52, 0.51, 0.01), (0.8, 0.5, 0.3), (0.2, 1.0, 0.0)]
)
def test_two_agents_that_follow_each_other_within_a_frame_are_not_heard_at_once(
    ends: float, begins: float, doubled: float
) -> None:
    channels = [heard("agent-1", 0.1, ends), heard("agent-2", begins, 1.5)]

    assert doubled_seconds(channels) == pytest.approx(doubled)
    assert channels[1].first_sound == pytest.approx(begins)
