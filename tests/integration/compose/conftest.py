"""The whole composition as processes on this machine, on free ports, without a container engine."""

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

from ops.docker.secret_files import REDIS_USERS, write
from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from tests.integration.compose.composition import composition, default_file, services
from tests.integration.compose.container import Container, HostMapping, OneShotContainer
from tests.support import redis_with_tls
from tests.support.light_worker import LIGHT

TESTER = "tester"
# The health checks use these two programs of the images, which this machine may lack.
REPLACEMENTS = {
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
    mapping: HostMapping
    redis_url: str
    """Redis as a user of the tests, who may do everything."""
    files: Path
    webhook_url: str
    balancer_metrics_url: str
    livekit_url: str
    livekit_metrics_url: str
    livekit_secret: str
    flower_url: str
    exporter_url: str
    flower_password: str
    console_url: str
    console_password: str
    prometheus_url: str
    containers: dict[str, Container]

    def worker(self, service: str, *, name: str = "") -> Container:
        # One slot, no provider's plugin and no turn detector, so that a small machine does not have to prepare more.
        load = self.files / "load"
        load.write_text("0", encoding="utf-8")
        env = {"SWITCHBOARD_SLOTS": "1", "SWITCHBOARD_LOAD_FILE": str(load), **LIGHT}
        return Container(name or service, services()[service], replace(self.mapping, env=env))

    def probe(self) -> Container:
        addresses = {**self.mapping.addresses, "9809": str(PortPicker().pick())}
        return Container("probe", services()["probe"], replace(self.mapping, addresses=addresses))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """All services but the workers, each started with its own command and healthy by its own health check."""
    for program in ("haproxy", "prometheus", "prometheus-alertmanager"):
        if (binaries.haproxy is None) if program == "haproxy" else (shutil.which(program) is None):
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{program} is not installed")
    assert binaries.haproxy
    files = tmp_path_factory.mktemp("composition") / "files"
    write(files)
    # As in the composition, at least Redis 7.
    redis_server = redis_with_tls.binary(tmp_path_factory.mktemp("redis"))
    free = PortPicker()
    (
        redis,
        webhooks,
        health,
        livekit,
        tcp,
        udp,
        flower,
        metrics,
        livekit_metrics,
        exporter,
        prometheus,
        alertmanager,
        records,
        console,
        *receivers,
    ) = (free.pick() for _ in range(16))
    addresses = {
        "redis:6379": f"{HOST}:{redis}",
        "haproxy:8080": f"{HOST}:{webhooks}",
        "127.0.0.1:8404": f"{HOST}:{health}",
        "livekit:7880": f"{HOST}:{livekit}",
        "127.0.0.1:7880": f"{HOST}:{livekit}",
        "127.0.0.1:5555": f"{HOST}:{flower}",
        "127.0.0.1:9808": f"{HOST}:{exporter}",
        "127.0.0.1:9810": f"{HOST}:{records}",
        "127.0.0.1:8100": f"{HOST}:{console}",
        "exporter:9808": f"{HOST}:{exporter}",
        "127.0.0.1:9090": f"{HOST}:{prometheus}",
        "127.0.0.1:9093": f"{HOST}:{alertmanager}",
        "alertmanager:9093": f"{HOST}:{alertmanager}",
        **{f"receiver-{number}:8000": f"{HOST}:{port}" for number, port in enumerate(receivers, start=1)},
    }
    livekit_ports = {"7880": str(livekit), "7881": str(tcp), "7882": str(udp), "6789": str(livekit_metrics)}
    _copy_configurations(files, addresses | livekit_ports)
    mapping = HostMapping(
        files,
        addresses,
        options={
            "redis-cli": ("-p", str(redis)),
            "prometheus": (f"--web.listen-address={HOST}:{prometheus}",),
            "prometheus-alertmanager": (f"--web.listen-address={HOST}:{alertmanager}",),
        },
        programs=[_programs(files, binaries), redis_server.parent, binaries.haproxy.parent],
    )

    def receiver(number: int) -> HostMapping:
        port = receivers[number - 1]
        env = {"UVICORN_HOST": HOST, "UVICORN_PORT": str(port)}
        return replace(mapping, env=env, addresses=addresses | {"127.0.0.1:8000": f"{HOST}:{port}"})

    mappings = {
        "redis": mapping,
        "tenants": mapping,
        "receiver-1": receiver(1),
        "receiver-2": receiver(2),
        "haproxy": replace(
            mapping,
            env={
                "HAPROXY_WEBHOOKS": f"{HOST}:{webhooks}",
                "HAPROXY_HEALTH": f"{HOST}:{health}",
                "HAPROXY_CALLS": f"{HOST}:{free.pick()}",
                "HAPROXY_METRICS": f"{HOST}:{metrics}",
                **{f"HAPROXY_RECEIVER_{number}": f"{HOST}:{port}" for number, port in enumerate(receivers, start=1)},
            },
        ),
        "livekit": replace(mapping, env={"NODE_IP": HOST}),
        "background": replace(mapping, env={"TMPDIR": str(files)}),
        "flower": replace(mapping, env={"FLOWER_ADDRESS": HOST, "FLOWER_PORT": str(flower)}),
        "exporter": replace(mapping, addresses=addresses | {"0.0.0.0": HOST, "9808": str(exporter)}),  # noqa: S104
        "records": replace(mapping, addresses=addresses | {"0.0.0.0": HOST, "9810": str(records)}),  # noqa: S104
        "console": replace(
            mapping,
            env={
                "UVICORN_HOST": HOST,
                "UVICORN_PORT": str(console),
                "SWITCHBOARD_RECORDINGS_URL": f"file://{files / 'recordings'}",
            },
        ),
        "alertmanager": mapping,
        "prometheus": mapping,
    }
    async with AsyncExitStack() as running:
        containers: dict[str, Container] = {}
        for name, host in mappings.items():
            kind = OneShotContainer if name == "tenants" else Container
            containers[name] = kind(name, services()[name], host)
            running.push_async_callback(containers[name].stop)
            await containers[name].start()
        yield Installation(
            mapping=mapping,
            redis_url=f"redis://{TESTER}:x@{HOST}:{redis}/0",
            files=files,
            webhook_url=f"http://{HOST}:{webhooks}/livekit/webhook",
            balancer_metrics_url=f"http://{HOST}:{metrics}/metrics",
            livekit_url=f"http://{HOST}:{livekit}",
            livekit_metrics_url=f"http://{HOST}:{livekit_metrics}/metrics",
            livekit_secret=(files / "livekit_api_secret").read_text(encoding="utf-8").strip(),
            flower_url=f"http://{HOST}:{flower}",
            prometheus_url=f"http://{HOST}:{prometheus}",
            exporter_url=f"http://{HOST}:{exporter}/metrics",
            flower_password=(files / "flower_password").read_text(encoding="utf-8").strip(),
            console_url=f"http://{HOST}:{console}",
            console_password=(files / "console_password").read_text(encoding="utf-8").strip(),
            containers=containers,
        )


def _copy_configurations(files: Path, addresses: dict[str, str]) -> None:
    """Copy the configurations, and the secrets that have an address, with the addresses of this machine."""
    for name, config in composition()["configs"].items():
        source = Path(default_file(config))
        text = source.read_text(encoding="utf-8").replace("/run/secrets", str(files))
        # HAProxy takes its addresses from its environment.
        if name == "prometheus":
            text = text.replace("rules.yml", "prometheus_rules.config").replace("interval: 15s", "interval: 1s")
        for address, local in {} if name == "haproxy" else addresses.items():
            text = text.replace(address, local)
        (files / f"{name}.config").write_text(text, encoding="utf-8")
    # A secret, as it has a password, which is left as it is.
    livekit = files / "livekit.yaml"
    livekit.chmod(0o600)
    lines = livekit.read_text(encoding="utf-8").replace("/run/secrets", str(files)).splitlines()
    for address, local in addresses.items():
        lines = [line if "password:" in line else line.replace(address, local) for line in lines]
    livekit.write_text("\n".join(lines), encoding="utf-8")
    with (files / "redis.config").open("a", encoding="utf-8") as redis:
        redis.write(f"\nport {addresses['redis:6379'].rpartition(':')[2]}\n")
        redis.write(f"user {TESTER} reset on >x +@all ~* &*\n")
    database = files / "database_url"
    database.chmod(0o600)
    database.write_text(f"sqlite:///{files / 'records.db'}", encoding="utf-8")
    for user in REDIS_USERS:
        secret = files / f"redis_url_{user}"
        secret.chmod(0o600)
        secret.write_text(
            secret.read_text(encoding="utf-8").replace("redis:6379", addresses["redis:6379"]), encoding="utf-8"
        )


def _programs(files: Path, binaries: Binaries) -> Path:
    folder = files / "bin"
    folder.mkdir()
    if binaries.livekit:
        (folder / "livekit-server").symlink_to(binaries.livekit)
    for name, script in REPLACEMENTS.items():
        if not shutil.which(name):
            program = folder / name
            program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
            program.chmod(0o755)
    return folder
