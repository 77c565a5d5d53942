from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from ops import setup
from ops.stack import Binaries, ExternalLiveKit, Stack, StackOptions, WorkerSpec, environment
from ops.stack.livekit import LiveKitServer

HAPROXY = setup.haproxy()
BINARIES = Binaries(redis=Path("/bin/redis-server"), livekit=Path("/bin/livekit-server"))
BALANCED = Binaries(redis=BINARIES.redis, livekit=BINARIES.livekit, haproxy=Path("/bin/haproxy"))


def stack(tmp_path: Path, binaries: Binaries = BALANCED, **options: object) -> Stack:
    return Stack(StackOptions(tmp_path, binaries, **options), lambda _: None)  # type: ignore[arg-type]  # a shorthand


def test_nothing_of_another_installation_reaches_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "wss://production")
    monkeypatch.setenv("REDIS_URL_FILE", "/run/secrets/redis")
    monkeypatch.setenv("SWITCHBOARD_TIERS", "gold")
    monkeypatch.setenv("KEPT", "yes")

    env = environment.inherited()

    assert env["KEPT"] == "yes"
    assert not {"LIVEKIT_URL", "REDIS_URL_FILE", "SWITCHBOARD_TIERS"} & env.keys()


def test_our_packages_come_first_on_the_python_path_and_the_inherited_ones_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/theirs")

    path = environment.inherited([tmp_path])["PYTHONPATH"].split(os.pathsep)

    assert path == [str(environment.PACKAGES), str(tmp_path), "/theirs"]
    assert (environment.PACKAGES / "tasks").is_dir()


def test_livekit_sends_its_webhooks_to_the_balancer_with_its_own_key(tmp_path: Path) -> None:
    parts = stack(tmp_path)

    assert isinstance(parts.livekit, LiveKitServer)
    assert parts.balancer is not None
    assert parts.webhook_url == f"http://127.0.0.1:{parts.balancer.port}/livekit/webhook"
    assert parts.livekit.configuration()["webhook"] == {
        "api_key": parts.env["LIVEKIT_API_KEY"],
        "urls": [parts.webhook_url],
    }


def test_without_a_balancer_there_is_one_receiver_and_it_gets_the_webhooks(tmp_path: Path) -> None:
    parts = stack(tmp_path, BINARIES, receivers=2)

    assert parts.balancer is None
    assert [f"http://127.0.0.1:{receiver.port}/livekit/webhook" for receiver in parts.receivers] == [parts.webhook_url]


@pytest.mark.parametrize("binaries", [BINARIES, BALANCED])
def test_webhooks_come_in_where_they_were_asked_to(tmp_path: Path, binaries: Binaries) -> None:
    parts = stack(tmp_path, binaries, webhook_port=20001)

    assert parts.webhook_url == "http://127.0.0.1:20001/livekit/webhook"


def test_a_livekit_server_elsewhere_is_used_with_its_keys(tmp_path: Path) -> None:
    parts = stack(tmp_path, livekit=ExternalLiveKit("ws://elsewhere", "key", "secret"))

    assert parts.livekit_url == "ws://elsewhere"
    assert (parts.env["LIVEKIT_API_KEY"], parts.env["LIVEKIT_API_SECRET"]) == ("key", "secret")
    assert "secret" not in repr(parts.livekit)


def test_a_worker_has_its_own_slots_and_environment_on_top_of_the_stacks(tmp_path: Path) -> None:
    spec = WorkerSpec("one", ("premium", "free"), slots=3, env={"COLOUR": "red"})

    worker = stack(tmp_path, workers=(spec,), env={"COLOUR": "blue", "SWITCHBOARD_LOAD_THRESHOLD": "1"}).workers["one"]

    assert worker.env["SWITCHBOARD_SLOTS"] == "3"
    assert worker.env["COLOUR"] == "red"
    assert worker.env["SWITCHBOARD_LOAD_THRESHOLD"] == "1"
    assert worker.command()[3:] == ["-A", "tasks", "worker", "-Q", "premium,free", "-n", worker.node]


def test_no_secret_is_on_a_command_line_or_in_a_file_that_others_may_read(tmp_path: Path) -> None:
    parts = stack(tmp_path, workers=(WorkerSpec("one", ("premium",)),), flower=True)
    assert isinstance(parts.livekit, LiveKitServer)
    assert parts.flower is not None
    secrets = [parts.livekit.api_secret, parts.flower.password, parts.redis_url.split(":")[2].split("@")[0]]

    processes = [parts.redis, parts.livekit, *parts.receivers, *parts.workers.values(), parts.flower]
    commands = [" ".join(process.command()) for process in processes]

    assert not [secret for secret in secrets for command in commands if secret in command]
    for file in ("redis.conf", "livekit.yaml"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    assert json.loads((tmp_path / "livekit.yaml").read_text())["keys"]


@pytest.mark.skipif(not HAPROXY and os.environ.get("CI") != "true", reason="HAProxy is not installed")
def test_haproxy_accepts_its_configuration(tmp_path: Path) -> None:
    assert HAPROXY, "CI has to install HAProxy"
    haproxy = str(HAPROXY)
    parts = stack(tmp_path, Binaries(BINARIES.redis, BINARIES.livekit, HAPROXY))
    assert parts.balancer is not None
    parts.balancer.command()

    subprocess.run([haproxy, "-c", "-f", str(tmp_path / "haproxy.cfg")], check=True)
