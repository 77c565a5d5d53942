"""`python -m tests.bench.records_usage`: calls with random faults, and their usage in the database and at the provider.

Real calls over the providers' protocols: greeting, a question, a fault or none, another question, hang-up. What the
emulator of the language model has counted is compared with the sums in the database, to the token. Faults: `killed`
(SIGKILL to the child between two turns, once what it has used is in Redis), `mid-turn` (SIGKILL while it answers: that
answer may be missing), `drained` (its worker is drained at once, so the call is handed over), `redis` (Redis stands
still for 3 s while the caller hangs up).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from ops.caller.caller import Caller
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.records import CallFilter, Database, RecordStore, TenantUsage
from tasks.rooms import Room, RoomStore, State, keys
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance
from tests.provider_faults.emulators import QUESTION, TenantProviders, tenant_providers
from tests.support import databases
from tests.support.waiting import until

TENANT = "metered"
FAULTS = ("none", "killed", "killed", "mid-turn", "drained", "redis")
AWAY_SECONDS = 3.0
TOKENS_OF_AN_ANSWER = {"input_tokens": 10, "output_tokens": 5}
"""As the emulator counts each of them."""
LAST_SECONDS = 60.0


class Usage:
    """Calls of one tenant on one installation, each with a fault, and what came of them."""

    def __init__(self, running: Installation, providers: TenantProviders, seed: int) -> None:
        self.running = running
        self.providers = providers
        self.choose = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.failed: list[str] = []
        self.sids: list[str] = []
        # One fault at a time: each is of one call, and would be another one's, too.
        self._breaking = asyncio.Lock()

    async def call(self, number: int) -> None:
        """Make one call."""
        fault = self.choose.choice(FAULTS)
        try:
            await self._call(fault)
        except Exception as error:  # noqa: BLE001 - it is a result
            self.failed.append(f"{number} ({fault}): {type(error).__name__} {error}"[:200])
        self.faults[fault] += 1
        print(f"call {number}: {fault}", file=sys.stderr, flush=True)

    async def _call(self, fault: str) -> None:
        async with self.running.call(TENANT) as caller:
            self.sids.append(caller.room_sid)
            await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            await self._ask(caller)
            async with self._breaking:
                room = await self.running.reaches(caller.room_sid, State.RUNNING)
                await self._break(fault, room, caller)
            await self._ask(caller)
        if fault == "redis":
            redis = self.running.stack.redis
            async with self._breaking:
                redis.pause()
                try:
                    await asyncio.sleep(AWAY_SECONDS)
                finally:
                    redis.resume()
        await self.running.reaches(room.sid, State.ENDED, LAST_SECONDS)

    async def _ask(self, caller: Caller) -> None:
        said = await caller.say(utterance(QUESTION))
        await caller.wait_for_answer(said.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)

    async def _break(self, fault: str, room: Room, caller: Caller) -> None:
        before = caller.clock.now()
        if fault in {"killed", "mid-turn"}:
            assert room.pid is not None
            if fault == "mid-turn":
                await caller.say(utterance(QUESTION))
            else:
                # So long a renewal may take.
                await until(lambda: self._is_kept(room.sid), ANSWER_SECONDS)
            os.kill(room.pid, signal.SIGKILL)
            await caller.listener.wait_for_sound(before, ANSWER_SECONDS)
            await caller.listener.wait_for_silence(1.0, ANSWER_SECONDS)
        elif fault == "drained":
            worker = next(each for each in self.running.stack.workers.values() if each.node == room.worker)
            await self.running.switchboard("drain", worker.node, "--now", "--wait")
            await worker.start()
            await self.running.reaches(
                room.sid, lambda now: now.attempt > room.attempt and "published" in now.steps_ms, LAST_SECONDS
            )

    async def _is_kept(self, sid: str) -> bool:
        found = await cast("Awaitable[str | None]", self.running.rooms.redis.hget(keys.room(sid), "usage"))
        entries: list[dict[str, Any]] = json.loads(found or "[]")
        return any(entry.get("output_tokens") for entry in entries if entry["type"] == "llm_usage")


async def run(calls: int, at_once: int, seed: int, folder: Path) -> tuple[Usage, TenantUsage | None]:
    """Make the calls, and return them with the tenant's usage in the database."""
    load = folder / "load"
    load.write_text("0.1")
    settings = await databases.sqlite(folder)
    options = StackOptions(
        directory=folder,
        binaries=Binaries.find(),
        workers=tuple(WorkerSpec(name, ("premium",), slots=2 * at_once) for name in ("one", "two")),
        env={
            "SWITCHBOARD_TIERS": "premium",
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_CALL_CORES": "0",
            "SWITCHBOARD_PRELOAD_EXTRAS": "none",
        },
    )
    async with (
        Stack.start(options) as stack,
        # It waits while Redis stands still.
        Redis.from_url(stack.redis.url, decode_responses=True, socket_timeout=3 * AWAY_SECONDS) as client,
        tenant_providers(folder / "keys", TENANT) as providers,
    ):
        running = Installation(stack, RoomStore(client))
        writer = databases.writer(folder, redis_url=stack.redis.url, database=settings)
        await writer.start()
        made = Usage(running, providers, seed)
        limit = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with limit:
                await made.call(number)

        async with running.more_tenants(providers.table(TENANT, "premium")):
            await asyncio.gather(*(one(number) for number in range(1, calls + 1)))
        try:
            async with Database.open(settings) as database:
                store = RecordStore(database)

                async def all_written() -> bool:
                    page = await store.list_calls(CallFilter(tenant=TENANT), limit=1000)
                    return sum(call.state is not None for call in page.calls) >= len(made.sids)

                await until(all_written, LAST_SECONDS, every=0.2)
                found = await store.usage(since_ms=0, until_ms=10**14, tenant=TENANT)
        finally:
            await writer.stop()
    return made, found[0] if found else None


def main() -> int:
    """Return 0 if the sums agree, but for the answers under way in `mid-turn`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="switchboard-usage-") as folder:
        made, usage = asyncio.run(run(options.calls, options.at_once, options.seed, Path(folder)))
    stored = {line.unit: round(line.amount) for line in usage.lines if line.kind == "llm"} if usage else {}
    answers = made.providers.openai.tokens // TOKENS_OF_AN_ANSWER["output_tokens"]
    print("faults:", dict(made.faults), "calls that went wrong:", made.failed or "none")
    wrong = False
    for unit, each in TOKENS_OF_AN_ANSWER.items():
        counted, found = answers * each, stored.get(unit, 0)
        allowed = made.faults["mid-turn"] * each
        wrong |= not counted - allowed <= found <= counted
        print(f"{unit}: the provider has counted {counted}, the database has {found}, may lack {allowed}")
    return int(wrong or bool(made.failed))


if __name__ == "__main__":
    sys.exit(main())
