"""One history, from its callers' first step to its verdicts."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import RedisError

from ops.stack import StackError
from tests.campaign import agents, leftovers, tenants
from tests.campaign.backends import run_backend
from tests.campaign.callers import Line, run_caller
from tests.campaign.checker import Checker, Violation
from tests.campaign.faults import Site
from tests.campaign.history import History, RoomPlan
from tests.campaign.installation import CampaignInstallation
from tests.campaign.leftovers import Leftovers
from tests.campaign.monitor import sample_for_ever
from tests.campaign.nemesis import run_faults
from tests.campaign.observations import Act, HistoryClock, Observations, RoomSeen, VisitSeen
from tests.campaign.timeline import LogReader, render


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a history. `occurred`: how often each behaviour, agent and fault did."""

    history: History
    violations: list[Violation]
    occurred: Counter[str]
    timeline: str
    seconds: float


class Runner:
    """The runner of histories on one installation, one after the other."""

    def __init__(self, installation: CampaignInstallation, *, slack: float) -> None:
        self._installation = installation
        self._slack = slack
        self._leftovers = Leftovers(installation, slack=slack)
        self._run = secrets.token_hex(3)
        self._runs = 0

    async def run(self, history: History) -> Result:
        """Run a history."""
        self._runs += 1
        leftovers.clear(self._installation)
        await self._leftovers.begin()
        logs = LogReader(list(self._installation.stack.processes))
        seen = Observations(history, HistoryClock())
        seen.rooms = [RoomSeen(plan, self._name(history, plan)) for plan in history.rooms]
        for room in seen.rooms:
            plan = {"turn": room.plan.turn, "seconds": room.plan.seconds}
            (self._installation.folder / f"{room.name}.json").write_text(json.dumps(plan), encoding="utf-8")
        checker = Checker(seen, slack=self._slack)
        monitor = asyncio.create_task(sample_for_ever(self._installation.server, seen))
        try:
            await self._act(seen, checker)
            seen.note("campaign", "all callers have left")
            violations = await self._restart_parts(seen)
            left = await self._leftovers.violations({room.name for room in seen.rooms})
        finally:
            monitor.cancel()
            await asyncio.wait({monitor})
        self._read_acts(seen)
        violations += checker.verdicts() + left
        steps = await self._rooms(seen)
        timeline = render(seen, violations, logs, steps)
        return Result(history, violations, _occurred(seen), timeline, seen.clock.now())

    async def _act(self, seen: Observations, checker: Checker) -> None:
        installation = self._installation
        names = [room.name for room in seen.rooms]
        site = Site(installation, lambda: names)
        async with asyncio.TaskGroup() as group:
            group.create_task(run_faults(site, seen))
            for room in seen.rooms:

                def undecided(visit: VisitSeen, asked: float, room: RoomSeen = room) -> bool:
                    self._read_acts(seen)
                    return checker.undecided(room, visit, asked)

                line = Line(installation.server, room, seen, undecided)
                for caller in room.plan.callers:
                    group.create_task(run_caller(caller, line))
                for backend in room.plan.backends:
                    group.create_task(run_backend(backend, room, installation.server, seen))

    async def _restart_parts(self, seen: Observations) -> list[Violation]:
        """Start again what has ended without being asked to."""
        found = []
        for part in self._installation.stack.processes:
            if part.running or part.name == "tenants":
                continue
            found.append(Violation("exited", part.name, f"by itself, with {await part.exited()}"))
            seen.note(part.name, "has exited by itself; is started again")
            try:
                await part.start()
            except StackError as error:
                found.append(Violation("exited", part.name, str(error)))
        return found

    def _name(self, history: History, plan: RoomPlan) -> str:
        tag = f"{self._run}x{self._runs}h{history.number}{plan.name}"
        named_late = any(act.act == "names the tenant" for act in plan.backends)
        return f"meeting{tag}" if named_late else f"call-{tenants.tenant_of(plan.agent, plan.tier)}-{tag}"

    def _read_acts(self, seen: Observations) -> None:
        file = self._installation.folder / agents.ACTS
        if not file.exists():
            return
        acts = []
        for line in file.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            acts.append(Act(**entry | {"at": seen.clock.of_unix(entry["at"])}))
        seen.acts = acts

    async def _rooms(self, seen: Observations) -> list[str]:
        """Return the rooms of the history as Redis has them, a line each."""
        with suppress(RedisError):
            return [str(room) for room in await self._leftovers.rooms({room.name for room in seen.rooms})]
        return []


def _occurred(seen: Observations) -> Counter[str]:
    occurred: Counter[str] = Counter(f"fault: {fault.kind}" for fault in seen.faults if fault.begin is not None)
    for room in seen.rooms:
        occurred[f"agent: {room.plan.agent}"] += 1
        occurred.update(f"callers: {behaviour}" for behaviour in room.plan.behaviours)
    return occurred
