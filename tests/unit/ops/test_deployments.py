"""The example files for systemd, ECS and Fly: settings that exist, and a stop time that is longer than the drain."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from uvicorn.main import main as uvicorn_command

from tasks.call.drain import HAND_OVER_SECONDS
from tasks.settings import ConsoleSettings, Settings
from tests.unit.conventions.source_tree import ROOT

MARGIN_SECONDS = 30
"""The stop time is longer than the drain by this: a hand-over, the end of the sidecars, and a busy host."""
FARGATE_MOST_STOP_SECONDS = 120
FLY_MOST_STOP_SECONDS = 300
FARGATE_MEMORY_MB = {512: range(1024, 4097, 1024), 2048: range(4096, 16385, 1024)}
SECRETS = {"LIVEKIT_API_SECRET", "REDIS_URL", "SWITCHBOARD_ENCRYPTION_KEYS"}

UNITS = sorted((ROOT / "ops" / "systemd").glob("*.service"))
TASK_DEFINITIONS = sorted((ROOT / "ops" / "ecs").glob("*.json"))
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
each_task_definition = pytest.mark.parametrize("file", TASK_DEFINITIONS, ids=lambda path: path.name)


def directives(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(\w+)=(.*)$", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def environment(unit: Path) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in directives(unit)["Environment"])


def settings_that_do_not_exist(names: Iterator[str] | list[str]) -> set[str]:
    ours = {name for name in names if not name.startswith("UVICORN_") and name != "QUEUES"}
    known = Settings.variables() | ConsoleSettings.variables()
    return {name for name in ours if name.removesuffix("_FILE") not in known}


@each_unit
def test_the_environment_of_a_unit_has_settings_that_exist_and_no_secret(unit: Path) -> None:
    names = environment(unit)
    assert settings_that_do_not_exist(list(names)) == set()
    assert not SECRETS & set(names)
    loaded = {entry.partition(":")[0] for entry in directives(unit)["LoadCredential"]}
    files = {value.removeprefix("%d/") for name, value in names.items() if name.endswith("_FILE")}
    assert files == loaded


def test_the_settings_that_all_units_read_exist() -> None:
    lines = (ROOT / "ops" / "systemd" / "switchboard.env").read_text(encoding="utf-8").splitlines()
    names = [match[1] for line in lines if (match := re.match(r"(?:# )?([A-Z_]+)=", line))]
    assert {"LIVEKIT_URL", "SWITCHBOARD_CONSOLE_URL"} <= set(names)
    assert settings_that_do_not_exist(names) == set()


def test_a_worker_under_systemd_has_longer_to_stop_than_its_drain() -> None:
    unit = ROOT / "ops" / "systemd" / "switchboard-worker@.service"
    drain = float(environment(unit)["SWITCHBOARD_DRAIN_SECONDS"])
    assert [float(value) for value in directives(unit)["TimeoutStopSec"]] == [drain + MARGIN_SECONDS]
    assert directives(unit)["KillMode"] == ["mixed"]


def test_the_console_under_systemd_ends_uploads_keeps_recordings_and_lets_nobody_in_without_tls() -> None:
    unit = ROOT / "ops" / "systemd" / "switchboard-console.service"
    variables = environment(unit)
    finishes = float(variables["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"])
    assert finishes >= Settings.variables()["SWITCHBOARD_UPLOAD_SECONDS"].default
    assert [float(value) for value in directives(unit)["TimeoutStopSec"]] == [finishes + 5]
    (folder,) = directives(unit)["StateDirectory"]
    assert variables["SWITCHBOARD_RECORDINGS_URL"].startswith(f"file:///var/lib/{folder}/")
    assert variables["UVICORN_HOST"] == "127.0.0.1"


def test_one_call_that_takes_all_memory_does_not_stop_the_worker_under_systemd() -> None:
    # The default, `stop`, ends the whole unit when the kernel has killed one process of it.
    assert directives(ROOT / "ops" / "systemd" / "switchboard-worker@.service")["OOMPolicy"] == ["continue"]


def task_definition(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    task = json.loads(file.read_text(encoding="utf-8"))
    (container,) = task["containerDefinitions"]
    return task, container


@each_task_definition
def test_a_task_definition_is_one_that_fargate_takes(file: Path) -> None:
    task, container = task_definition(file)
    assert task["requiresCompatibilities"] == ["FARGATE"]
    assert task["networkMode"] == "awsvpc"
    assert int(task["memory"]) in FARGATE_MEMORY_MB[int(task["cpu"])]
    assert container["essential"]
    assert 0 < container["stopTimeout"] <= FARGATE_MOST_STOP_SECONDS
    check = container["healthCheck"]
    assert 5 <= check["interval"] <= 300
    assert 2 <= check["timeout"] <= 60
    assert 1 <= check["retries"] <= 10
    assert 0 <= check["startPeriod"] <= 300
    assert container["image"].endswith(":" + version())


@each_task_definition
def test_the_environment_of_a_task_definition_has_settings_that_exist_and_no_secret(file: Path) -> None:
    _, container = task_definition(file)
    plain = [entry["name"] for entry in container["environment"]]
    secret = [entry["name"] for entry in container["secrets"]]
    assert settings_that_do_not_exist([*plain, *secret]) == set()
    assert not SECRETS & set(plain)
    assert set(secret) <= SECRETS
    assert all(entry["valueFrom"].startswith("arn:aws:secretsmanager:") for entry in container["secrets"])


def test_a_worker_on_ecs_hands_its_calls_over_before_it_is_killed() -> None:
    _, container = task_definition(ROOT / "ops" / "ecs" / "worker.json")
    drain = {entry["name"]: entry["value"] for entry in container["environment"]}["SWITCHBOARD_DRAIN_SECONDS"]
    assert container["stopTimeout"] == float(drain) + MARGIN_SECONDS


def test_ecs_does_not_replace_the_workers_while_redis_is_away() -> None:
    """The health check ends with 2 then, which says nothing about the worker. ECS only knows 0 and the rest."""
    _, container = task_definition(ROOT / "ops" / "ecs" / "worker.json")
    form, script = container["healthCheck"]["command"]
    assert (form, script) == ("CMD-SHELL", "python -m tasks.worker.healthcheck --live")


def test_a_receiver_on_ecs_keeps_connections_for_longer_than_the_balancer_does() -> None:
    _, container = task_definition(ROOT / "ops" / "ecs" / "receiver.json")
    environment = {entry["name"]: entry["value"] for entry in container["environment"]}
    idle_timeout_of_an_alb = 60
    assert int(environment["UVICORN_TIMEOUT_KEEP_ALIVE"]) > idle_timeout_of_an_alb


def fly() -> dict[str, Any]:
    return tomllib.loads((ROOT / "ops" / "fly" / "fly.toml").read_text(encoding="utf-8"))


def test_a_worker_on_fly_hands_its_calls_over_before_it_is_killed() -> None:
    app = fly()
    assert app["kill_signal"] == "SIGTERM"
    assert app["kill_timeout"] <= FLY_MOST_STOP_SECONDS
    assert app["kill_timeout"] == float(app["env"]["SWITCHBOARD_DRAIN_SECONDS"]) + MARGIN_SECONDS


def test_flys_environment_has_settings_that_exist_and_no_secret() -> None:
    assert settings_that_do_not_exist(list(fly()["env"])) == set()
    assert not SECRETS & set(fly()["env"])


def test_each_process_on_fly_has_a_machine_and_restarts_and_receivers_alone_have_an_address() -> None:
    app = fly()
    names = set(app["processes"])
    assert {name for machine in app["vm"] for name in machine["processes"]} == names
    assert {name for restart in app["restart"] for name in restart["processes"]} == names
    (service,) = app["services"]
    assert service["processes"] == ["receiver"]
    assert service["internal_port"] == int(app["env"]["UVICORN_PORT"])
    # Fly would stop a machine without requests, and a redirect loses a webhook.
    assert service["auto_stop_machines"] == "off"
    assert not any(port.get("force_https") for port in service["ports"])
    assert all((ROOT / "ops" / "fly" / file).is_file() for file in app["build"].values())


def test_the_commands_are_those_of_the_composition() -> None:
    receiver, worker = ["uvicorn", "--factory", "webhooks.app:create_app"], ["celery", "-A", "tasks", "worker", "-Q"]
    console = ["uvicorn", "--factory", "ops.console.app:create_app"]
    background = ["celery", "-A", "tasks.background", "worker", "-Q", "background"]
    commands = {name: shlex.split(command) for name, command in fly()["processes"].items()}
    assert commands.pop("receiver") == receiver
    assert commands == {queue: [*worker, queue] for queue in ("premium", "standard")}
    assert task_definition(ROOT / "ops" / "ecs" / "receiver.json")[1]["command"] == receiver
    assert task_definition(ROOT / "ops" / "ecs" / "worker.json")[1]["command"] == [*worker, "premium"]
    for unit in UNITS:
        (command,) = directives(unit)["ExecStart"]
        program, *arguments = shlex.split(command)
        celery = background if "tasks.background" in arguments else worker
        uvicorn = console if "console" in unit.name else receiver
        wanted = {"celery": celery, "switchboard": ["switchboard", "records"]}.get(Path(program).name, uvicorn)
        assert [Path(program).name, *arguments][: len(wanted)] == wanted


def ingresses() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((ROOT / "ops" / "nginx" / "ingress.yaml").read_text(encoding="utf-8"))
    return {document["metadata"]["name"]: document for document in documents}


def test_the_ingresses_are_ones_that_kubernetes_takes() -> None:
    for ingress in ingresses().values():
        kubernetes_validate.validate(ingress, "1.32", strict=True)


def test_the_ingresses_let_through_what_haproxy_lets_through_and_lose_no_webhook() -> None:
    found = ingresses()
    paths = {
        name: [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        for name, ingress in found.items()
    }
    assert paths == {
        "switchboard-webhooks": ["/livekit/webhook"],
        "switchboard-calls": ["/calls", "/usage", "/concurrency", "/twilio/incoming", "/twilio/dialled"],
    }
    of_webhooks, of_calls = (found[name]["metadata"]["annotations"] for name in paths)
    prefix = "nginx.ingress.kubernetes.io/"
    assert of_webhooks[f"{prefix}ssl-redirect"] == "false"
    assert "non_idempotent" in of_webhooks[f"{prefix}proxy-next-upstream"].split()
    assert "non_idempotent" not in of_calls[f"{prefix}proxy-next-upstream"].split()


def test_the_stop_times_leave_room_for_a_hand_over() -> None:
    assert MARGIN_SECONDS > HAND_OVER_SECONDS


def test_each_drain_in_the_documents_ends_before_its_stop_time() -> None:
    pairs = re.findall(
        r"\| (\d+), with (\d+) s \|", (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
    )
    assert len(pairs) > 5
    assert {int(stop) - int(drain) for drain, stop in pairs} == {MARGIN_SECONDS}


def test_uvicorn_takes_each_of_its_options_from_the_environment() -> None:
    command: click.Command = uvicorn_command
    assert command.context_settings["auto_envvar_prefix"] == "UVICORN"
    options = {f"UVICORN_{option.name.upper()}" for option in command.params if option.name}
    files = [*TASK_DEFINITIONS, *UNITS, ROOT / "ops" / "fly" / "fly.toml", *(ROOT / "docs" / "howto").glob("*.md")]
    named = {name for file in files for name in re.findall(r"UVICORN_[A-Z_]+", file.read_text(encoding="utf-8"))}
    assert "UVICORN_TIMEOUT_KEEP_ALIVE" in named
    assert named <= options


def version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    number: str = project["project"]["version"]
    return number
