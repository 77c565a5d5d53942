"""What the local providers cannot work with. Their builders turn it into errors that name the tenant's field."""

from __future__ import annotations


class BadPhrase(ValueError):
    """A phrase is not words with (one|of|these) alternatives."""

    def __init__(self, phrase: str, problem: str) -> None:
        super().__init__(f"{phrase!r}: {problem}")


class UnknownWord(ValueError):
    """Nobody knows how this word is pronounced."""

    def __init__(self, word: str, phrase: str) -> None:
        super().__init__(f"{word!r} in {phrase!r} is not in the pronunciation dictionary; write it with other words")


class UnknownVoice(ValueError):
    """The synthesiser has no such voice."""

    def __init__(self, voice: str) -> None:
        super().__init__(f"espeak-ng has no voice {voice!r}; it has for example en-us, en, en-us+f3, de, fr, es")


class EspeakBroken(RuntimeError):
    """The synthesiser did not do its work."""

    def __init__(self, doing: str, status: int) -> None:
        super().__init__(f"espeak-ng failed to {doing}: status {status}")


class SphinxBroken(RuntimeError):
    """The recogniser did not do its work."""

    def __init__(self, doing: str) -> None:
        super().__init__(f"pocketsphinx failed to {doing}")
