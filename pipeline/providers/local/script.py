"""A scripted dialogue: phrases that a caller may say, and the answers.

`hear` lists phrases (see `phrases`), `say` is the answer. A phrase may set a variable, as `my name is (name:
john|mary)` does. `{name}` in any answer is then its last value; `otherwise` is the answer while it has none.
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


class Exchange(BaseModel):
    """Phrases, and the answer to each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hear: tuple[str, ...] = Field(min_length=1)
    say: str = Field(min_length=1)
    otherwise: str | None = None

    @model_validator(mode="after")
    def _variables_are_set(self) -> Self:
        own = [sentence.variables for phrase in self.hear for sentence in expand(phrase)]
        if variables_of(self.otherwise or ""):
            raise ValueError("`otherwise` is the answer without a value, so it can name nothing in braces")
        for name in variables_of(self.say):
            if not name.isidentifier():
                raise ValueError(f"`say` names {{{name}}}; write a variable's name into the braces")
            if self.otherwise is None and not all(name in variables for variables in own):
                raise ValueError(f"`say` names {{{name}}}, which not every phrase of `hear` sets: add `otherwise`")
        return self


class Script(BaseModel):
    """A dialogue. `fallback`: the answer to anything that no exchange has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: tuple[Exchange, ...] = Field(min_length=1)
    fallback: str = Field(min_length=1)

    @model_validator(mode="after")
    def _variables_exist(self) -> Self:
        known = {name for exchange in self.script for sentence in _sentences(exchange) for name in sentence.variables}
        for exchange in self.script:
            for name in variables_of(exchange.say):
                if name not in known:
                    raise ValueError(f"`say` names {{{name}}}, but no phrase sets it: write ({name}: one|two) in one")
        return self

    @property
    def phrases(self) -> list[str]:
        """Every sentence that the script has an answer to."""
        return expand_all(phrase for exchange in self.script for phrase in exchange.hear)

    @property
    def answers(self) -> list[str]:
        """Every possible answer, with every value that its variables can have."""
        values: dict[str, dict[str, None]] = {}
        for exchange in self.script:
            for sentence in _sentences(exchange):
                for name, value in sentence.variables.items():
                    values.setdefault(name, {})[value] = None
        answers = [self.fallback]
        for exchange in self.script:
            names = variables_of(exchange.say)
            combinations = product(*(values[name] for name in names))
            answers += [_fill(exchange.say, dict(zip(names, chosen, strict=True))) for chosen in combinations]
            if exchange.otherwise is not None:
                answers.append(exchange.otherwise)
        return list(dict.fromkeys(answers))

    def answer(self, texts: Sequence[str]) -> str:
        """Return the answer to the last of the caller's texts; the earlier ones only set variables."""
        variables: dict[str, str] = {}
        match: tuple[Exchange, Sentence] | None = None
        for text in texts:
            match = self._match(text)
            variables |= match[1].variables if match else {}
        if match is None:
            return self.fallback
        exchange = match[0]
        if exchange.otherwise is not None and not all(name in variables for name in variables_of(exchange.say)):
            return exchange.otherwise
        return _fill(exchange.say, variables)

    def _match(self, text: str) -> tuple[Exchange, Sentence] | None:
        """Return the exchange whose sentence ends last in the text; of several that end there, the longest."""
        spoken = f" {normalise(text)} "
        best: tuple[tuple[int, int], Exchange, Sentence] | None = None
        for exchange in self.script:
            for sentence in _sentences(exchange):
                position = spoken.rfind(f" {sentence.words} ")
                rank = (position + len(sentence.words), len(sentence.words))
                if position >= 0 and (best is None or rank > best[0]):
                    best = (rank, exchange, sentence)
        return best[1:] if best else None


@functools.cache
def default_script() -> Script:
    """Return the script of `default_script.toml`: a small shop that answers its telephone."""
    return Script.model_validate(tomllib.loads((files(__package__) / "default_script.toml").read_text("utf-8")))


def variables_of(answer: str) -> list[str]:
    """Return the names in braces in an answer. Raises ValueError for braces that do not match."""
    return list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(answer) if name is not None))


@functools.cache
def _sentences(exchange: Exchange) -> list[Sentence]:
    return [sentence for phrase in exchange.hear for sentence in expand(phrase)]


def _fill(answer: str, variables: dict[str, str]) -> str:
    return answer.format_map({name: value.title() for name, value in variables.items()})


def spoken_sentences(texts: Iterable[str]) -> list[str]:
    """Return the sentences of the texts as plain words, as phrases by which to recognise them when spoken."""
    marked = (text.replace("!", ".").replace("?", ".").split(".") for text in texts)
    return list(dict.fromkeys(words for parts in marked for part in parts if (words := normalise(part))))
