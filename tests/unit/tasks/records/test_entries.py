"""The rows that an entry of the stream stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.records.entries import UnreadableEntry, read_entry
from tests.support.databases import OPENED_MS, attempt_entry, call_entry


def usage(*entries: dict[str, Any]) -> dict[tuple[str, str], float]:
    rows = read_entry("1-0", attempt_entry("RM_1", usage=list(entries))).usage
    return {(row["kind"], row["unit"]): row["amount"] for row in rows}


def test_counts_and_kinds_that_are_not_known_are_kept_under_their_names() -> None:
    counted = usage(
        {"type": "avatar_usage", "provider": "p", "model": "m", "video_seconds": 1.5},
        {"type": "llm_usage", "provider": "p", "model": "m", "output_tokens": 5, "thinking_tokens": 7},
        {"type": "llm_usage", "provider": "p", "model": "m", "output_tokens": 5, "label": "x", "flag": True, "bad": -1},
        {"type": "provider_fallback", "kind": "llm", "provider": "p", "count": 1},
    )
    assert counted == {("avatar", "video_seconds"): 1.5, ("llm", "output_tokens"): 10, ("llm", "thinking_tokens"): 7}


def test_a_room_that_could_not_be_opened_is_known_by_when_it_was_given_up() -> None:
    fields = call_entry("RM_1", attempts=0, state="dead")
    del fields["at:opened"]
    assert read_entry("17-0", fields).call["opened_ms"] == int(fields["at:ended"])
    del fields["at:ended"]
    assert read_entry("17-0", fields).call["opened_ms"] == 17


def test_an_attempt_that_was_never_claimed_has_no_duration() -> None:
    fields = attempt_entry("RM_1")
    del fields["at:claimed"]
    attempt = read_entry("1-0", fields).attempt
    assert attempt is not None
    assert (attempt["claimed_ms"], attempt["duration_ms"]) == (None, 0)
    assert attempt["steps"]["opened"] == OPENED_MS


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "invoice"}, "kind = 'invoice'"),
        (call_entry(""), "sid is empty"),
        (call_entry("RM_1", state="paused"), "state = 'paused'"),
        (call_entry("RM_1") | {"ended_by": "aliens"}, "ended_by = 'aliens'"),
        (call_entry("RM_1") | {"attempts": "many"}, "attempts = 'many'"),
        (attempt_entry("RM_1") | {"usage": "{"}, "usage is not JSON"),
        (attempt_entry("RM_1") | {"turns": "[]"}, "turns is JSON of another kind"),
        (attempt_entry("RM_1") | {"cause": "boredom"}, "cause = 'boredom'"),
        (attempt_entry("RM_1") | {"at:claimed": "9" * 30}, "a step is too late"),
    ],
)
def test_what_is_no_record_is_refused_with_the_field(fields: dict[str, str], field: str) -> None:
    with pytest.raises(UnreadableEntry, match=field):
        read_entry("1-0", fields)


NAMES = st.sampled_from([*attempt_entry("RM_1"), "at:x", "number", "kind"])
VALUES = st.text(max_size=12) | st.sampled_from(["attempt", "call", "[[]]", '[{"type": "llm_usage", "x": 1e999}]'])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.dictionaries(NAMES, VALUES, max_size=6), call=st.booleans())
def test_whatever_an_entry_has_it_is_read_or_refused(changes: dict[str, str], call: bool) -> None:  # noqa: FBT001 - generated
    fields = (call_entry("RM_1") if call else attempt_entry("RM_1")) | changes
    try:
        rows = read_entry("5-1", fields)
    except UnreadableEntry:
        return
    assert rows.call["sid"]
    # PostgreSQL takes it, too.
    text = json.dumps([rows.call, rows.attempt, rows.usage, rows.failures])
    assert "\\u0000" not in text
    assert "NaN" not in text
    assert "Infinity" not in text
