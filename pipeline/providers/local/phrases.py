"""Phrases with alternatives, and the finite list of sentences that they stand for.

`are you open on (saturday|sunday)` is two sentences. `my name is (name: john|mary)` is two as well, and each of them
remembers which one was said, under `name`. Parentheses do not nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from pipeline.providers.local.errors import BadPhrase

_GROUP = re.compile(r"\((?:(\w+):)?([^()]*)\)")
_NO_WORD = re.compile(r"[^a-z0-9' ]+")
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words with single spaces between them, and what was chosen in the groups that have a name."""

    words: str
    slots: dict[str, str] = field(default_factory=dict)


def normalise(text: str) -> str:
    """The words alone: lower case, no punctuation, single spaces."""
    return " ".join(_NO_WORD.sub(" ", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).split())


def expand(phrase: str) -> list[Sentence]:
    """Every sentence that a phrase stands for. Raises BadPhrase."""
    choices: list[list[Sentence]] = []
    end = 0
    for group in _GROUP.finditer(phrase):
        choices.append([Sentence(normalise(_literal(phrase, phrase[end : group.start()])))])
        choices.append(_alternatives(phrase, group[1], group[2]))
        end = group.end()
    choices.append([Sentence(normalise(_literal(phrase, phrase[end:])))])
    sentences = [_join(parts) for parts in product(*choices)]
    if not all(sentence.words for sentence in sentences):
        raise BadPhrase(phrase, "there are no words in it")
    return sentences


def expand_all(phrases: Iterable[str]) -> list[str]:
    """The words of every sentence that these phrases stand for, each once. Raises BadPhrase."""
    found = dict.fromkeys(sentence.words for phrase in phrases for sentence in expand(phrase))
    if not found:
        raise BadPhrase("", "there has to be at least one phrase")
    if len(found) > _MOST:
        raise BadPhrase(next(iter(found)), f"{len(found)} sentences are too many; {_MOST} are the most")
    return list(found)


def _literal(phrase: str, text: str) -> str:
    if any(mark in text for mark in "()|"):
        raise BadPhrase(phrase, "alternatives look like (one|two), and do not nest")
    return text


def _alternatives(phrase: str, slot: str | None, group: str) -> list[Sentence]:
    words = [normalise(alternative) for alternative in group.split("|")]
    if not all(words):
        raise BadPhrase(phrase, "an alternative is empty")
    return [Sentence(word, {slot: word} if slot else {}) for word in words]


def _join(parts: Iterable[Sentence]) -> Sentence:
    words: list[str] = []
    slots: dict[str, str] = {}
    for part in parts:
        words += part.words.split()
        slots |= part.slots
    return Sentence(" ".join(words), slots)
