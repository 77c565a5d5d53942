"""The parts of pocketsphinx's C library that `sphinx` uses, by ctypes.

The library comes with the Python module, whose own Decoder holds the interpreter's lock while it decodes: 0.1 s in
which the call's event loop would stand still, whatever thread that is done in. ctypes lets go of it.
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

from pipeline.providers.local.errors import SphinxBroken

# Scores are logarithms to the base that `logbase` is unless it is set.
_NAT_PER_STEP = math.log(1.0001)


@dataclass(frozen=True, slots=True)
class Segment:
    """A word of what was found, how many frames of 10 ms it takes, and its acoustic score in nat."""

    word: str
    frames: int
    score: float


class Decoder:
    """One decoder. Not thread-safe. It has no threads and no open files, so a child may use what its parent has loaded.

    Every method raises SphinxBroken if the library refuses.
    """

    def __init__(self, config: Mapping[str, object]) -> None:
        self._library = _library()
        parsed = self._library.ps_config_parse_json(None, json.dumps(config).encode())
        # Never freed: it lives as long as the process, which ends with its call.
        self._decoder = self._library.ps_init(parsed) if parsed else None
        if not self._decoder:
            raise SphinxBroken("load its model")

    def knows(self, word: str) -> bool:
        """Whether the word is in the dictionary."""
        phones = self._library.ps_lookup_word(self._decoder, word.encode())
        if phones:
            self._library.ckd_free(phones)
        return bool(phones)

    def add_grammar(self, name: str, jsgf: str) -> None:
        """Add a search that finds what the grammar allows."""
        self._check("add a grammar", self._library.ps_add_jsgf_string(self._decoder, name.encode(), jsgf.encode()))

    def add_phones(self, name: str) -> None:
        """Add a search that finds any sequence of phones."""
        self._check("add phones", self._library.ps_add_allphone_file(self._decoder, name.encode(), None))

    def begin(self, search: str, pcm: bytes) -> None:
        """Search a whole utterance (16 kHz, 16-bit, mono). Until `end`, it may still be the beginning of something."""
        self._check("choose a search", self._library.ps_activate_search(self._decoder, search.encode()))
        self._check("begin", self._library.ps_start_utt(self._decoder))
        if self._library.ps_process_raw(self._decoder, pcm, len(pcm) // 2, 0, 1) < 0:
            self.end()
            raise SphinxBroken("decode")

    def end(self) -> None:
        """The utterance is over: it is something, or nothing."""
        self._check("end", self._library.ps_end_utt(self._decoder))

    def text(self) -> str:
        """The words that were found, or none."""
        found: bytes | None = self._library.ps_get_hyp(self._decoder, None)
        return found.decode() if found else ""

    def segments(self) -> Iterator[Segment]:
        """What was found, piece by piece, silence included."""
        segment = self._library.ps_seg_iter(self._decoder)
        first, last, score = c_int(), c_int(), c_int32()
        while segment:
            self._library.ps_seg_frames(segment, byref(first), byref(last))
            self._library.ps_seg_prob(segment, byref(score), None, None)
            word: bytes = self._library.ps_seg_word(segment)
            yield Segment(word.decode(), last.value - first.value + 1, score.value * _NAT_PER_STEP)
            segment = self._library.ps_seg_next(segment)

    @staticmethod
    def _check(doing: str, status: int) -> None:
        if status != 0:
            raise SphinxBroken(doing)


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
