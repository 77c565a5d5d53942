"""Where utterances begin and end."""

from __future__ import annotations

from pipeline.providers.local.endpoint import Endpointer, Turn
from tests.unit.pipeline.providers.speech import silence, spoken


def turns(endpointer: Endpointer, pcm: bytes) -> list[Turn]:
    return [turn for frame in Endpointer.frames(pcm) if (turn := endpointer.feed(frame)) is not None]


def test_an_utterance_begins_and_ends_in_steps() -> None:
    found = turns(Endpointer(), silence(1) + spoken("what are your opening hours") + silence(1))
    assert [turn for turn in found if turn not in (Turn.BREATH, Turn.RESUMED)] == [
        Turn.STARTED,
        Turn.QUIET,
        Turn.OVER,
    ]
    assert found[-3:] == [Turn.BREATH, Turn.QUIET, Turn.OVER]


def test_a_pause_in_the_middle_is_not_its_end() -> None:
    found = turns(Endpointer(quiet=0.8, patience=1.5), spoken("what are your") + spoken("opening hours") + silence(2))
    assert found.count(Turn.STARTED) == 1
    assert found.count(Turn.QUIET) == 1
    assert Turn.RESUMED in found


def test_the_utterance_has_all_of_the_speech_and_little_of_the_silence() -> None:
    speech = spoken("goodbye")
    endpointer = Endpointer()
    turns(endpointer, silence(3) + speech + silence(3))
    assert 0.5 * len(speech) < len(endpointer.utterance) < 1.2 * len(speech)


def test_after_a_reset_the_next_utterance_is_looked_for() -> None:
    endpointer = Endpointer()
    speaking = []
    for _ in range(2):
        assert Turn.STARTED in turns(endpointer, spoken("goodbye") + silence(1))
        speaking.append(endpointer.speaking)
        endpointer.reset()
        speaking.append(endpointer.speaking)
    assert speaking == [True, False, True, False]


def test_who_never_stops_is_stopped() -> None:
    assert Turn.OVER in turns(Endpointer(longest=1.0), spoken("what are your opening hours"))


def test_silence_and_a_click_are_nobody() -> None:
    click = b"\xff\x7f" * 8
    assert turns(Endpointer(), silence(1) + click + silence(1)) == []
