"""A ctypes binding of the parts of pocketsphinx's C library that `sphinx` uses.

The library comes with the Python module, whose own Decoder holds the GIL while it decodes: 0.1 s in which the call's
event loop would stand still, in whatever thread it runs. ctypes releases the GIL.
"""

from __future__ import annotations

import ctypes
import functools
import json
import math
from collections.abc import Iterator, Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_size_t, c_void_p
from dataclasses import dataclass

from pocketsphinx import _pocketsphinx

from pipeline.providers.local.errors import SphinxError

# Scores are logarithms to the base `logbase`, whose default this is.
_NAT_PER_STEP = math.log(1.0001)


@dataclass(frozen=True, slots=True)
class Segment:
    """A word of a hypothesis: its length in frames of 10 ms, and its acoustic score in nat."""

    word: str
    frames: int
    score: float


class Decoder:
    """A decoder. Not thread-safe. It has no threads and no open files, so a child can use what its parent has loaded.

    Every method raises SphinxError if the library reports a failure.
    """

    def __init__(self, config: Mapping[str, object]) -> None:
        self._library = _library()
        parsed = self._library.ps_config_parse_json(None, json.dumps(config).encode())
        # Never freed: it lives as long as the process.
        self._decoder = self._library.ps_init(parsed) if parsed else None
        if not self._decoder:
            raise SphinxError("load its model")

    def has_word(self, word: str) -> bool:
        """Tell whether the word is in the dictionary."""
        phones = self._library.ps_lookup_word(self._decoder, word.encode())
        if phones:
            self._library.ckd_free(phones)
        return bool(phones)

    def add_grammar(self, name: str, jsgf: str) -> None:
        """Add a search for the sentences that a grammar allows."""
        self._check("add a grammar", self._library.ps_add_jsgf_string(self._decoder, name.encode(), jsgf.encode()))

    def add_phones(self, name: str) -> None:
        """Add a search for any sequence of phones."""
        self._check("add phones", self._library.ps_add_allphone_file(self._decoder, name.encode(), None))

    def start_utterance(self, search: str, pcm: bytes) -> None:
        """Search a whole utterance (16 kHz, 16-bit, mono). Until `end_utterance`, partial results count, too."""
        self._check("choose a search", self._library.ps_activate_search(self._decoder, search.encode()))
        self._check("start an utterance", self._library.ps_start_utt(self._decoder))
        if self._library.ps_process_raw(self._decoder, pcm, len(pcm) // 2, 0, 1) < 0:
            self.end_utterance()
            raise SphinxError("decode")

    def end_utterance(self) -> None:
        """End the utterance. From now on only a complete result counts."""
        self._check("end an utterance", self._library.ps_end_utt(self._decoder))

    def text(self) -> str:
        """Return the words of the hypothesis; "" if there is none."""
        text: bytes | None = self._library.ps_get_hyp(self._decoder, None)
        return text.decode() if text else ""

    def segments(self) -> Iterator[Segment]:
        """Yield the segments of the hypothesis, silence included."""
        segment = self._library.ps_seg_iter(self._decoder)
        first, last, score = c_int(), c_int(), c_int32()
        while segment:
            self._library.ps_seg_frames(segment, byref(first), byref(last))
            self._library.ps_seg_prob(segment, byref(score), None, None)
            word: bytes = self._library.ps_seg_word(segment)
            yield Segment(word.decode(), last.value - first.value + 1, score.value * _NAT_PER_STEP)
            segment = self._library.ps_seg_next(segment)

    @staticmethod
    def _check(action: str, status: int) -> None:
        if status != 0:
            raise SphinxError(action)


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_pocketsphinx.__file__)
    for name, result, arguments in (
        ("ps_config_parse_json", c_void_p, (c_void_p, c_char_p)),
        ("ps_init", c_void_p, (c_void_p,)),
        ("ps_lookup_word", c_void_p, (c_void_p, c_char_p)),
        ("ckd_free", None, (c_void_p,)),
        ("ps_add_jsgf_string", c_int, (c_void_p, c_char_p, c_char_p)),
        ("ps_add_allphone_file", c_int, (c_void_p, c_char_p, c_char_p)),
        ("ps_activate_search", c_int, (c_void_p, c_char_p)),
        ("ps_start_utt", c_int, (c_void_p,)),
        ("ps_process_raw", c_int, (c_void_p, c_char_p, c_size_t, c_int, c_int)),
        ("ps_end_utt", c_int, (c_void_p,)),
        ("ps_get_hyp", c_char_p, (c_void_p, POINTER(c_int32))),
        ("ps_seg_iter", c_void_p, (c_void_p,)),
        ("ps_seg_next", c_void_p, (c_void_p,)),
        ("ps_seg_word", c_char_p, (c_void_p,)),
        ("ps_seg_frames", None, (c_void_p, POINTER(c_int), POINTER(c_int))),
        ("ps_seg_prob", c_int32, (c_void_p, POINTER(c_int32), POINTER(c_int32), POINTER(c_int32))),
    ):
        function = library[name]
        function.restype, function.argtypes = result, arguments
        setattr(library, name, function)
    return library
