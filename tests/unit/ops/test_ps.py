from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ops.commands import ps
from tasks.rooms import Room, State, WorkerStatus

NOW = 1_700_000_100_000


def room(state: State = State.RUNNING, **changes: object) -> Room:
    fields = {
        "sid": "RM_1",
        "name": "call-acme-1",
        "tenant": "acme",
        "tier": "premium",
        "queue": "premium",
        "attempt": 2,
        "worker": "one@host",
        "pid": 42,
        "reason": "",
        "handed_over": False,
        "steps_ms": {"room_started": NOW - 65_000, "received": NOW - 64_990, "joined": NOW - 60_000},
    }
    return Room(state=state, **{**fields, **changes})  # type: ignore[arg-type]  # a test's shorthand


WORKER = WorkerStatus(
    "one@host", ("premium", "standard"), slots=4, idle=2, load=0.25, reserved=0.1, state="open", pid=7, busy=1
)


def printed(view: ps.View) -> str:
    return ps.as_text(view)


def test_a_room_is_printed_with_its_worker_and_its_age() -> None:
    [line] = [line for line in printed(ps.View(NOW, (room(),), (WORKER,))).splitlines() if "call-acme-1" in line]

    assert line.split() == ["call-acme-1", "running", "acme", "premium", "one@host", "42", "2", "1", "min", "05", "s"]


def unanswered(sid: str, state: State, seconds: int, tenant: str = "acme") -> Room:
    return room(state, sid=sid, name=sid, tenant=tenant, worker="", pid=None, arrived_us=(NOW - seconds * 1000) * 1000)


def test_unanswered_rooms_are_printed_with_their_position_within_the_tenant_and_their_waiting_time() -> None:
    rooms = (
        unanswered("third", State.WAITING, 10),
        unanswered("second", State.WAITING, 20),
        unanswered("first", State.QUEUED, 5),
        unanswered("other", State.WAITING, 30, "bolt"),
        room(),
    )
    view = ps.View(NOW, rooms, ())
    assert view.positions() == {"third": 3, "second": 2, "first": 1, "other": 1}
    assert [view.waiting_ms(each) for each in rooms] == [10_000, 20_000, 5000, 30_000, None]
    [line] = [line for line in printed(view).splitlines() if "third" in line]
    assert line.split() == ["third", "waiting", "acme", "premium", "2", "3", "10", "s"]


def test_a_room_that_is_over_keeps_the_age_it_had() -> None:
    assert ps.View(NOW, (), ()).age_ms(room(State.ENDED)) == 5000


def test_a_worker_is_printed_with_its_calls_its_spares_and_its_load() -> None:
    [line] = [line for line in printed(ps.View(NOW, (), (WORKER,))).splitlines() if "one@host" in line]

    assert line.split() == ["one@host", "premium,standard", "open", "1", "2", "4", "25%", "10%"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[red]call[/red]", "[red]call[/red]"),
        ("a\x1b[2Jb\nc\rd", "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d"),
    ],
)
def test_a_room_name_is_not_read_as_markup_and_does_not_control_the_terminal(name: str, shown: str) -> None:
    assert shown in printed(ps.View(NOW, (room(name=name),), ()))


def test_the_columns_are_aligned_also_with_wide_characters() -> None:
    text = printed(ps.View(NOW, (room(name="call-東京"), room(name="call-acme-1")), ()))
    [head, wide, narrow] = text.splitlines()[1:4]
    assert head.index("state") == narrow.index("running") == wide.index("running") + len("東京")


def test_the_object_is_json_with_every_field() -> None:
    rooms = json.loads(json.dumps(ps.as_object(ps.View(NOW, (room(),), (WORKER,)))))["rooms"]

    assert rooms[0]["state"] == "running"
    assert rooms[0]["age_ms"] == 65_000
    assert rooms[0]["steps_ms"]["joined"] == NOW - 60_000


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 s"), (59_999, "59 s"), (185_000, "3 min 05 s"), (7_800_000, "2 h 10 min")]
)
def test_an_age_is_printed_in_two_units_at_most(ms: int, text: str) -> None:
    assert ps.format_age(ms) == text


def test_an_unreachable_redis_is_named_without_its_password() -> None:
    env = {**os.environ, "REDIS_URL": "redis://:hush@127.0.0.1:1/0"}

    result = subprocess.run(
        [sys.executable, "-m", "ops.cli", "ps"], env=env, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "Redis at 127.0.0.1:1 cannot be reached" in result.stderr
    assert "set REDIS_URL" in result.stderr
    assert "hush" not in result.stderr + result.stdout
