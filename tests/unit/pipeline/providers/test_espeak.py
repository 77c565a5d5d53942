"""Speech synthesis with espeak-ng."""

from __future__ import annotations

import pytest

from pipeline.providers.local import espeak
from pipeline.providers.local.errors import UnknownVoice
from pipeline.providers.local.script import default_script


def seconds(text: str, **how: str | int) -> float:
    pcm, rate = espeak.speak(text, **how)  # type: ignore[arg-type]
    return len(pcm) / 2 / rate


def test_a_text_becomes_speech_of_a_plausible_length() -> None:
    assert 1.0 < seconds("what are your opening hours") < 2.0


def test_the_default_story_takes_more_than_twenty_seconds() -> None:
    assert seconds(default_script().answer(["tell me a long story"])) > 20


def test_voices_differ_and_so_do_speeds() -> None:
    text = "what are your opening hours"
    assert espeak.speak(text, voice="en-us+f3")[0] != espeak.speak(text)[0]
    assert seconds(text, speed=300) < 0.8 * seconds(text)
    assert seconds(text) == pytest.approx(seconds(text, speed=espeak.DEFAULT_SPEED), abs=0.05)


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(UnknownVoice, match="espeak-ng has no voice 'nobody'"):
        espeak.speak("hello", voice="nobody")


def test_a_callback_that_returns_false_stops_the_synthesis() -> None:
    chunks: list[bytes] = []

    def on_audio(chunk: bytes) -> bool:
        chunks.append(chunk)
        return False

    espeak.synthesise(default_script().answer(["tell me a long story"]), on_audio)
    assert len(chunks) == 1
    assert seconds("goodbye") > 0.3


def test_an_error_of_the_callback_is_raised_to_the_caller() -> None:
    def on_audio(_chunk: bytes) -> bool:
        raise OSError("no listener")

    with pytest.raises(OSError, match="no listener"):
        espeak.synthesise("hello", on_audio)
    assert seconds("goodbye") > 0.3
