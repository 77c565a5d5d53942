from __future__ import annotations

import base64
import json

import pytest

from tasks.queue.message import call_message


def message(queue: str = "premium") -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = json.loads(
        call_message(sid="RM_1", attempt=2, name="call-acme-1", tenant="acme", tier="premium", queue=queue)
    )
    return made


def test_the_arguments_hold_ids_only() -> None:
    args, kwargs, _ = json.loads(base64.b64decode(str(message()["body"])))
    assert (args, kwargs) == ([], {"sid": "RM_1", "attempt": 2})


def test_what_is_shown_names_room_tenant_and_tier() -> None:
    headers = message()["headers"]
    assert headers["kwargsrepr"] == "{'room': 'call-acme-1', 'tenant': 'acme', 'tier': 'premium', 'attempt': 2}"
    assert headers["id"] == "RM_1:2"
    assert headers["task"] == "tasks.run_room"


@pytest.mark.parametrize("queue", ["premium", "a-queue-no-tier-has"])
def test_the_message_says_its_queue_so_that_kombu_can_put_it_back(queue: str) -> None:
    properties = message(queue)["properties"]
    assert properties["delivery_info"] == {"exchange": "", "routing_key": queue}
