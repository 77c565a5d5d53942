"""Phrases with alternatives, expanded into the sentences that they stand for.

`are you open on (saturday|sunday)` stands for two sentences. So does `my name is (name: john|mary)`, and each of them
keeps the chosen alternative as the variable `name`. Parentheses do not nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from pipeline.providers.local.errors import InvalidPhrase

MAX_SENTENCES = 2000

_GROUP = re.compile(r"\((?:(\w+):)?([^()]*)\)")
_NOT_A_WORD = re.compile(r"[^a-z0-9' ]+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: words with single spaces between them, and the alternatives chosen in named groups."""

    words: str
    variables: dict[str, str] = field(default_factory=dict)


def normalise(text: str) -> str:
    """Return the words alone: lower case, no punctuation, single spaces."""
    return " ".join(_NOT_A_WORD.sub(" ", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).split())


def expand(phrase: str) -> list[Sentence]:
    """Return every sentence that a phrase stands for. Raises InvalidPhrase."""
    choices: list[list[Sentence]] = []
    end = 0
    for group in _GROUP.finditer(phrase):
        choices.append([Sentence(normalise(_literal(phrase, phrase[end : group.start()])))])
        choices.append(_alternatives(phrase, group[1], group[2]))
        end = group.end()
    choices.append([Sentence(normalise(_literal(phrase, phrase[end:])))])
    sentences = [_join(parts) for parts in product(*choices)]
    if not all(sentence.words for sentence in sentences):
        raise InvalidPhrase(phrase, "there are no words in it")
    return sentences


def expand_all(phrases: Iterable[str]) -> list[str]:
    """Return the words of every sentence that these phrases stand for, without repetition. Raises InvalidPhrase."""
    found = dict.fromkeys(sentence.words for phrase in phrases for sentence in expand(phrase))
    if not found:
        raise InvalidPhrase("", "there has to be at least one phrase")
    if len(found) > MAX_SENTENCES:
        raise InvalidPhrase(next(iter(found)), f"{len(found)} sentences are too many; {MAX_SENTENCES} are the most")
    return list(found)


def _literal(phrase: str, text: str) -> str:
    if any(mark in text for mark in "()|"):
        raise InvalidPhrase(phrase, "alternatives look like (one|two), and do not nest")
    return text


def _alternatives(phrase: str, variable: str | None, group: str) -> list[Sentence]:
    words = [normalise(alternative) for alternative in group.split("|")]
    if not all(words):
        raise InvalidPhrase(phrase, "an alternative is empty")
    return [Sentence(word, {variable: word} if variable else {}) for word in words]


def _join(parts: Iterable[Sentence]) -> Sentence:
    words: list[str] = []
    variables: dict[str, str] = {}
    for part in parts:
        words += part.words.split()
        variables |= part.variables
    return Sentence(" ".join(words), variables)
