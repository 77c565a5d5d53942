from __future__ import annotations

import pytest

from pipeline.options import Secret
from pipeline.outcome import CallOutcome, EndedBy
from tasks.call import redaction
from tasks.call.ending import REASON_CHARACTERS, Ended, Lost, ending_of

KEY, LONGER = "sk-live/abc+123456", "sk-live/abc+123456-and-more"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_keys", set())
    redaction.keep_out([Secret(KEY), Secret(LONGER), Secret("x"), Secret("")])


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (f"401: Incorrect API key provided: {KEY}.", "401: Incorrect API key provided: ***."),
        (f"wss://api.example.com/?key=sk-live%2Fabc%2B123456&x={KEY}", "wss://api.example.com/?key=***&x=***"),
        (f"{LONGER} {KEY}{KEY}", "*** ******"),
        ("a fox in a box", "a fox in a box"),
        (f"two\nlines  of {KEY}\t", "two lines of ***"),
    ],
)
def test_a_reason_has_no_key_whatever_a_provider_has_answered(said: str, written: str) -> None:
    ending = ending_of(RuntimeError(said))
    assert isinstance(ending, Lost)
    assert ending.reason == written


@pytest.mark.parametrize("before", range(REASON_CHARACTERS - len(KEY) - 2, REASON_CHARACTERS + 2))
def test_a_key_at_the_end_of_a_long_reason_is_not_cut_but_redacted(before: int) -> None:
    ending = ending_of(RuntimeError("y" * before + KEY + "z" * 512_000))
    assert isinstance(ending, Lost)
    assert len(ending.reason) == REASON_CHARACTERS
    assert KEY[:4] not in ending.reason


def test_the_reason_that_an_agent_gives_is_redacted_and_bounded_too() -> None:
    ending = ending_of(CallOutcome(f"shut down: {KEY} " + "y" * 1000, EndedBy.AGENT))
    assert isinstance(ending, Ended)
    assert (ending.reason[:14], len(ending.reason)) == ("shut down: ***", REASON_CHARACTERS)
