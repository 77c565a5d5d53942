from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ops.caller.recording import Channel, Interval, Samples, is_audible

RATE = 1000
FRAME = 20


def frame(level: int = 1000) -> Samples:
    return np.full(FRAME, level, dtype=np.int16)


def begins(channel: Channel) -> list[int]:
    return [begin for begin, _ in channel.aligned_frames()]


def channel(*times: float, level: int = 1000) -> Channel:
    made = Channel(RATE)
    for at in times:
        made.put(at, frame(level))
    return made


def test_frames_that_come_on_time_lie_where_they_came() -> None:
    assert begins(channel(0.1, 0.12, 0.14)) == [100, 120, 140]


def test_a_burst_after_a_stall_of_the_event_loop_leaves_no_gap() -> None:
    # The second and third were seen late, together with the fourth.
    assert begins(channel(0.1, 0.159, 0.1595, 0.16)) == [100, 120, 140, 160]


def test_a_gap_after_which_nothing_catches_up_stays_a_gap() -> None:
    assert begins(channel(0.1, 0.12, 0.5, 0.52)) == [100, 120, 500, 520]


def test_jitter_never_makes_frames_overlap() -> None:
    jittered = [0.02 * number + jitter for number, jitter in enumerate([0, 0.009, 0.002, 0.013, 0.0, 0.006])]

    placed = begins(channel(*jittered))

    assert all(two - one >= FRAME for one, two in pairwise(placed))


def test_a_channel_is_silent_where_nothing_came() -> None:
    rendered = channel(0.1, 0.2).render(0.3)

    assert len(rendered) == 300
    assert np.flatnonzero(rendered).tolist() == [*range(100, 120), *range(200, 220)]


def test_frames_after_the_end_are_cut_off() -> None:
    assert channel(0.09).render(0.1).tolist() == [0] * 90 + [1000] * 10


def test_the_onset_lies_within_its_frame_and_after_the_time_asked_for() -> None:
    made = channel(0.1)
    late = frame(0)
    late[10:] = 1000
    made.put(0.5, late)

    assert made.onset(0.2) == pytest.approx(0.51)
    assert made.onset(0.0) == pytest.approx(0.1)
    assert made.onset(0.9) == float("inf")


def test_stretches_join_sounds_that_are_close_together() -> None:
    heard = channel(0.1, 0.12, 0.2, 0.9).audible_intervals(gap=0.3)

    assert heard == [Interval(0.1, 0.22), Interval(0.9, 0.92)]


def test_a_channel_without_sound_has_no_stretches() -> None:
    assert channel(0.1, 0.12, level=0).audible_intervals(gap=0.3) == []


@pytest.mark.parametrize(("level", "audible"), [(0, False), (150, False), (250, True), (-32768, True)])
def test_a_frame_is_audible_from_a_level_on(level: int, audible: bool) -> None:  # noqa: FBT001 - a parameter of a test
    assert is_audible(frame(level)) is audible
