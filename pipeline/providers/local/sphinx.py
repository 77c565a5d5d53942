"""Recognition of a few phrases in a recording, by pocketsphinx: offline, for clear speech.

The grammar allows only the phrases, so on its own it recognises one in anything. Each utterance is therefore decoded
twice: as the likeliest phrase, and as the likeliest sequence of any phones. Speech that the phrase explains much worse
than free phones do is rejected. With espeak-ng's voices this rejects about 90 of 100 sentences that are no phrase. The
others are short ("no" for "hello") or differ from a phrase in a name.

There is one decoder for each process, behind a lock. It has no threads and no open files, so it can be loaded before a
fork, where it costs a child nothing. No utterance influences the next one.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pocketsphinx import get_model_path

from pipeline.providers.local.endpointer import Endpointer, EndpointEvent
from pipeline.providers.local.errors import UnknownWord
from pipeline.providers.local.libsphinx import Decoder
from pipeline.providers.local.phrases import expand_all

SAMPLE_RATE = 16000
"""Sample rate of all audio here: 16-bit, mono."""

_PHONES = "phones"
# In nat a frame of 10 ms, phrase against free phones. Of 309 phrases in five of espeak-ng's voices (three speeds, three
# levels, half of them through Opus) none was under -0.0038; of 292 other sentences 90 % were under -0.0040.
_MIN_MARGIN = -0.0040
# Full level, and a noise floor under it: the model was trained with neither digital silence nor speech at 5 % of full
# scale.
_PEAK = 12000
_NOISE = 10
_MAX_GAIN = 20.0
# The decoder refuses less than a frame.
_MIN_SAMPLES = 1600


class Recogniser:
    """Recognises a set of phrases (see `phrases`). With `repeated`, several of them in a row in one utterance."""

    def __init__(self, phrases: Iterable[str], *, repeated: bool = False) -> None:
        """Raise InvalidPhrase or UnknownWord."""
        self._sphinx = _sphinx()
        self._grammar = self._sphinx.add_grammar(tuple(expand_all(phrases)), repeated=repeated)

    def recognise(self, pcm: bytes) -> str:
        """Return the phrase that this utterance is, as plain words; "" if it is none. Takes about 8 % of its length."""
        return self._sphinx.recognise(self._grammar, pcm, final=True)

    def recognise_partial(self, pcm: bytes) -> str:
        """Return the beginning of the phrase that this unfinished utterance seems to be; "" if it seems to be none."""
        return self._sphinx.recognise(self._grammar, pcm, final=False)


def recognise(pcm: bytes, phrases: Iterable[str]) -> list[str]:
    """Return the phrases in a recording (16-bit mono, SAMPLE_RATE) as plain words, an entry for each utterance.

    An utterance ends at a pause of a quarter of a second; several phrases in one utterance are one entry. Raises
    InvalidPhrase or UnknownWord.
    """
    recogniser = Recogniser(phrases, repeated=True)
    endpointer = Endpointer()
    texts = []
    # The silence appended here ends the last utterance.
    for frame in endpointer.frames(pcm + bytes(2 * SAMPLE_RATE)):
        if endpointer.feed(frame) is EndpointEvent.PAUSE:
            texts.append(recogniser.recognise(endpointer.utterance))
            endpointer.reset()
    return [text for text in texts if text]


def preload() -> None:
    """Load the model, so that children forked from this process need not."""
    _sphinx()


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """The result of a search. `score`: acoustic, in nat. `frames`: the number of those that are not silence."""

    text: str
    score: float
    frames: int


class _Sphinx:
    """The decoder, with a search for each grammar."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[tuple[bool, tuple[str, ...]], str] = {}
        self._decoder = Decoder(
            {
                "hmm": get_model_path("en-us/en-us"),
                "dict": get_model_path("en-us/cmudict-en-us.dict"),
                # Normalises by this utterance's level and colour, not by those of earlier ones.
                "cmn": "batch",
                # Scores of two searches compare only when both are computed from all of the model.
                "compallsen": True,
                # A sixth less to compute than with 4, the default, and as good. With 2, one phrase in 210 fails.
                "topn": 3,
                "bestpath": False,
                "beam": 1e-120,
                "pbeam": 1e-120,
                "wbeam": 1e-80,
                # It would log an error for each utterance that is no phrase.
                "loglevel": "FATAL",
            }
        )
        self._decoder.add_phones(_PHONES)
        self._noise = np.random.default_rng(0).integers(-_NOISE, _NOISE + 1, 60 * SAMPLE_RATE, dtype=np.int16)

    def add_grammar(self, sentences: tuple[str, ...], *, repeated: bool) -> str:
        """Return the name of the search for these sentences, new or from an earlier call."""
        with self._lock:
            key = (repeated, sentences)
            if key not in self._names:
                for sentence in sentences:
                    for word in sentence.split():
                        if not self._decoder.has_word(word):
                            raise UnknownWord(word, sentence)
                name = f"phrases{len(self._names)}"
                rule = f"({' | '.join(sentences)}){'+' if repeated else ''}"
                self._decoder.add_grammar(name, f"#JSGF V1.0;\ngrammar {name};\npublic <phrase> = {rule};")
                self._names[key] = name
            return self._names[key]

    def recognise(self, grammar: str, pcm: bytes, *, final: bool) -> str:
        audio = self._prepare(pcm)
        with self._lock:
            phrase = self._decode(grammar, audio, final=final)
            if not phrase.text:
                return ""
            phones = self._decode(_PHONES, audio, final=final)
        margin = (phrase.score - phones.score) / max(1, phrase.frames)
        return phrase.text if margin >= _MIN_MARGIN else ""

    def _decode(self, search: str, audio: bytes, *, final: bool) -> _Hypothesis:
        self._decoder.start_utterance(search, audio)
        try:
            # Before `end_utterance`, the beginning of a phrase is a result; after it, only a whole phrase is.
            partial = None if final else self._hypothesis()
        finally:
            self._decoder.end_utterance()
        return partial or self._hypothesis()

    def _hypothesis(self) -> _Hypothesis:
        text = self._decoder.text()
        if not text:
            return _Hypothesis("", 0.0, 0)
        segments = list(self._decoder.segments())
        frames = sum(segment.frames for segment in segments if segment.word[0] not in "<([")
        return _Hypothesis(text, sum(segment.score for segment in segments), frames)

    def _prepare(self, pcm: bytes) -> bytes:
        samples: npt.NDArray[np.float32] = np.frombuffer(pcm, dtype=np.int16).astype(np.float32)
        samples.resize(max(len(samples), _MIN_SAMPLES), refcheck=False)
        loudest = float(np.abs(samples).max(initial=1.0))
        samples *= min(_PEAK / max(loudest, 1.0), _MAX_GAIN)
        # In pieces: resized to the length, a minute of noise would be copied for each second of speech.
        for begin in range(0, len(samples), len(self._noise)):
            piece = samples[begin : begin + len(self._noise)]
            piece += self._noise[: len(piece)]
        return samples.astype(np.int16).tobytes()


_loading = threading.Lock()


def _sphinx() -> _Sphinx:
    # functools.cache alone would load it twice if two threads came at the same time.
    with _loading:
        return _load()


@functools.cache
def _load() -> _Sphinx:
    return _Sphinx()
