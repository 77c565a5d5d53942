"""The whole composition on this machine, on free ports, without a container's engine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from ops.docker.secret_files import write
from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from tests.integration.compose.composition import composition, services
from tests.integration.compose.container import Container, OneShotContainer, Place

# What the health checks use of two programs that the images have and this machine may lack.
STAND_INS = {
    "wget": """\
import sys, urllib.request
urllib.request.urlopen(sys.argv[-1], timeout=4)
""",
    "redis-cli": """\
import sys, redis
option = dict(zip(sys.argv, sys.argv[1:]))
redis.Redis(port=int(option["-p"]), username=option["--user"], password=option["--pass"]).ping()
""",
}


@dataclass(frozen=True)
class Installation:
    place: Place
    redis_url: str
    webhook_url: str
    livekit_url: str
    livekit_secret: str
    flower_url: str
    flower_password: str
    containers: dict[str, Container]

    def worker(self, name: str) -> Container:
        # One call at a time is enough here, and a small machine need not prepare for more.
        return Container(name, services()[name], replace(self.place, env={"SWITCHBOARD_SLOTS": "1"}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """All but the workers, each with its own command and healthy by its own health check."""
    if binaries.haproxy is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("haproxy is not installed")
    files = tmp_path_factory.mktemp("composition") / "files"
    write(files)
    free = PortPicker()
    redis, webhooks, health, livekit, tcp, udp, flower, *receivers = (free.pick() for _ in range(9))
    here = {
        "redis:6379": f"{HOST}:{redis}",
        "haproxy:8080": f"{HOST}:{webhooks}",
        "127.0.0.1:8404": f"{HOST}:{health}",
        "livekit:7880": f"{HOST}:{livekit}",
        "127.0.0.1:7880": f"{HOST}:{livekit}",
        "127.0.0.1:5555": f"{HOST}:{flower}",
    }
    _copy_configurations(files, here | {"7880": str(livekit), "7881": str(tcp), "7882": str(udp)})
    place = Place(
        files,
        here,
        options={"redis-cli": ("-p", str(redis))},
        programs=[_programs(files, binaries), binaries.redis.parent, binaries.haproxy.parent],
    )

    def receiver(number: int) -> Place:
        port = receivers[number - 1]
        env = {"UVICORN_HOST": HOST, "UVICORN_PORT": str(port)}
        return replace(place, env=env, addresses=here | {"127.0.0.1:8000": f"{HOST}:{port}"})

    places = {
        "redis": place,
        "tenants": place,
        "receiver-1": receiver(1),
        "receiver-2": receiver(2),
        "haproxy": replace(
            place,
            env={
                "HAPROXY_WEBHOOKS": f"{HOST}:{webhooks}",
                "HAPROXY_HEALTH": f"{HOST}:{health}",
                "HAPROXY_CALLS": f"{HOST}:{free.pick()}",
                **{f"HAPROXY_RECEIVER_{number}": f"{HOST}:{port}" for number, port in enumerate(receivers, start=1)},
            },
        ),
        "livekit": replace(place, env={"NODE_IP": HOST}),
        "flower": replace(place, env={"FLOWER_ADDRESS": HOST, "FLOWER_PORT": str(flower)}),
    }
    async with AsyncExitStack() as running:
        containers: dict[str, Container] = {}
        for name, where in places.items():
            kind = OneShotContainer if name == "tenants" else Container
            containers[name] = kind(name, services()[name], where)
            running.push_async_callback(containers[name].stop)
            await containers[name].start()
        yield Installation(
            place=place,
            redis_url=(files / "redis_url").read_text(encoding="utf-8").strip(),
            webhook_url=f"http://{HOST}:{webhooks}/livekit/webhook",
            livekit_url=f"http://{HOST}:{livekit}",
            livekit_secret=(files / "livekit_api_secret").read_text(encoding="utf-8").strip(),
            flower_url=f"http://{HOST}:{flower}",
            flower_password=(files / "flower_password").read_text(encoding="utf-8").strip(),
            containers=containers,
        )


def _copy_configurations(files: Path, here: dict[str, str]) -> None:
    """Copies with the addresses of this machine, of the configurations and of the one secret that holds an address."""
    for name, config in composition()["configs"].items():
        source = Path(config["file"].removeprefix("${SWITCHBOARD_TENANTS:-").removesuffix("}"))
        text = source.read_text(encoding="utf-8").replace("/run/secrets", str(files))
        # HAProxy is told by its environment.
        for address, local in {} if name == "haproxy" else here.items():
            text = text.replace(address, local)
        (files / f"{name}.config").write_text(text, encoding="utf-8")
    with (files / "redis.config").open("a", encoding="utf-8") as redis:
        redis.write(f"\nport {here['redis:6379'].rpartition(':')[2]}\n")
    secret = files / "redis_url"
    secret.chmod(0o600)
    secret.write_text(secret.read_text(encoding="utf-8").replace("redis:6379", here["redis:6379"]), encoding="utf-8")


def _programs(files: Path, binaries: Binaries) -> Path:
    folder = files / "bin"
    folder.mkdir()
    if binaries.livekit:
        (folder / "livekit-server").symlink_to(binaries.livekit)
    for name, script in STAND_INS.items():
        if not shutil.which(name):
            program = folder / name
            program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
            program.chmod(0o755)
    return folder
