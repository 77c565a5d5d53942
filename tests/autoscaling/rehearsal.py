"""Ten minutes of an installation whose pods are scaled by the rendered chart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from redis.exceptions import RedisError

from ops.stack import Binaries, StackOptions
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import PortPicker
from tasks.rooms import Room, RoomStore, State
from tests.autoscaling.autoscaler import SYNC_SECONDS, Autoscaler
from tests.autoscaling.callers import TENANTS, Wave
from tests.autoscaling.monitoring import ExporterProcess, Prometheus
from tests.autoscaling.pods import Pods, PodStack
from tests.autoscaling.rendered import TIER, Installation
from tests.autoscaling.result import Result, Sample, Wait

SAMPLE_SECONDS = 1.0
OUTAGE = (0.5, 0.62)
"""The exporter is away in this part of the wave, while demand is highest and begins to fall."""
SETTLING_SECONDS = 360.0

AGENT = "tests.autoscaling.agents:hum"


class Rehearsal:
    """The parts of a rehearsal while it runs. Times are seconds since its begin."""

    def __init__(
        self, stack: PodStack, rooms: RoomStore, installation: Installation, seconds: float, seed: int
    ) -> None:
        assert isinstance(stack.livekit, LiveKitServer)
        self._stack = stack
        self._rooms = rooms
        self._began, self._began_unix = time.monotonic(), time.time()
        scaling = installation.scaling
        self._scaling = scaling
        self._autoscaler = Autoscaler(scaling)
        load = stack.directory / "load"
        load.write_text("0.1")
        # The pods share two cores with all the rest, so the load would be that of the others: calls count by slots.
        env = {"SWITCHBOARD_LOAD_FILE": str(load), "SWITCHBOARD_CALL_CORES": "0"}
        self.pods = Pods(stack, installation.pod, env, self.now)
        self._wave = Wave(stack.livekit, self.now, seconds, seed)
        ports = PortPicker()
        self._exporter = ExporterProcess(stack.directory, stack._base, port=ports.pick())
        self._prometheus = Prometheus(
            stack.directory,
            stack._base,
            port=ports.pick(),
            exporter_port=self._exporter.port,
            installation=installation,
        )
        outage = (seconds * OUTAGE[0], seconds * OUTAGE[1])
        self.result = Result(seconds, installation.pod.promise_seconds, installation.pod.slots, scaling.query, outage)
        self._waits: dict[tuple[str, int], Wait] = {}
        self._value: float | None = None

    def now(self) -> float:
        """Return the seconds since the begin."""
        return time.monotonic() - self._began

    async def run(self, say: Callable[[str], None]) -> Result:
        """Start the least number of pods, run the wave, and wait until the pods are as few again."""
        async with AsyncExitStack() as ending:
            for process in (self._exporter, self._prometheus):
                ending.push_async_callback(process.stop)
                await process.start()
            self.pods.scale(self._scaling.least)
            await self.pods.settled()
            say(f"{self._scaling.least} pods are up")
            self._began, self._began_unix = time.monotonic(), time.time()
            for pod in self.pods.all:
                pod.created, pod.ready = 0.0, 0.0
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(work) for work in (self._scale(say), self._sample(), self._break_exporter())
                ]
                await self._wave.run()
                say(f"the wave is over after {len(self._wave.calls)} calls")
                await self._settle()
                for helper in helpers:
                    helper.cancel()
            await self.pods.settled()
            self.result.waits = list(self._waits.values())
            self.result.calls, self.result.pods = self._wave.calls, self.pods.all
            self.result.dead_letters = [letter.reason for letter in await self._rooms.list_dead_letters()]
        return self.result

    @property
    def _is_scaled_out(self) -> bool:
        return len(self.pods.active) > self._scaling.least or bool(self.pods.draining)

    async def _settle(self) -> None:
        deadline = self.now() + SETTLING_SECONDS
        # Polled: what the autoscaler wants next has no event.
        while self._is_scaled_out and self.now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _scale(self, say: Callable[[str], None]) -> None:
        while True:
            self._value = await self._prometheus.value(self._scaling.query)
            replicas = len(self.pods.active)
            wanted = self._autoscaler.desired(self.now(), replicas, self._value)
            if wanted != replicas:
                say(f"{self.now():4.0f} s: the query says {self._value}: {replicas} pods -> {wanted}")
                self.pods.scale(wanted)
            await asyncio.sleep(SYNC_SECONDS)

    async def _break_exporter(self) -> None:
        begin, end = self.result.outage
        await asyncio.sleep(begin - self.now())
        self._exporter.kill()
        await asyncio.sleep(end - self.now())
        await self._exporter.start()

    async def _sample(self) -> None:
        while True:
            try:
                rooms = await self._rooms.list_open()
            except RedisError:
                rooms = []
            for room in rooms:
                self._note(room)
            states = [room.state for room in rooms if room.tier == TIER]
            ready = {pod.node for pod in self.pods.ready}
            taken = sum(room.state is State.RUNNING and room.worker in ready for room in rooms)
            self.result.samples.append(
                Sample(
                    at=round(self.now(), 2),
                    callers=self._wave.active,
                    running=states.count(State.RUNNING),
                    queued=states.count(State.QUEUED),
                    wanted=len(self.pods.active),
                    ready=len(self.pods.ready),
                    draining=len(self.pods.draining),
                    free=len(ready) * self.result.slots - taken,
                    value=self._value,
                )
            )
            await asyncio.sleep(SAMPLE_SECONDS)

    def _note(self, room: Room) -> None:
        if room.state is State.RUNNING and (room.sid, room.attempt) not in self._waits:
            queued, claimed = (self._since_begin(room.steps_ms[step]) for step in ("queued", "claimed"))
            self._waits[room.sid, room.attempt] = Wait(room.sid, room.attempt, queued, claimed, room.worker)

    def _since_begin(self, unix_ms: int) -> float:
        return round(unix_ms / 1000 - self._began_unix, 3)


async def rehearse(
    binaries: Binaries,
    installation: Installation,
    directory: Path,
    seconds: float,
    seed: int,
    say: Callable[[str], None],
) -> Result:
    """Start an installation, and rehearse on it. Raises StackError."""
    tenants = directory / "tenants.toml"
    lines = (f'[tenants.{tenant}]\ntier = "{TIER}"\nagent = "{AGENT}"\n' for tenant in TENANTS)
    tenants.write_text("".join(lines), encoding="utf-8")
    folder = directory / "campaign"
    folder.mkdir()
    options = StackOptions(
        directory=directory,
        binaries=binaries,
        tenants=tenants,
        env={"SWITCHBOARD_TIERS": installation.pod.env["SWITCHBOARD_TIERS"], "CAMPAIGN_FOLDER": str(folder)},
    )
    PodStack.start_seconds = installation.pod.start_seconds
    async with PodStack.start(options) as stack, stack.redis.client() as client:
        return await Rehearsal(stack, RoomStore(client), installation, seconds=seconds, seed=seed).run(say)
