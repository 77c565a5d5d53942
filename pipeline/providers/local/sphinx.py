"""Which of a few phrases a recording is. Pocketsphinx, offline, for people who speak clearly.

The grammar allows nothing but the phrases, so on its own it hears one in anything. Each utterance is therefore decoded
twice: as the likeliest phrase, and as the likeliest sequence of any sounds at all. What explains the audio much worse
than free sounds do is not a phrase. On espeak-ng's voices this refuses about 90 of 100 sentences that are no phrase.
What gets through is short ("no" for "hello") or differs in a name from one that is.

One decoder a process, behind a lock. It has no threads and no files open, so it may be loaded before a fork, and then
costs a child nothing; each utterance is heard on its own, so whoever spoke before makes no difference.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pocketsphinx import get_model_path

from pipeline.providers.local.endpoint import Endpointer, Turn
from pipeline.providers.local.errors import UnknownWord
from pipeline.providers.local.libsphinx import Decoder
from pipeline.providers.local.phrases import expand_all

SAMPLE_RATE = 16000
"""Samples a second of everything heard here: 16-bit, mono."""

_SOUNDS = "sounds"
# In nat a frame of 10 ms, phrase against free sounds. Of 309 phrases in five of espeak-ng's voices (three speeds, three
# levels, half of them through Opus) none was under -0.0038; of 292 other sentences 90 % were under -0.0040.
_WORST_MARGIN = -0.0040
# Full level and a noise floor under it: the model has never heard digital silence, nor a whisper at 5 % of the scale.
_PEAK = 12000
_NOISE = 10
_LOUDEST_GAIN = 20.0
# The decoder refuses a fragment of a frame.
_SHORTEST_SAMPLES = 1600


class Recogniser:
    """Hears a set of phrases (see `phrases`). With `repeated`, several of them one after another in one utterance."""

    def __init__(self, phrases: Iterable[str], *, repeated: bool = False) -> None:
        """Raise BadPhrase or UnknownWord."""
        self._sphinx = _sphinx()
        self._grammar = self._sphinx.grammar(tuple(expand_all(phrases)), repeated=repeated)

    def hear(self, pcm: bytes) -> str:
        """The phrase that this utterance is, as plain words; empty if it is none. Takes about 8 % of its length."""
        return self._sphinx.hear(self._grammar, pcm, over=True)

    def guess(self, pcm: bytes) -> str:
        """How the phrase seems to begin that this utterance is going to be; empty if it does not seem to be one."""
        return self._sphinx.hear(self._grammar, pcm, over=False)


def recognise(pcm: bytes, phrases: Iterable[str]) -> list[str]:
    """The phrases in a recording (16-bit mono, SAMPLE_RATE), in order, as plain words; one entry for each utterance.

    An utterance ends at a pause of a quarter of a second; one in which several phrases follow each other is one entry.
    Raises BadPhrase or UnknownWord.
    """
    recogniser = Recogniser(phrases, repeated=True)
    endpointer = Endpointer()
    heard = []
    # The silence at its end ends the last utterance.
    for frame in endpointer.frames(pcm + bytes(2 * SAMPLE_RATE)):
        if endpointer.feed(frame) is Turn.QUIET:
            heard.append(recogniser.hear(endpointer.utterance))
            endpointer.reset()
    return [text for text in heard if text]


def preload() -> None:
    """Load the model, so that children forked from this process need not."""
    _sphinx()


@dataclass(frozen=True, slots=True)
class _Path:
    """What a search has found: its words, its acoustic score in nat, and how many frames of it are not silence."""

    text: str
    score: float
    frames: int


class _Sphinx:
    """The decoder, and a search for each grammar."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[tuple[bool, tuple[str, ...]], str] = {}
        self._decoder = Decoder(
            {
                "hmm": get_model_path("en-us/en-us"),
                "dict": get_model_path("en-us/cmudict-en-us.dict"),
                # The level and colour of this utterance, not of the ones before it.
                "cmn": "batch",
                # Scores of two searches compare only when both come from all of the model.
                "compallsen": True,
                # A sixth less to compute than with 4, the default, and as good. With 2, one phrase in 210 fails.
                "topn": 3,
                "bestpath": False,
                "beam": 1e-120,
                "pbeam": 1e-120,
                "wbeam": 1e-80,
                # An utterance that is no phrase is no error.
                "loglevel": "FATAL",
            }
        )
        self._decoder.add_phones(_SOUNDS)
        self._noise = np.random.default_rng(0).integers(-_NOISE, _NOISE + 1, 60 * SAMPLE_RATE, dtype=np.int16)

    def grammar(self, sentences: tuple[str, ...], *, repeated: bool) -> str:
        with self._lock:
            key = (repeated, sentences)
            if key not in self._names:
                for sentence in sentences:
                    for word in sentence.split():
                        if not self._decoder.knows(word):
                            raise UnknownWord(word, sentence)
                name = f"phrases{len(self._names)}"
                rule = f"({' | '.join(sentences)}){'+' if repeated else ''}"
                self._decoder.add_grammar(name, f"#JSGF V1.0;\ngrammar {name};\npublic <phrase> = {rule};")
                self._names[key] = name
            return self._names[key]

    def hear(self, grammar: str, pcm: bytes, *, over: bool) -> str:
        audio = self._prepare(pcm)
        with self._lock:
            phrase = self._decode(grammar, audio, over=over)
            if not phrase.text:
                return ""
            sounds = self._decode(_SOUNDS, audio, over=over)
        margin = (phrase.score - sounds.score) / max(1, phrase.frames)
        return phrase.text if margin >= _WORST_MARGIN else ""

    def _decode(self, search: str, audio: bytes, *, over: bool) -> _Path:
        self._decoder.begin(search, audio)
        try:
            # Before its end, an utterance may still become a phrase; after it, it has to be one.
            path = None if over else self._path()
        finally:
            self._decoder.end()
        return path or self._path()

    def _path(self) -> _Path:
        text = self._decoder.text()
        if not text:
            return _Path("", 0.0, 0)
        segments = list(self._decoder.segments())
        frames = sum(segment.frames for segment in segments if segment.word[0] not in "<([")
        return _Path(text, sum(segment.score for segment in segments), frames)

    def _prepare(self, pcm: bytes) -> bytes:
        samples: npt.NDArray[np.float32] = np.frombuffer(pcm, dtype=np.int16).astype(np.float32)
        samples.resize(max(len(samples), _SHORTEST_SAMPLES), refcheck=False)
        loudest = float(np.abs(samples).max(initial=1.0))
        samples *= min(_PEAK / max(loudest, 1.0), _LOUDEST_GAIN)
        # In pieces: resized to the length, a minute of noise would be copied for each second of speech.
        for begin in range(0, len(samples), len(self._noise)):
            piece = samples[begin : begin + len(self._noise)]
            piece += self._noise[: len(piece)]
        return samples.astype(np.int16).tobytes()


_loading = threading.Lock()


def _sphinx() -> _Sphinx:
    with _loading:
        return _load()


@functools.cache
def _load() -> _Sphinx:
    return _Sphinx()
