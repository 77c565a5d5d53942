"""Answers of the scripted dialogue."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.providers.local.phrases import normalise
from pipeline.providers.local.script import Exchange, Script, default_script, spoken_sentences

STORY_WORDS = 100


@pytest.fixture
def shop() -> Script:
    return Script(
        script=(
            Exchange(hear=("my name is (name: john|mary)",), say="Hello, {name}."),
            Exchange(hear=("what is my name",), say="You are {name}.", otherwise="I do not know."),
            Exchange(hear=("name",), say="Which name?"),
            Exchange(hear=("bread", "do you have bread"), say="Yes."),
        ),
        fallback="Pardon?",
    )


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["Bread!"], "Yes."),
        (["Well, do you have bread? Please."], "Yes."),
        (["breadcrumbs"], "Pardon?"),
        ([], "Pardon?"),
        (["bread", "cheese"], "Pardon?"),
        (["bread and what is my name"], "I do not know."),
        (["what is my name and bread"], "Yes."),
        (["my name is mary"], "Hello, Mary."),
        (["my name is mary", "bread", "what is my name"], "You are Mary."),
        (["my name is mary", "no my name is john", "what is my name"], "You are John."),
        (["what is my name"], "I do not know."),
    ],
)
def test_the_last_thing_said_is_answered_in_view_of_the_rest(shop: Script, said: list[str], answer: str) -> None:
    assert shop.answer(said) == answer


def test_a_script_lists_all_its_phrases_and_answers(shop: Script) -> None:
    assert shop.phrases == [
        "my name is john",
        "my name is mary",
        "what is my name",
        "name",
        "bread",
        "do you have bread",
    ]
    assert shop.answers == [
        "Pardon?",
        "Hello, John.",
        "Hello, Mary.",
        "You are John.",
        "You are Mary.",
        "I do not know.",
        "Which name?",
        "Yes.",
    ]


@pytest.mark.parametrize(
    ("exchange", "problem"),
    [
        ({"hear": [], "say": "x"}, "hear"),
        ({"hear": ["x"], "say": ""}, "say"),
        ({"hear": ["x"], "say": "y", "shout": "z"}, "shout"),
        ({"hear": ["(x"], "say": "y"}, "alternatives look like"),
        ({"hear": ["x"], "say": "{name}"}, "add `otherwise`"),
        ({"hear": ["x"], "say": "{name}", "otherwise": "y"}, "no phrase sets it"),
        ({"hear": ["(name: x|y)"], "say": "{name}", "otherwise": "{name}"}, "can name nothing in braces"),
        ({"hear": ["x"], "say": "{"}, "Single '{' encountered"),
        ({"hear": ["x"], "say": "{0}", "otherwise": "y"}, "write a variable's name into the braces"),
    ],
)
def test_an_invalid_exchange_names_its_problem(exchange: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Script.model_validate({"script": [exchange], "fallback": "Pardon?"})


@pytest.mark.parametrize("phrase", default_script().phrases)
def test_the_default_script_answers_all_that_it_understands(phrase: str) -> None:
    script = default_script()
    answer = script.answer([phrase])
    assert answer in script.answers
    assert answer != script.fallback


def test_the_default_story_is_long_enough_to_be_interrupted() -> None:
    assert len(default_script().answer(["tell me a long story"]).split()) > STORY_WORDS


def test_texts_are_split_into_sentences_of_plain_words() -> None:
    sentences = spoken_sentences(["Why? Because, of course!", "Why?"])
    assert sentences == ["why", "because of course"]
    assert all(sentence == normalise(sentence) for sentence in sentences)
