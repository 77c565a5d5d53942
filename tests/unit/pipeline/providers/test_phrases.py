"""Expansion of phrases into sentences."""

from __future__ import annotations

import pytest

from pipeline.providers.local.errors import InvalidPhrase
from pipeline.providers.local.phrases import Sentence, expand, expand_all, normalise


def test_a_text_is_compared_by_its_words_alone() -> None:
    assert normalise("  What\N{RIGHT SINGLE QUOTATION MARK}s   YOUR name?! ") == "what's your name"


def test_a_phrase_stands_for_each_of_its_alternatives() -> None:
    sentences = [sentence.words for sentence in expand("(Good|fine) morning, (john|mary ann)")]
    assert sentences == ["good morning john", "good morning mary ann", "fine morning john", "fine morning mary ann"]


def test_a_named_alternative_is_kept_as_a_variable() -> None:
    assert expand("my name is (name: john|mary)") == [
        Sentence("my name is john", {"name": "john"}),
        Sentence("my name is mary", {"name": "mary"}),
    ]


def test_a_sentence_of_two_phrases_is_listed_once() -> None:
    assert expand_all(["hello", "(hello|goodbye)"]) == ["hello", "goodbye"]


@pytest.mark.parametrize(
    ("phrase", "problem"),
    [
        ("", "there are no words in it"),
        ("?!", "there are no words in it"),
        ("call (me", "alternatives look like (one|two)"),
        ("this|that", "alternatives look like (one|two)"),
        ("a ((b|c)|d)", "alternatives look like (one|two)"),
        ("a (b|) c", "an alternative is empty"),
    ],
)
def test_an_invalid_phrase_names_its_problem(phrase: str, problem: str) -> None:
    with pytest.raises(InvalidPhrase) as raised:
        expand(phrase)
    assert str(raised.value).startswith(repr(phrase))
    assert problem in str(raised.value)


def test_no_phrases_and_too_many_are_refused() -> None:
    with pytest.raises(InvalidPhrase, match="at least one phrase"):
        expand_all([])
    with pytest.raises(InvalidPhrase, match="10000 sentences are too many"):
        expand_all([" ".join(["(a|b|c|d|e|f|g|h|i|j)"] * 4)])
