from __future__ import annotations

import numpy as np

from ops.caller.caller import RATE
from ops.caller.voice import beginnings, recognise, speech

TEXTS = ["We are closed. Come back tomorrow, please.", "Your name is John."]


def test_a_caller_recognises_a_known_sentence() -> None:
    assert recognise(speech("Your name is John."), TEXTS) == ["your name is john"]


def test_a_caller_recognises_several_sentences_in_their_order() -> None:
    pause = np.zeros(RATE, dtype=np.int16)

    heard = np.concatenate([speech("Your name is John."), pause, speech("We are closed.")])

    assert recognise(heard, TEXTS) == ["your name is john", "we are closed"]


def test_silence_is_nothing() -> None:
    assert recognise(np.zeros(RATE, dtype=np.int16), TEXTS) == []


def test_speech_has_the_rate_of_the_recording() -> None:
    assert 0.8 < len(speech("Your name is John.")) / RATE < 2.0


def test_beginnings_are_those_of_each_sentence() -> None:
    assert beginnings("One two three four. Five, six, seven!") == [
        "one two three",
        "one two three four",
        "five six seven",
    ]
