"""`switchboard probe`: a tenant that answers, and tenants that do not, each for another reason."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import wave
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from ops.commands.probe.call import ProbeCall
from ops.commands.probe.front_door import LiveKitDoor
from ops.commands.probe.options import ProbeOptions
from ops.commands.probe.result import ProbeResult, Step
from ops.stack.ports import HOST, PortPicker
from tasks.livekit_api import LiveKitClient
from tasks.settings import LivekitSettings, RedisSettings
from tests.acceptance.installation import Installation
from tests.acceptance.speech import HOURS
from tests.support.waiting import until

QUESTION = "What are your opening hours?"
ANSWER = "We are open from nine in the morning to five in the afternoon, Monday to Friday."


async def probe(running: Installation, tenant: str, options: ProbeOptions) -> ProbeResult:
    """A call of a probe, in this process."""
    env = running.stack.env
    settings = LivekitSettings.read(env)
    result = ProbeResult(tenant, lambda *_: None)
    async with LiveKitClient.from_settings(settings) as livekit:
        door = LiveKitDoor(settings, livekit)
        call = ProbeCall(options, door, livekit, RedisSettings.read(env), result)
        await call.run()
        # Whatever has become of the call, its room is gone.
        assert await livekit.list_rooms(result.room) == []
    return result


async def test_a_tenant_that_answers_is_heard_to_answer_and_the_call_is_recorded(
    running: Installation, tmp_path: Path
) -> None:
    recording = tmp_path / "call.wav"
    status, output, problem = await running.switchboard(
        *("probe", "acme", "--say", QUESTION, "--expect", ANSWER, "--json", "--recording", str(recording))
    )
    result = json.loads(output)
    assert (status, result["problem"], result["success"]) == (0, None, True), problem
    assert list(result["steps"]) == [step.value for step in Step]
    assert result["heard_in"] == "audio"
    assert HOURS in " ".join(result["agent_said"]).lower().replace(",", "").replace(".", "")
    assert result["room"].startswith("call-acme-")
    with wave.open(str(recording)) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() > file.getframerate()


async def test_another_answer_than_the_expected_one_is_a_failure_that_quotes_it(running: Installation) -> None:
    # Without a question it is the greeting that has to be right.
    options = ProbeOptions(expect=("Yes, there is a parking garage behind our building.",))
    result = await probe(running, "acme", options)
    assert result.problem is not None
    assert "the agent says something else than 'Yes, there is a parking" in result.problem
    assert result.problem.endswith(": Hello, how can I help you?")
    assert Step.END not in result.steps


async def test_a_silent_agent_is_told_apart_from_one_that_does_not_come(running: Installation) -> None:
    result = await probe(running, "mute", ProbeOptions(first_word_seconds=3.0))
    assert result.problem is not None
    assert result.problem.startswith("the agent says nothing within 3 s: premium@")
    assert "answers it, attempt 1" in result.problem
    assert Step.AGENT in result.steps
    assert Step.FIRST_WORD not in result.steps


async def test_a_tenant_that_does_not_exist_fails_at_once_with_the_reason_of_its_dead_letter(
    running: Installation,
) -> None:
    result = await probe(running, "nobody", ProbeOptions(first_word_seconds=60.0))
    assert result.problem is not None
    assert result.problem.startswith("the call ended before: its room is dead: There is no tenant 'nobody'")


async def test_a_tier_without_a_worker_is_named_with_its_queue(running: Installation) -> None:
    result = await probe(running, "brief", ProbeOptions(first_word_seconds=1.0))
    assert result.problem is not None
    assert result.problem == "no agent joins within 1 s: no worker takes the queue short: start one with -Q short"


async def test_a_tenant_at_its_limit_is_named_as_such(running: Installation) -> None:
    async with running.call("limited") as caller:
        await caller.wait_for_agent(20.0)
        result = await probe(running, "limited", ProbeOptions(first_word_seconds=1.0))
    assert result.problem is not None
    assert "its room waits for a permit: the tenant or its tier is at its limit" in result.problem


async def test_a_probe_that_repeats_serves_its_results_and_hangs_up_at_sigterm(running: Installation) -> None:
    port = PortPicker().pick()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", "probe", "acme", "--every", "1", "--port", str(port)),
        stderr=asyncio.subprocess.PIPE,
        env=running.stack.receivers[0].env,
    )
    assert process.stderr is not None
    try:
        line = json.loads(await process.stderr.readline())
        assert (line["message"], line["process"], line["tenant"]) == ("probe succeeded", "probe", "acme")
        assert line["seconds"].keys() == {step.value for step in Step if step != Step.ANSWER}
        sid = line["sid"]
        samples = await scrape(port)
        assert samples["switchboard_probe_success"] == {("acme",): 1.0}
        assert samples["switchboard_probe_step_seconds"].keys() == {("acme", s.value) for s in Step if s != Step.ANSWER}
        assert samples["switchboard_probe_last_run_timestamp_seconds"].keys() == {("acme",)}
        # In the middle of the next call.
        rooms = running.rooms

        async def the_next_runs() -> bool:
            return any(room.sid != sid and room.tenant == "acme" for room in await rooms.list_open())

        await until(the_next_runs)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    async def no_probe_is_left() -> bool:
        settings = LivekitSettings.read(running.stack.env)
        async with LiveKitClient.from_settings(settings) as livekit:
            return not [room for room in await livekit.list_rooms() if '"probe"' in room.metadata]

    await until(no_probe_is_left)


async def scrape(port: int) -> dict[str, dict[tuple[str, ...], float]]:
    """The metrics: name -> the values of its labels -> value."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{port}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families:
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in ("tenant", "step") if name in sample.labels)
            found.setdefault(sample.name, {})[labels] = sample.value
    return found
