"""One call while a provider fails: what its caller hears, and when, and what the operator sees."""

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
from tests.provider_faults.emulators import ANSWER, QUESTION, clouds

GREETED_SECONDS = 8.0
ANSWERED_SECONDS = 10.0
QUIET_SECONDS = 1.0
SPEECH_SECONDS = 12.0
OVER_SECONDS = 10.0

LOCAL = ProviderOptions("local")
VOICE = VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL)
TEXTS = {
    "greeting": VOICE.greeting,
    "trouble": VOICE.trouble_phrase,
    "refused": VOICE.refused_phrase,
    "cut off": VOICE.cut_off_phrase,
    "answer": ANSWER,
}
# A comma may be a pause that ends an utterance, or not. Each text is known by the longest of its parts.
PARTS = {name: spoken_sentences(re.findall(r"[^,.?!]+", text or "")) for name, text in TEXTS.items()}
WHOLE = spoken_sentences([text or "" for text in TEXTS.values()])
PHRASES = sorted({*WHOLE, *(part for parts in PARTS.values() for part in parts)})
KNOWN_BY = {name: max(parts, key=len) for name, parts in PARTS.items()}


@dataclass
class Seen:
    """`greeted_s`: from the begin of connecting; `answered_s`: from the end of the question. None: nothing was heard.

    `first`, `then`: what was understood before and after the question, each once, by its name in TEXTS. `log`: the
    lines of the worker's log about this call, from WARNING on. `failures`: as the call's record counts them.
    """

    case: str
    greeted_s: float | None = None
    first: list[str] = field(default_factory=list)
    answered_s: float | None = None
    then: list[str] = field(default_factory=list)
    state: str = ""
    reason: str = ""
    attempt: int = 0
    log: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As `build/faults.json` has it."""
        return asdict(self)


async def play(installation: Installation, case: Case, directory: Path, *, tier: str = "premium") -> Seen:
    """Run the case. The fault is there from the beginning; the caller greets nobody and asks one question."""
    seen = Seen(case.name)
    async with clouds(directory, case.name) as tenant:
        fallbacks = frozenset({case.kind} if case.fallback else ())
        async with installation.more_tenants(tenant.tenant(case.name, tier, fallbacks=fallbacks)):
            tenant.first(case.kind).fault = case.fault
            async with installation.call(case.name) as caller:
                sid, name = caller.room_sid, caller.room.name
                await _listen(caller, seen)
                reached = await _ending(installation, sid)
            if reached not in {State.ENDED, State.DEAD}:
                await installation.delete_room(name)
                await _ending(installation, sid, seconds=OVER_SECONDS)
    await _look(installation, sid, seen)
    return seen


async def _listen(caller: Caller, seen: Seen) -> None:
    # That nobody speaks, or that the call is over, is what the table is about.
    with suppress(CallError):
        await caller.answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=GREETED_SECONDS)
    seen.greeted_s = _first(caller, 0)
    asked = await caller.say(utterance(QUESTION))
    with suppress(CallError):
        await caller.ear.sound(asked.end, ANSWERED_SECONDS)
        await caller.ear.silence(QUIET_SECONDS, SPEECH_SECONDS)
    seen.answered_s = _first(caller, asked.end)
    heard = caller.ear.render(caller.clock.now())
    split = round(asked.begin * caller.ear.rate)
    seen.first, seen.then = await _understood(heard[:split]), await _understood(heard[split:])


def _first(caller: Caller, since: float) -> float | None:
    sounds = [stretch.begin for stretch in caller.ear.stretches(0.3) if stretch.end > since]
    return round(max(0.0, min(sounds) - since), 2) if sounds else None


async def _understood(samples: Samples) -> list[str]:
    words = " ".join(await asyncio.to_thread(recognise, samples.tobytes(), PHRASES))
    places = {name: f" {words} ".find(f" {part} ") for name, part in KNOWN_BY.items()}
    found = sorted((name for name, place in places.items() if place >= 0), key=places.__getitem__)
    # An answer that breaks off has its first word alone.
    return found or words.split()


async def _ending(installation: Installation, sid: str, seconds: float = 1.0) -> State | None:
    """The state of the room, once it is over, or after so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        room = await installation.rooms.get(sid)
        if room is None or room.state in {State.ENDED, State.DEAD, State.CANCELLED}:
            return room.state if room else None
        if asyncio.get_running_loop().time() > deadline:
            return room.state
        await asyncio.sleep(0.05)


async def _look(installation: Installation, sid: str, seen: Seen) -> None:
    room = await installation.rooms.get(sid)
    if room is not None:
        seen.state, seen.reason, seen.attempt = str(room.state), room.reason, room.attempt
    letters = [letter for letter in await installation.rooms.dead_letters() if letter.sid == sid]
    if letters:
        seen.reason = letters[0].reason
    for record in await installation.rooms.call_records():
        if record.sid == sid:
            seen.failures = [each for each in json.loads(record.usage) if each.get("type") == "provider_failure"]
    seen.log = dict(Counter(_lines(installation, sid)))


def _lines(installation: Installation, sid: str) -> list[str]:
    found = []
    for worker in installation.stack.workers.values():
        for line in worker.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if sid in line and line.startswith("{"):
                entry = json.loads(line)
                if entry["level"] in {"WARNING", "ERROR"}:
                    what = ", ".join(str(entry[name]) for name in ("provider", "error", "reason") if name in entry)
                    found.append(f"{entry['message']} ({what})" if what else entry["message"])
    return found
