"""Errors of the local providers. `provider` turns them into errors that name the tenant's option."""

from __future__ import annotations


class InvalidPhrase(ValueError):
    """A phrase that is not words with (one|of|these) alternatives."""

    def __init__(self, phrase: str, problem: str) -> None:
        super().__init__(f"{phrase!r}: {problem}")


class UnknownWord(ValueError):
    """A word whose pronunciation is not in the dictionary."""

    def __init__(self, word: str, phrase: str) -> None:
        super().__init__(f"{word!r} in {phrase!r} is not in the pronunciation dictionary; write it with other words")


class UnknownVoice(ValueError):
    """A voice that espeak-ng does not have."""

    def __init__(self, voice: str) -> None:
        super().__init__(f"espeak-ng has no voice {voice!r}; it has for example en-us, en, en-us+f3, de, fr, es")


class EspeakError(RuntimeError):
    """A failure of espeak-ng's library."""

    def __init__(self, action: str, status: int) -> None:
        super().__init__(f"espeak-ng failed to {action}: status {status}")


class SphinxError(RuntimeError):
    """A failure of pocketsphinx's library."""

    def __init__(self, action: str) -> None:
        super().__init__(f"pocketsphinx failed to {action}")
