"""Detection of utterances."""

from __future__ import annotations

from pipeline.providers.local.endpointer import Endpointer, EndpointEvent
from tests.support.speech import silence, spoken


def events(endpointer: Endpointer, pcm: bytes) -> list[EndpointEvent]:
    return [event for frame in Endpointer.frames(pcm) if (event := endpointer.feed(frame)) is not None]


def test_an_utterance_ends_in_three_steps() -> None:
    found = events(Endpointer(), silence(1) + spoken("what are your opening hours") + silence(1))
    assert [event for event in found if event not in (EndpointEvent.SHORT_PAUSE, EndpointEvent.SPEECH_RESUMED)] == [
        EndpointEvent.SPEECH_STARTED,
        EndpointEvent.PAUSE,
        EndpointEvent.SPEECH_ENDED,
    ]
    assert found[-3:] == [EndpointEvent.SHORT_PAUSE, EndpointEvent.PAUSE, EndpointEvent.SPEECH_ENDED]


def test_a_pause_in_the_middle_is_not_its_end() -> None:
    found = events(
        Endpointer(pause_seconds=0.8, end_seconds=1.5), spoken("what are your") + spoken("opening hours") + silence(2)
    )
    assert found.count(EndpointEvent.SPEECH_STARTED) == 1
    assert found.count(EndpointEvent.PAUSE) == 1
    assert EndpointEvent.SPEECH_RESUMED in found


def test_the_utterance_has_all_of_the_speech_and_little_of_the_silence() -> None:
    speech = spoken("goodbye")
    endpointer = Endpointer()
    events(endpointer, silence(3) + speech + silence(3))
    assert 0.5 * len(speech) < len(endpointer.utterance) < 1.2 * len(speech)


def test_a_reset_starts_the_next_utterance() -> None:
    endpointer = Endpointer()
    speaking = []
    for _ in range(2):
        assert EndpointEvent.SPEECH_STARTED in events(endpointer, spoken("goodbye") + silence(1))
        speaking.append(endpointer.speaking)
        endpointer.reset()
        speaking.append(endpointer.speaking)
    assert speaking == [True, False, True, False]


def test_an_utterance_has_a_maximum_length() -> None:
    assert EndpointEvent.SPEECH_ENDED in events(Endpointer(max_seconds=1.0), spoken("what are your opening hours"))


def test_silence_and_a_click_are_no_speech() -> None:
    click = b"\xff\x7f" * 8
    assert events(Endpointer(), silence(1) + click + silence(1)) == []
