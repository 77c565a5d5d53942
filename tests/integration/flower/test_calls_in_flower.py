"""What Flower shows of calls and workers, over HTTP: without anything being opened, and whatever has been killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from ops.stack import Worker
from tasks.rooms import RoomStore, State
from tests.integration.flower.conftest import ROOMS, Scene
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Workers = Mapping[str, Worker]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(scene: Scene) -> AsyncIterator[Workers]:
    """Two workers, by their nodes, and a call of each kind. Tests below stop one of them, and kill the other."""
    started = {worker.node: worker for worker in (scene.worker("one"), scene.worker("two"))}
    try:
        await asyncio.gather(*(worker.start() for worker in started.values()))
        await scene.open("RM_ends", "RM_breaks", "RM_killed", "RM_dead")
        await scene.open("RM_runs")
        yield started
    finally:
        for worker in started.values():
            worker.kill()
        await asyncio.gather(*(worker.stop() for worker in started.values()))


async def test_a_call_that_has_ended_is_a_success_with_its_outcome(scene: Scene, workers: Workers) -> None:
    row = await scene.shown.row("RM_ends:1", "SUCCESS")
    assert (row["args"], row["kwargs"]) == ("call-acme-ends", "tenant=acme tier=premium attempt=1")
    assert row["result"] == "ended by agent: goodbye"
    assert row["worker"] in workers


@pytest.mark.parametrize(
    ("sid", "reason"),
    [
        ("RM_breaks", "lost: The agent's entrypoint raised RuntimeError: it broke."),
        ("RM_killed", "lost: Worker exited"),
    ],
)
async def test_a_lost_call_is_a_retried_task_and_its_next_attempt_another_one(
    scene: Scene, workers: Workers, sid: str, reason: str
) -> None:
    row = await scene.shown.row(f"{sid}:1", "RETRY")
    assert row["result"].startswith(reason)
    assert row["runtime"] > 0
    # Its lines would be Celery's.
    assert row["traceback"] is None
    assert (await scene.shown.row(f"{sid}:2", "SUCCESS"))["kwargs"].endswith("attempt=2")
    log = "".join(worker.log.read_text() for worker in workers.values())
    assert "Task handler raised error" not in log
    assert "raised unexpected" not in log


async def test_a_call_that_nobody_can_answer_is_a_failed_task_with_the_reason(scene: Scene, workers: Workers) -> None:
    row = await scene.shown.row("RM_dead:2", "FAILURE")
    assert row["result"].startswith("dead, attempts used up: The agent's entrypoint raised RuntimeError")
    assert set(await scene.shown.rows("state:FAILURE")) == set(await scene.shown.rows("result:dead")) == {"RM_dead:2"}
    assert (await scene.shown.row("RM_dead:1", "RETRY"))["result"].startswith("lost: ")


async def test_rows_are_searched_for_as_they_are_written(scene: Scene, workers: Workers) -> None:
    await scene.shown.row("RM_runs:1", "STARTED")
    assert set(await scene.shown.rows("kwargs:tenant=bolt")) == {"RM_dead:1", "RM_dead:2"}
    assert set(await scene.shown.rows("kwargs:room=call-acme-runs")) == {"RM_runs:1"}
    assert set(await scene.shown.rows("args:acme-runs")) == set(await scene.shown.rows("RM_runs")) == {"RM_runs:1"}
    assert "RM_breaks:1" in await scene.shown.rows('result:"it broke" state:RETRY')
    assert set(await scene.shown.rows("kwargs:tenant=acme state:STARTED")) == {"RM_runs:1"}
    page = await scene.shown.get("/tasks")
    assert all(f'data-column="{column}"' in page for column in ("args", "kwargs", "state", "result", "worker"))


async def test_the_page_of_a_worker_shows_its_intake_spares_load_and_drain(scene: Scene, workers: Workers) -> None:
    node = (await scene.shown.row("RM_runs:1", "STARTED"))["worker"]
    wanted = {"intake": "open", "calls": 1, "spares": 1, "slots": 2}
    seen: dict[str, Any] = {}

    async def has_one_call_and_a_spare() -> bool:
        answer = await scene.shown.get("/api/workers", refresh="1", workername=node)
        seen.update(answer[node]["stats"]["pool"])
        return wanted.items() <= seen.items()

    try:
        # The last attempt of the call that fails may wait for the other worker meanwhile.
        await until(has_one_call_and_a_spare, 60, every=0.2)
    except TimeoutError:
        raise AssertionError(f"never {wanted}, but {seen}; {workers[node].tail()}") from None
    assert (seen["load"], seen["load-reserved"], seen["drain"]) == (0.0, 0.0, "none")
    # Celery's own are still there.
    assert seen["max-concurrency"] == 2
    page = await scene.shown.get(f"/worker/{node}")
    assert all(f"<td>{name}</td>" in page for name in ("Intake", "Spares", "Load", "Drain"))


async def test_the_lengths_of_calls_are_counted_in_minutes(scene: Scene, workers: Workers) -> None:
    await scene.shown.row("RM_ends:1", "SUCCESS")
    metrics = await scene.shown.get("/metrics")
    assert 'task="tasks.run_room"' in metrics
    assert 'flower_task_runtime_seconds_bucket{le="1800.0"' in metrics


async def test_a_call_that_is_handed_over_has_succeeded_and_goes_on_in_another_task(
    scene: Scene, workers: Workers
) -> None:
    node = (await scene.shown.row("RM_runs:1", "STARTED"))["worker"]
    workers[node].send(signal.SIGQUIT)
    assert (await scene.shown.row("RM_runs:1", "SUCCESS"))["result"] == "handed over: its worker stops"
    assert (await scene.shown.row("RM_runs:2", "STARTED"))["worker"] != node


async def test_tasks_outlive_flower_and_one_that_has_ended_meanwhile_does_not_run_for_ever(
    scene: Scene, workers: Workers
) -> None:
    before = await scene.shown.rows()
    assert before["RM_runs:2"]["state"] == "STARTED"
    await scene.flower.stop()
    async with scene.redis.client() as client:
        rooms = RoomStore(client)
        room = await rooms.get("RM_runs")
        assert room is not None
        assert room.pid is not None
        os.kill(room.pid, signal.SIGKILL)

        async def has_gone_on() -> bool:
            room = await rooms.get("RM_runs")
            return room is not None and room.attempt == 3 and room.state is State.RUNNING

        # A Flower that hears of the next attempt says instead that this one was lost.
        await until(has_gone_on, 60)
    await scene.flower.start()
    assert (await scene.shown.row("RM_runs:2", "UNKNOWN"))["result"].startswith("its end was not heard")
    after = await scene.shown.rows()
    assert {**before, "RM_runs:2": {}} == {uuid: after[uuid] if uuid != "RM_runs:2" else {} for uuid in before}


async def test_the_call_of_a_killed_worker_is_retried_and_does_not_run_for_ever(scene: Scene, workers: Workers) -> None:
    await scene.open("RM_lasts")
    node = (await scene.shown.row("RM_lasts:1", "STARTED"))["worker"]
    workers[node].kill()
    assert (await scene.shown.row("RM_lasts:1", "RETRY"))["result"] == "lost: its worker is gone"
    shown = (await scene.shown.get("/workers", json="1"))["data"]
    assert not any(worker["status"] for worker in shown if worker["hostname"] == node)
    assert set(ROOMS) >= {uuid.partition(":")[0] for uuid in await scene.shown.rows()}
