"""The row of a task in Flower's list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery.events.state import Task

from tasks.queue.flower.row import format_task
from tasks.queue.message import call_message


def formatted(**fields: Any) -> Any:
    return format_task(Task(uuid="RM_1:2", **fields))


def test_a_row_has_tenant_tier_and_attempt_as_they_are_searched_for() -> None:
    kwargs = "{'room': 'call-acme-1', 'tenant': 'acme', 'tier': 'premium', 'attempt': 2}"
    assert formatted(kwargs=kwargs).kwargs == "tenant=acme tier=premium attempt=2"


def test_that_is_what_the_message_of_a_room_tells_flower() -> None:
    message = call_message(sid="RM_1", attempt=2, name="call-acme-1", tenant="acme", tier="gold", queue="gold")
    headers = json.loads(message)["headers"]
    assert formatted(kwargs=headers["kwargsrepr"]).kwargs == "tenant=acme tier=gold attempt=2"


def test_the_outcome_of_a_call_is_shown_without_the_quotes_of_its_repr() -> None:
    assert formatted(result="'ended by callers: room empty'").result == "ended by callers: room empty"


def test_what_is_no_call_of_ours_stays_as_it_is() -> None:
    for odd in (None, "", "...", "{'room': 'cut of", "[1, 2]", "lost: it's gone"):
        task = formatted(kwargs=odd, result=odd)
        assert (task.kwargs, task.result) == (odd, odd)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a b=c", "zoë's", '"'])
def test_a_room_may_have_any_name(name: str) -> None:
    message = call_message(sid="RM_1", attempt=1, name=name, tenant="acme", tier="gold", queue="gold")
    headers = json.loads(message)["headers"]
    row = formatted(args=headers["argsrepr"], kwargs=headers["kwargsrepr"])
    assert (row.args, row.kwargs) == (name, "tenant=acme tier=gold attempt=1")
