"""One call while a provider fails: what the caller hears and when, and what the operator sees."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ops.caller.caller import Caller
from ops.caller.errors import CallError
from ops.caller.recording import Samples
from pipeline.options import ProviderOptions, VoiceAgentOptions
from pipeline.providers.local.script import spoken_sentences
from pipeline.providers.local.sphinx import recognise
from tasks.rooms import State
from tests.acceptance.installation import Installation
from tests.acceptance.speech import utterance
from tests.provider_faults.case import Case
from tests.provider_faults.emulators import ANSWER, QUESTION, tenant_providers

GREETED_SECONDS = 8.0
ANSWERED_SECONDS = 10.0
QUIET_SECONDS = 1.0
SPEECH_SECONDS = 12.0
END_SECONDS = 10.0

LOCAL = ProviderOptions("local")
VOICE = VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL)
TEXTS = {
    "greeting": VOICE.greeting,
    "trouble": VOICE.trouble_phrase,
    "refused": VOICE.refused_phrase,
    "cut off": VOICE.cut_off_phrase,
    "answer": ANSWER,
}
# A comma may be a pause that ends an utterance, or not. Each text is identified by the longest of its parts.
PARTS = {name: spoken_sentences(re.findall(r"[^,.?!]+", text or "")) for name, text in TEXTS.items()}
WHOLE = spoken_sentences([text or "" for text in TEXTS.values()])
PHRASES = sorted({*WHOLE, *(part for parts in PARTS.values() for part in parts)})
LONGEST_PART = {name: max(parts, key=len) for name, parts in PARTS.items()}


@dataclass
class CaseResult:
    """The result of one call.

    `greeted_s`: from the start of connecting. `answered_s`: from the end of the question. None: nothing was heard.
    `before_question`, `after_question`: the texts recognised, by their names in TEXTS, each once. `log`: the lines of
    the worker's log about this call, from WARNING on. `failures`: as in the call record.
    """

    case: str
    greeted_s: float | None = None
    before_question: list[str] = field(default_factory=list)
    answered_s: float | None = None
    after_question: list[str] = field(default_factory=list)
    state: str = ""
    reason: str = ""
    attempt: int = 0
    log: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of `build/faults.json`."""
        return asdict(self)


async def run_case(installation: Installation, case: Case, directory: Path, *, tier: str = "premium") -> CaseResult:
    """Run a call. The fault applies from its beginning; the caller listens, and then asks one question."""
    result = CaseResult(case.name)
    async with tenant_providers(directory, case.name) as providers:
        fallbacks = frozenset({case.kind} if case.fallback else ())
        table = providers.table(case.name, tier, fallbacks=fallbacks, endpointing_seconds=case.endpointing_seconds)
        async with installation.more_tenants(table):
            providers.primary(case.kind).fault = case.fault
            async with installation.call(case.name) as caller:
                sid, name = caller.room_sid, caller.room.name
                await _talk(caller, result)
                reached = await _final_state(installation, sid)
            if reached not in {State.ENDED, State.DEAD}:
                await installation.delete_room(name)
                await _final_state(installation, sid, seconds=END_SECONDS)
    await _read_outcome(installation, sid, result)
    return result


async def _talk(caller: Caller, result: CaseResult) -> None:
    # Silence, or the end of the call, is a result like any other here.
    with suppress(CallError):
        await caller.wait_for_answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=GREETED_SECONDS)
    result.greeted_s = _first_sound(caller, 0)
    asked = await caller.say(utterance(QUESTION))
    since, deadline = asked.end, caller.clock.now() + SPEECH_SECONDS
    with suppress(CallError):
        # On a busy machine the audio may pause within a text, or before there is anything to recognise.
        while TEXTS.keys().isdisjoint(result.after_question) and (left := deadline - caller.clock.now()) > 0:
            await caller.listener.wait_for_sound(since, min(left, ANSWERED_SECONDS))
            await caller.listener.wait_for_silence(QUIET_SECONDS, left)
            since = caller.clock.now()
            result.after_question = await _recognise_texts(_heard(caller, asked.begin))
    result.answered_s = _first_sound(caller, asked.end)
    result.before_question = await _recognise_texts(_heard(caller, 0, asked.begin))
    # The call may have ended in the middle of it.
    result.after_question = await _recognise_texts(_heard(caller, asked.begin))


def _heard(caller: Caller, begin: float, end: float | None = None) -> Samples:
    rate = caller.listener.rate
    heard = caller.listener.render(caller.clock.now())
    return heard[round(begin * rate) : None if end is None else round(end * rate)]


def _first_sound(caller: Caller, since: float) -> float | None:
    sounds = [interval.begin for interval in caller.listener.audible_intervals(0.3) if interval.end > since]
    return round(max(0.0, min(sounds) - since), 2) if sounds else None


async def _recognise_texts(samples: Samples) -> list[str]:
    words = " ".join(await asyncio.to_thread(recognise, samples.tobytes(), PHRASES))
    positions = {name: f" {words} ".find(f" {part} ") for name, part in LONGEST_PART.items()}
    found = sorted((name for name, position in positions.items() if position >= 0), key=positions.__getitem__)
    # Of an answer that breaks off, only the first words are there.
    return found or words.split()


async def _final_state(installation: Installation, sid: str, seconds: float = 1.0) -> State | None:
    """Return the room's state once the call has ended, or after so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        room = await installation.rooms.get(sid)
        if room is None or room.state in {State.ENDED, State.DEAD, State.CANCELLED}:
            return room.state if room else None
        if asyncio.get_running_loop().time() > deadline:
            return room.state
        await asyncio.sleep(0.05)


async def _read_outcome(installation: Installation, sid: str, result: CaseResult) -> None:
    room = await installation.rooms.get(sid)
    if room is not None:
        result.state, result.reason, result.attempt = str(room.state), room.reason, room.attempt
    letters = [letter for letter in await installation.rooms.list_dead_letters() if letter.sid == sid]
    if letters:
        result.reason = letters[0].reason
    for record in await installation.rooms.list_call_records():
        if record.sid == sid:
            result.failures = [each for each in json.loads(record.usage) if each.get("type") == "provider_failure"]
    result.log = dict(Counter(_log_lines(installation, sid)))


def _log_lines(installation: Installation, sid: str) -> list[str]:
    found = []
    for worker in installation.stack.workers.values():
        for line in worker.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if sid in line and line.startswith("{"):
                entry = json.loads(line)
                if entry["level"] in {"WARNING", "ERROR"}:
                    fields = (str(entry[name]) for name in ("provider", "error", "reason") if name in entry)
                    # The last line of a traceback is the error.
                    details = ", ".join(field.strip().splitlines()[-1] for field in fields if field.strip())
                    message = entry["message"].partition("\n")[0]
                    found.append(f"{message} ({details})" if details else message)
    return found
