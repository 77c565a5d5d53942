"""Speech synthesis with espeak-ng, loaded into this process from espeakng-loader's shared library.

The library has one state for the whole process and no locks, so there is one instance of it, behind a lock. It starts
no thread, so it can be loaded before a fork. A sentence takes a few milliseconds.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable
from pathlib import Path

import espeakng_loader

from pipeline.providers.local.errors import EspeakError, UnknownVoice

DEFAULT_VOICE = "en-us"
DEFAULT_SPEED = 175
"""Words a minute."""
MIN_SPEED, MAX_SPEED = 80, 450

# From espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_PARAMETER_RATE = 1
_ABORT = 1
_CHUNK_MS = 60

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(text: str, *, voice: str = DEFAULT_VOICE, speed: int = DEFAULT_SPEED) -> tuple[bytes, int]:
    """Return the whole text as 16-bit mono PCM, and its sample rate. Raises UnknownVoice."""
    audio = bytearray()

    def on_audio(chunk: bytes) -> bool:
        audio.extend(chunk)
        return True

    synthesise(text, on_audio, voice=voice, speed=speed)
    return bytes(audio), sample_rate()


def synthesise(
    text: str, on_audio: Callable[[bytes], bool], *, voice: str = DEFAULT_VOICE, speed: int = DEFAULT_SPEED
) -> None:
    """Synthesise a text and pass it on in chunks of 16-bit mono PCM, until `on_audio` returns False.

    Raises UnknownVoice, and what `on_audio` raises.
    """
    _espeak().synthesise(text, on_audio, voice, speed)


def sample_rate() -> int:
    """Return the sample rate of all voices."""
    return _espeak().sample_rate


def check_voice(voice: str) -> None:
    """Raise UnknownVoice if there is no voice of this name."""
    _espeak().check_voice(voice)


def preload() -> None:
    """Load the library, its data and the default voice, so that children forked from this process need not."""
    # To find a voice by its name the library opens the file of every voice that it has.
    _espeak().check_voice(DEFAULT_VOICE)


class _Espeak:
    """The library. `_on_audio` is the callback of the text that is being synthesised, while the lock is held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on_audio: Callable[[bytes], bool] | None = None
        self._failure: BaseException | None = None
        self._voice: str | None = None
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
        self._variants = Path(data, "voices", "!v")
        self.sample_rate: int = self._library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, _CHUNK_MS, data.encode(), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise EspeakError("load its data", self.sample_rate)
        # Kept here, or the library would call into memory that Python has freed.
        self._callback = _Callback(self._on_chunk)
        self._library.espeak_SetSynthCallback(self._callback)

    def check_voice(self, voice: str) -> None:
        with self._lock:
            self._set_voice(voice)

    def synthesise(self, text: str, on_audio: Callable[[bytes], bool], voice: str, speed: int) -> None:
        raw = text.encode() + b"\0"
        with self._lock:
            self._set_voice(voice)
            self._library.espeak_SetParameter(_PARAMETER_RATE, speed, 0)
            self._on_audio, self._failure = on_audio, None
            try:
                status = self._library.espeak_Synth(
                    raw, ctypes.c_size_t(len(raw)), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
                )
            finally:
                self._on_audio = None
            if self._failure is not None:
                raise self._failure
            if status != 0:
                raise EspeakError("speak", status)

    def _set_voice(self, voice: str) -> None:
        if voice == self._voice:
            return
        _, plus, variant = voice.partition("+")
        # The library accepts any variant, and speaks without it if there is none of that name.
        exists = not plus or (self._variants / Path(variant).name).is_file()
        if not exists or self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UnknownVoice(voice)
        self._voice = voice

    def _on_chunk(self, wave: int | None, samples: int, _events: int | None) -> int:
        # The library's last call may bring no audio.
        if not wave or samples <= 0 or self._on_audio is None:
            return 0
        try:
            return 0 if self._on_audio(ctypes.string_at(wave, samples * 2)) else _ABORT
        except BaseException as failure:  # noqa: BLE001 - it cannot pass through C; `synthesise` raises it
            self._failure = failure
            return _ABORT


_loading = threading.Lock()


def _espeak() -> _Espeak:
    # functools.cache alone would load it twice if two threads came at the same time.
    with _loading:
        return _load()


@functools.cache
def _load() -> _Espeak:
    return _Espeak()
