"""What docs/howto/flower.md says of searches and of single sign-on is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from celery.events.state import Task
from flower.utils.search import TaskSearchEngine

from tasks.queue.flower.options import SINGLE_SIGN_ON

ROOT = Path(__file__).resolve().parents[4]
DOCUMENT = (ROOT / "docs/howto/flower.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOCUMENT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def cells(text: str, column: int) -> list[str]:
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    # An escaped bar is part of a cell.
    return [row[column].strip().strip("`") for row in rows[2:]]


TASKS = [
    Task(
        uuid=f"{sid}:{attempt}",
        name="tasks.run_room",
        state=state,
        worker="premium-1@host",
        args=room,
        kwargs=repr({"room": room, "tenant": "acme", "tier": "premium", "attempt": attempt}),
        result=result,
    )
    for sid, attempt, state, room, result in (
        ("RM_zKq4vYhT2mWd", 1, "STARTED", "call-acme-1c9d", None),
        ("RM_b", 1, "RETRY", "call-acme-2", "lost: Worker exited prematurely: signal 9 (SIGKILL) Job: 3."),
        ("RM_b", 2, "FAILURE", "call-acme-2", "dead, attempts used up: the order service answered 503"),
        ("RM_c", 1, "SUCCESS", "call-acme-3", "'handed over: its worker stops'"),
        ("RM_d", 1, "SUCCESS", "call-acme-4", "'ended by agent: goodbye'"),
        ("RM_e", 1, "SUCCESS", "call-acme-5", "'ended by limit: maximum length'"),
    )
]


@pytest.mark.parametrize("search", cells(section("Searches"), 1))
def test_each_search_finds_what_it_is_for(search: str) -> None:
    engine = TaskSearchEngine()
    engine.rebuild((task.uuid, task) for task in TASKS)
    found = engine.search({task.uuid: task for task in TASKS}, search)
    assert found.filtered_count > 0
    # All of these calls are of one tenant.
    assert found.filtered_count < len(TASKS) or search == "kwargs:tenant=acme"


def test_what_single_sign_on_needs_is_documented_and_reaches_flower_in_its_container() -> None:
    documented = set(cells(section("Who may see it").partition("### Single")[2], 0))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    environment = compose["services"]["flower"]["environment"]
    passed_on = {name for name, value in environment.items() if value is None}
    assert documented - {"SWITCHBOARD_FLOWER_CLIENT_SECRET"} == passed_on
    assert "SWITCHBOARD_FLOWER_CLIENT_SECRET_FILE" in environment
    needed = {re.split(" or ", variable)[0] for variable in SINGLE_SIGN_ON.values()} | {"FLOWER_AUTH"}
    assert needed <= documented
