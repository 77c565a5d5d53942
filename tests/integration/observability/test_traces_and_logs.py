"""The trace of a call whose child is killed, and the log of every process that had a part in it. All are real."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from ops.caller.caller import Caller
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.rooms import Room, RoomStore, State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance
from tests.support.otlp_sink import OtlpSink, SentSpan, otlp_sink
from tests.support.waiting import until

HERE = Path(__file__).parent
API_KEY = "key-of-a-backend"
TRACE, SENDER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
IDENTITY, PLAN = "identity-of-the-caller", "plan-of-the-caller"
QUESTION = "what are your opening hours"
COMMON = {"at", "level", "logger", "message", "process", "process_id"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class TracedCall:
    """What is left of a call that two attempts have answered."""

    sid: str
    name: str
    worker: str
    killed: int
    answered: Room
    response_id: str
    spans: list[SentSpan]
    raw: bytes
    logs: dict[str, list[str]]

    def named(self, name: str) -> list[SentSpan]:
        return [span for span in self.spans if span.name == name]

    def lines(self, part: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.logs[part]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def call(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TracedCall]:
    directory = tmp_path_factory.mktemp("installation")
    (directory / "load").write_text("0.1")
    (directory / "tenants.toml").write_text('[tenants.acme]\ntier = "premium"\nagent = "wordy_agent:entrypoint"\n')
    with otlp_sink() as sink:
        options = StackOptions(
            directory=directory,
            binaries=binaries,
            receivers=1,
            workers=(WorkerSpec("one", ("premium",)),),
            tenants=directory / "tenants.toml",
            env={
                "SWITCHBOARD_API_KEYS": f"acme=sha256:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
                "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
                "SWITCHBOARD_LOAD_FILE": str(directory / "load"),
                "SWITCHBOARD_CALL_CORES": "0",
                "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            },
            python_path=(HERE,),
        )
        async with Stack.start(options) as stack, stack.redis.client() as client:
            yield await _call(Installation(stack, RoomStore(client)), sink)


async def _call(installation: Installation, sink: OtlpSink) -> TracedCall:
    """Request a call, kill its child, ask the next attempt something, and hang up."""
    stack = installation.stack
    headers = {
        "authorization": f"Bearer {API_KEY}",
        "traceparent": f"00-{TRACE}-{SENDER}-01",
        "x-request-id": "request-of-the-backend",
    }
    body = {"tenant_id": "acme", "identity": IDENTITY, "metadata": {"plan": PLAN}}
    url = f"http://127.0.0.1:{stack.receivers[0].port}/calls"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as response:
        assert response.status == 201, await response.text()
        made, response_id = await response.json(), response.headers["x-request-id"]
    async with Caller.call(made["url"], made["token"]) as caller:
        await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
        room = await installation.reaches(made["sid"], lambda room: "first_audio" in room.steps_ms)
        assert room.pid is not None

        async def joined_is_sent() -> bool:
            return bool(sink.named("join"))

        await until(joined_is_sent)
        os.kill(room.pid, signal.SIGKILL)
        before = caller.clock.now()
        answered = await installation.reaches(
            room.sid, lambda room: room.attempt == 2 and "first_audio" in room.steps_ms
        )
        await caller.listener.wait_for_sound(before, ANSWER_SECONDS)
        await caller.listener.wait_for_silence(1.0, ANSWER_SECONDS)
        asked = await caller.say(utterance(QUESTION))
        await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    await installation.reaches(room.sid, State.ENDED)

    async def attempts_are_sent() -> bool:
        return len(sink.named("attempt")) == 2

    await until(attempts_are_sent)
    for part in (*stack.workers.values(), *stack.receivers):
        await part.stop()
    return TracedCall(
        sid=room.sid,
        name=room.name,
        worker=room.worker,
        killed=room.pid,
        answered=answered,
        response_id=response_id,
        spans=sink.spans,
        raw=b"".join(sink.raw),
        logs={
            part.name.partition("-")[0]: part.log.read_text().splitlines()
            for part in (*stack.workers.values(), *stack.receivers)
        },
    )


async def test_a_call_is_one_trace_from_the_backends_request_over_all_attempts(call: TracedCall) -> None:
    (request,) = call.named("POST /calls")
    dispatch = next(span for span in call.named("dispatch") if span.trace == TRACE)
    first, second = sorted(call.named("attempt"), key=lambda span: span.attributes["switchboard.attempt"])
    assert (request.trace, request.parent) == (TRACE, SENDER)
    assert dispatch.parent == request.id
    assert {first.trace, second.trace} == {TRACE}
    # The room belongs to the request even if LiveKit's webhook was faster than its answer.
    assert {first.parent, second.parent} <= {dispatch.id, request.id}
    assert second.links == (first.id,)
    # The first child could not write its span.
    assert (first.failed, first.attributes["switchboard.ending"]) == (True, "lost")
    assert (second.failed, second.attributes["switchboard.ending"]) == (False, "ended")
    assert first.start < first.end <= second.start + 5_000_000
    assert [event for event in second.events if event in {"connecting", "joined", "first_audio"}] == [
        "connecting",
        "joined",
        "first_audio",
    ]
    for name in ("claim", "prepare", "join"):
        assert {span.parent for span in call.named(name)} == {first.id, second.id}, name
    assert len(call.named("queue")) == 2


async def test_livekits_own_spans_are_in_the_attempt_with_the_calls_tenant(call: TracedCall) -> None:
    (second,) = (span for span in call.named("attempt") if span.attributes["switchboard.attempt"] == 2)
    (job,) = (span for span in call.named("job_entrypoint") if span.parent == second.id)
    assert job.trace == TRACE
    names = {span.name for span in call.spans}
    assert {"agent_session", "agent_turn", "user_turn", "llm_node", "tts_node"} <= names, names
    of_call = [span for span in call.spans if span.service == "switchboard-worker"]
    assert {span.trace for span in of_call} == {TRACE}
    assert {
        (span.attributes["switchboard.sid"], span.attributes["switchboard.tenant"], span.attributes["switchboard.tier"])
        for span in of_call
    } == {(call.sid, "acme", "premium")}


async def test_no_span_has_words_names_or_identities(call: TracedCall) -> None:
    for secret in (call.name, IDENTITY, PLAN, "opening hours", "nine in the morning", "friday", API_KEY):
        assert secret.encode() not in call.raw, secret


async def test_webhooks_about_a_call_that_has_its_trace_have_none(call: TracedCall) -> None:
    results = [span.attributes.get("switchboard.result") for span in call.named("dispatch")]
    assert "known" not in results


async def test_every_line_of_every_process_is_json_with_the_same_fields(call: TracedCall) -> None:
    kinds = set()
    for part, lines in call.logs.items():
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:
                raise AssertionError(f"a line of {part} is not JSON: {text}") from None
            assert line.keys() >= COMMON, text
            kinds.add(line["process"])
            if part == "worker":
                assert line["worker"] == call.worker, text
    assert {"receiver", "main process", "child"} <= kinds


async def test_all_lines_of_a_call_name_it(call: TracedCall) -> None:
    child = [line for line in call.lines("worker") if line["process_id"] == call.killed and "sid" in line]
    for message, logger in (
        ("printed by the agent", "stdout"),
        ("two", "stderr"),
        ("lines", "stderr"),
        ("logged by the agent", "agent"),
        ("call claimed", "switchboard.tasks.call"),
    ):
        (line,) = (line for line in child if line["message"] == message)
        assert (line["logger"], line["sid"], line["attempt"]) == (logger, call.sid, 1)
        assert (line["tenant"], line["tier"], line["trace_id"]) == ("acme", "premium", TRACE)
    (warned,) = (line for line in child if line["logger"] == "py.warnings")
    assert "warned by the agent" in warned["message"]


async def test_a_requests_id_and_trace_are_in_its_lines_and_its_response(call: TracedCall) -> None:
    assert call.response_id == "request-of-the-backend"
    lines = [line for line in call.lines("receiver") if line.get("request_id") == call.response_id]
    messages = {line["message"] for line in lines}
    assert {"call made", "request answered"} <= messages
    assert {line["trace_id"] for line in lines} == {TRACE}
    (answered,) = (line for line in lines if line["message"] == "request answered")
    assert (answered["method"], answered["path"], answered["status"]) == ("POST", "/calls", 201)
