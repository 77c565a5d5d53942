"""A dialogue that is written down: what is heard, and what is answered.

`hear` is phrases, as in `phrases`, and `say` the answer. A phrase may tell something: `my name is (name: john|mary)`.
Then `{name}` in any answer is what the caller last told; `otherwise` is the answer as long as nothing was.
`default_script.toml` is an example.
"""

from __future__ import annotations

import functools
import string
import tomllib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import product
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.providers.local.phrases import Sentence, expand, expand_all, normalise


class Line(BaseModel):
    """One thing that may be heard, and the answer to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hear: tuple[str, ...] = Field(min_length=1)
    say: str = Field(min_length=1)
    otherwise: str | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        own = [sentence.slots for phrase in self.hear for sentence in expand(phrase)]
        if slots_of(self.otherwise or ""):
            raise ValueError("`otherwise` is for when nothing is remembered, so it can name nothing in braces")
        for slot in slots_of(self.say):
            if not slot.isidentifier():
                raise ValueError(f"`say` names {{{slot}}}; write a slot's name into the braces")
            if self.otherwise is None and not all(slot in slots for slots in own):
                raise ValueError(f"`say` names {{{slot}}}, which not every phrase of `hear` tells: add `otherwise`")
        return self


class Script(BaseModel):
    """A dialogue. `fallback` answers whatever is in no line of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: tuple[Line, ...] = Field(min_length=1)
    fallback: str = Field(min_length=1)

    @model_validator(mode="after")
    def _slots_exist(self) -> Self:
        told = {slot for line in self.script for sentence in _sentences(line) for slot in sentence.slots}
        for line in self.script:
            for slot in slots_of(line.say):
                if slot not in told:
                    raise ValueError(f"`say` names {{{slot}}}, but no phrase tells it: write ({slot}: one|two) in one")
        return self

    @property
    def phrases(self) -> list[str]:
        """Every sentence that it understands."""
        return expand_all(phrase for line in self.script for phrase in line.hear)

    @property
    def answers(self) -> list[str]:
        """Everything it may say, with every value that its slots can have."""
        values: dict[str, dict[str, None]] = {}
        for line in self.script:
            for sentence in _sentences(line):
                for slot, value in sentence.slots.items():
                    values.setdefault(slot, {})[value] = None
        answers = [self.fallback]
        for line in self.script:
            slots = slots_of(line.say)
            combinations = product(*(values[slot] for slot in slots))
            answers += [_fill(line.say, dict(zip(slots, chosen, strict=True))) for chosen in combinations]
            if line.otherwise is not None:
                answers.append(line.otherwise)
        return list(dict.fromkeys(answers))

    def answer(self, said: Sequence[str]) -> str:
        """The answer to the last of what the caller has said so far, in view of the rest of it."""
        known: dict[str, str] = {}
        found: tuple[Line, Sentence] | None = None
        for text in said:
            found = self._find(text)
            known |= found[1].slots if found else {}
        if found is None:
            return self.fallback
        line = found[0]
        if line.otherwise is not None and not all(slot in known for slot in slots_of(line.say)):
            return line.otherwise
        return _fill(line.say, known)

    def _find(self, text: str) -> tuple[Line, Sentence] | None:
        """The line whose phrase ends last in the text; of several that end there, the longest."""
        spoken = f" {normalise(text)} "
        best: tuple[tuple[int, int], Line, Sentence] | None = None
        for line in self.script:
            for sentence in _sentences(line):
                at = spoken.rfind(f" {sentence.words} ")
                place = (at + len(sentence.words), len(sentence.words))
                if at >= 0 and (best is None or place > best[0]):
                    best = (place, line, sentence)
        return best[1:] if best else None


@functools.cache
def default_script() -> Script:
    """The line of a small shop: `default_script.toml` beside this file."""
    return Script.model_validate(tomllib.loads((files(__package__) / "default_script.toml").read_text("utf-8")))


def slots_of(text: str) -> list[str]:
    """The names in braces in an answer. Raises ValueError for braces that do not match."""
    return list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(text) if name is not None))


@functools.cache
def _sentences(line: Line) -> list[Sentence]:
    return [sentence for phrase in line.hear for sentence in expand(phrase)]


def _fill(text: str, slots: dict[str, str]) -> str:
    return text.format_map({slot: value.title() for slot, value in slots.items()})


def spoken_sentences(texts: Iterable[str]) -> list[str]:
    """Texts cut into their sentences, as plain words: what to listen for in somebody who says them."""
    marked = (text.replace("!", ".").replace("?", ".").split(".") for text in texts)
    return list(dict.fromkeys(words for parts in marked for part in parts if (words := normalise(part))))
