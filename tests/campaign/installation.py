"""The installation of the campaign: two receivers, three workers of two tiers, and links that can be cut between all.

The worker `far` runs on another host, with one network link to Redis and one to the LiveKit server. All workers and
receivers reach Redis and the LiveKit server's signals through the proxy; sound goes to the LiveKit server directly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ops.stack import Binaries, Stack, StackEvent, StackOptions, Worker, WorkerSpec
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from tasks.rooms import RoomStore
from tests.campaign import tenants
from tests.campaign.links import Links
from tests.campaign.proxy import LinkPlan
from tests.chaos.installation import ChaosInstallation
from tests.chaos.network import FAR, Network

SLOTS = 4
CONNECTIONS = 8
GRACE_SECONDS = 2.0
JOIN_SECONDS = 10.0
DRAIN_SECONDS = 4
NEAR, STANDARD = "near", "standard"
RECEIVERS = "receivers"
WEBHOOKS = "webhooks"


def redis_link(part: str) -> str:
    """Return the name of the link between a worker, or the receivers, and Redis."""
    return f"{part} redis"


def livekit_link(part: str) -> str:
    """Return the name of the link between a worker, or the receivers, and the LiveKit server's signals."""
    return f"{part} livekit"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOptions(StackOptions):
    """The options of a stack with a worker on another host."""

    far: Network


class CampaignStack(Stack):
    """A stack with links between its parts."""

    def __init__(self, options: StackOptions, on_event: Callable[[StackEvent], None]) -> None:
        assert isinstance(options, CampaignOptions)
        self.far = far = options.far
        self._ports = PortPicker()
        self._listen: dict[str, tuple[str, int]] = {}
        parts = (RECEIVERS, *(spec.name for spec in options.workers))
        for part in parts:
            is_far = part == FAR
            self._listen[redis_link(part)] = (far.redis.address if is_far else HOST, self._ports.pick())
            self._listen[livekit_link(part)] = (far.livekit.address if is_far else HOST, self._ports.pick())
        self._listen[WEBHOOKS] = (HOST, self._ports.pick())
        super().__init__(options, on_event)
        assert isinstance(self.livekit, LiveKitServer)
        self.server = self.livekit
        front = self.webhook_url
        # The server sends its webhooks through a link.
        host, port = self._listen[WEBHOOKS]
        self.server.webhook_url = f"http://{host}:{port}/{urlsplit(front).path.lstrip('/')}"
        leads_to = {WEBHOOKS: (HOST, _port(front))}
        for part in parts:
            leads_to[redis_link(part)] = (options.host, self.redis.port)
            leads_to[livekit_link(part)] = (options.livekit_host or options.host, _port(self.server.url))
        links = [
            LinkPlan(name, listen, leads_to[name], redis=name.endswith(" redis"))
            for name, listen in self._listen.items()
        ]
        self.links = Links(self.directory, self._base, control_port=self._ports.pick(), links=links)

    @property
    def env(self) -> dict[str, str]:
        """The settings of the receivers; workers have links of their own."""
        return super().env | self._addresses(RECEIVERS)

    def _addresses(self, part: str) -> dict[str, str]:
        host, port = self._listen[redis_link(part)]
        redis_url = f"{self.redis.url.rpartition('@')[0]}@{host}:{port}/0"
        host, port = self._listen[livekit_link(part)]
        return {"REDIS_URL": redis_url, "LIVEKIT_URL": f"ws://{host}:{port}"}

    def _worker(self, spec: WorkerSpec) -> Worker:
        linked = WorkerSpec(
            spec.name, spec.queues, spec.slots, {**self._addresses(spec.name), **spec.env}, spec.command_prefix
        )
        return super()._worker(linked)

    def _start_order(self) -> Iterator[Sequence[ManagedProcess]]:
        yield [self.links]
        yield from super()._start_order()


class CampaignInstallation(ChaosInstallation):
    """The installation. `temporary`: the folder for temporary files of workers and receivers."""

    stack: CampaignStack

    def __init__(self, stack: CampaignStack, rooms: RoomStore, folder: Path, temporary: Path) -> None:
        super().__init__(stack, rooms, folder)
        self.stack = stack
        self.temporary = temporary

    @property
    def server(self) -> LiveKitServer:
        """The LiveKit server."""
        return self.stack.server

    @property
    def workers(self) -> list[Worker]:
        """The workers, in the order of their start."""
        return list(self.stack.workers.values())


@asynccontextmanager
async def start_installation(
    binaries: Binaries, directory: Path, env: Mapping[str, str]
) -> AsyncIterator[CampaignInstallation]:
    """Start the installation, with more settings. Raises NotPermitted and StackError."""
    folder, temporary = directory / "campaign", directory / "tmp"
    for each in (folder, temporary):
        each.mkdir(parents=True)
    load = directory / "load"
    load.write_text("0.1")
    tenants_file = directory / "tenants.toml"
    tenants_file.write_text(tenants.toml())
    async with Network.create() as far:
        options = CampaignOptions(
            far=far,
            directory=directory,
            binaries=binaries,
            workers=(
                WorkerSpec(NEAR, ("premium",), slots=SLOTS),
                WorkerSpec(FAR, ("premium", "standard"), slots=SLOTS, command_prefix=far.command_prefix),
                WorkerSpec(STANDARD, ("standard",), slots=SLOTS),
            ),
            tenants=tenants_file,
            env={
                "SWITCHBOARD_TIERS": ",".join(tenants.TIERS),
                "SWITCHBOARD_EMPTY_GRACE_SECONDS": str(GRACE_SECONDS),
                "SWITCHBOARD_JOIN_TIMEOUT_SECONDS": str(JOIN_SECONDS),
                "SWITCHBOARD_DRAIN_SECONDS": str(DRAIN_SECONDS),
                # A fixed load: the machine's own must not decide which worker takes a call.
                "SWITCHBOARD_LOAD_FILE": str(load),
                "SWITCHBOARD_CALL_CORES": "0",
                "CAMPAIGN_FOLDER": str(folder),
                "TMPDIR": str(temporary),
                **env,
            },
            host=far.redis.address,
            livekit_host=far.livekit.address,
            redis_append_only=True,
        )
        async with CampaignStack.start(options) as stack:
            retry = Retry(NoBackoff(), CONNECTIONS)
            client = Redis.from_url(stack.redis.url, decode_responses=True, retry=retry, max_connections=CONNECTIONS)
            async with client:
                yield CampaignInstallation(stack, RoomStore(client), folder, temporary)


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
