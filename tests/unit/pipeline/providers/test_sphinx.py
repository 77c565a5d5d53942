"""Recognition of phrases in recordings."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.providers.local.errors import InvalidPhrase, UnknownWord
from pipeline.providers.local.script import default_script, spoken_sentences
from pipeline.providers.local.sphinx import Recogniser, recognise
from tests.support.speech import silence, spoken

NO_PHRASES = (
    "i would like to order two large pizzas with mushrooms",
    "please book me a table for four people at seven",
    "where is my package",
    "my dog is sick and needs an appointment",
    "is there a discount for students",
    "when will the doctor call me back",
    "i want to cancel my subscription",
    "one moment please",
)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(default_script().phrases)


@pytest.mark.parametrize("phrase", default_script().phrases)
def test_each_phrase_of_the_default_script_is_recognised_exactly(recogniser: Recogniser, phrase: str) -> None:
    assert recogniser.recognise(spoken(phrase)) == phrase


@pytest.mark.parametrize("sentence", NO_PHRASES)
def test_a_sentence_that_is_no_phrase_is_rejected(recogniser: Recogniser, sentence: str) -> None:
    assert recogniser.recognise(spoken(sentence)) == ""


@pytest.mark.parametrize("level", [1.0, 0.3, 0.05])
def test_the_level_makes_no_difference(recogniser: Recogniser, level: float) -> None:
    samples = np.frombuffer(spoken("what are your opening hours"), dtype=np.int16)
    assert recogniser.recognise((samples * level).astype(np.int16).tobytes()) == "what are your opening hours"


def test_an_earlier_utterance_makes_no_difference(recogniser: Recogniser) -> None:
    for phrase in ("tell me a joke", *NO_PHRASES[:2], "goodbye", "tell me a joke"):
        assert recogniser.recognise(spoken(phrase)) == ("" if phrase in NO_PHRASES else phrase)


@pytest.mark.parametrize("pcm", [b"", silence(1), b"\x01\x00" * 10], ids=["nothing", "silence", "an instant"])
def test_nothing_is_recognised_in_silence(recogniser: Recogniser, pcm: bytes) -> None:
    assert recogniser.recognise(pcm) == ""


def test_an_unfinished_utterance_has_a_partial_result(recogniser: Recogniser) -> None:
    whole = spoken("what are your opening hours")
    partial = recogniser.recognise_partial(whole[: len(whole) // 3 * 2])
    assert "what are your opening hours".startswith(partial)
    assert partial


@pytest.mark.parametrize("answer", default_script().answers)
def test_each_answer_of_the_default_script_is_understood_in_a_recording(answer: str) -> None:
    heard = recognise(spoken(answer), spoken_sentences(default_script().answers))
    assert " ".join(heard) == " ".join(spoken_sentences([answer]))


def test_a_recording_is_recognised_utterance_by_utterance() -> None:
    recording = spoken("goodbye") + silence(1) + spoken(NO_PHRASES[0]) + silence(1) + spoken("tell me a joke")
    assert recognise(recording, ["(hello|goodbye)", "tell me a joke"]) == ["goodbye", "tell me a joke"]


def test_a_recording_of_silence_has_nothing_in_it() -> None:
    assert recognise(silence(3), ["hello"]) == []


def test_a_word_without_a_pronunciation_is_named() -> None:
    with pytest.raises(UnknownWord, match="'flurbish' in 'call flurbish' is not in the pronunciation dictionary"):
        Recogniser(["hello", "call flurbish"])


def test_an_empty_list_of_phrases_is_refused() -> None:
    with pytest.raises(InvalidPhrase):
        Recogniser([])
