"""What receivers show of themselves to Prometheus."""

from __future__ import annotations

import asyncio
import subprocess
import time

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ops.stack.ports import HOST
from ops.stack.receiver import Receiver
from tests.integration.webhooks.sender import Sender, event, new_sid
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(receiver: Receiver) -> tuple[str, dict[str, float]]:
    """Return the metrics of a receiver, and the samples that have no labels."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{receiver.port}/metrics") as answer:
        text = await answer.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return text, {sample.name: sample.value for sample in samples if not sample.labels}


async def test_a_webhook_counts_its_age_and_its_time_in_redis(receivers: list[Receiver], sender: Sender) -> None:
    _, before = await shown(receivers[0])
    # LiveKit says it in whole seconds.
    created = int(time.time()) - 2
    answer = await sender.post(event("room_finished", new_sid(), createdAt=str(created)))
    assert answer.outcome == "unknown"
    _, after = await shown(receivers[0])

    def more(name: str) -> float:
        return after[f"switchboard_webhook_{name}"] - before[f"switchboard_webhook_{name}"]

    assert more("event_age_seconds_count") == more("redis_seconds_count") == 1
    assert 2 <= more("event_age_seconds_sum") < 10
    assert 0 < more("redis_seconds_sum") < 2


async def test_readiness_checks_are_no_time_of_webhooks_in_redis(receivers: list[Receiver], sender: Sender) -> None:
    _, before = await shown(receivers[0])
    assert await sender.status("/readyz") == 200
    _, after = await shown(receivers[0])
    name = "switchboard_webhook_redis_seconds_count"
    assert after[name] == before[name]


async def test_one_receiver_leads_and_it_alone_knows_of_the_livekit_server(receivers: list[Receiver]) -> None:
    async def one_leads() -> bool:
        found = [(await shown(receiver))[1] for receiver in receivers]
        leaders = [each for each in found if each["switchboard_reconciler_is_leader"] == 1]
        # Here no LiveKit server runs.
        return [each.get("switchboard_livekit_up") for each in leaders] == [0] and len(
            [each for each in found if "switchboard_livekit_up" in each]
        ) == 1

    await until(one_leads)


async def test_promtool_finds_nothing_to_complain_about(receivers: list[Receiver]) -> None:
    text, _ = await shown(receivers[0])
    checked = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
