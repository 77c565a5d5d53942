from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from ops.caller.milestones import Milestone
from ops.commands.tenants import declaration
from ops.commands.tenants.key_values import KeyValues
from ops.demo import dialogue, report, tenants
from ops.demo.command import stack_options
from ops.demo.options import DemoOptions
from ops.demo.result import CallResult
from ops.demo.steps import relative_times
from ops.stack import Binaries
from pipeline.providers.local.phrases import normalise
from tasks.call.options import voice_agent_options
from tasks.queue.routing import tenants_in_name

TIERS = {"premium": "premium", "standard": "standard", "free": "free"}


def result(tenant: str = "bakery", **ms: int) -> CallResult:
    return CallResult(room=f"call-{tenant}-1", tenant=tenant, tier="premium", queue="premium", worker="w@h", ms=ms)


def printed(results: list[CallResult]) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(report.report(results))
    return captured.get()


def test_every_tier_has_a_tenant_of_the_demo_that_works_without_keys(tmp_path: Path) -> None:
    tenants.write(tmp_path / "tenants.toml")

    declared = declaration.read(tmp_path / "tenants.toml", TIERS, KeyValues(None, None))

    assert {declared[tenant].tenant.tier for tenant in declared} == TIERS.keys()
    for expected in tenants.TENANTS:
        options = voice_agent_options(declared[expected.id].tenant, {})
        assert {options.stt.name, options.llm.name, options.tts.name} == {"local"}
        assert options.greeting == expected.greeting


def test_a_room_of_the_demo_belongs_to_its_tenant() -> None:
    for tenant in tenants.TENANTS:
        assert tenants_in_name(tenant.new_room()) == [tenant.id]


def test_only_the_right_answer_counts_as_the_answer() -> None:
    right = [answer for answer in dialogue.answers() if dialogue.is_answer(normalise(answer))]

    assert right == ["We are open from nine in the morning to five in the afternoon, Monday to Friday."]


def test_the_caller_knows_every_beginning_of_the_story() -> None:
    so_far = dialogue.story_so_far()

    assert "once upon a time there was" in so_far
    assert "every morning an old man" in so_far


@pytest.mark.parametrize(
    ("calls", "keep", "tiers", "slots"),
    [(1, False, 1, 1), (2, False, 2, 1), (3, False, 3, 1), (4, False, 3, 2), (1, True, 3, 2), (7, True, 3, 4)],
)
def test_each_tier_with_calls_has_a_worker_with_a_slot_for_each_of_them_and_for_a_guest(
    calls: int,
    keep: bool,  # noqa: FBT001 - a parameter of a test
    tiers: int,
    slots: int,
) -> None:
    options = stack_options(DemoOptions(calls=calls, keep=keep, directory=Path("/run")), Binaries(Path("/redis")))

    expected = [(("premium",), slots), (("standard",), slots), (("free",), slots)]
    assert [(worker.queues, worker.slots) for worker in options.workers] == expected[:tiers]


def test_both_sides_times_lie_on_one_scale_that_begins_when_the_room_started() -> None:
    scale = relative_times({"room_started": 1000, "received": 1010, "joined": 1200}, {Milestone.FIRST_SOUND: 1330})

    assert scale == {"room_started": 0, "received": 10, "joined": 200, "first_sound": 330}


def test_a_room_that_was_never_seen_has_no_times() -> None:
    assert relative_times({}, {Milestone.CONNECTED: 5}) == {}


def test_the_table_shows_each_step_of_each_call_in_the_order_in_which_it_came() -> None:
    lines = printed([result(room_started=0, received=9, first_sound=400), result("florist", room_started=0)])

    steps = [line.split("│")[1:4] for line in lines.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in step] for step in steps] == [
        ["room started", "0", "0"],
        ["webhook received", "9", ""],
        ["caller hears a first sound", "400", ""],
    ]


def test_many_calls_are_shown_as_a_range() -> None:
    lines = printed([result(first_sound=ms) for ms in (300, 310, 350, 400, 900)])

    assert "fastest" in lines
    [step] = [line for line in lines.splitlines() if "first sound" in line]
    assert [cell.strip() for cell in step.split("│")[2:5]] == ["300", "350", "900"]


def test_a_result_as_json_has_the_recognised_texts_of_both_sides() -> None:
    call = CallResult(
        room="r", tenant="t", agent_heard=("a question",), caller_heard=("an answer",), recording=Path("/r.wav")
    )

    as_json = json.loads(json.dumps(call.as_object()))

    assert as_json["agent_heard"] == ["a question"]
    assert as_json["caller_heard"] == ["an answer"]
    assert as_json["recording"] == "/r.wav"
