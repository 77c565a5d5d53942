"""What the pods of the chart do when they start, live and stop, and what they may do."""

from __future__ import annotations

import math

import pytest
import yaml

from ops.cli import main
from ops.helm import chart
from tasks.call.drain import HAND_OVER_SECONDS
from tasks.settings import ConsoleSettings, FlowerSettings, Settings
from tasks.worker.presence.liveness import LIVE_SECONDS
from tasks.worker.start.runtime_dir import PREFIX
from tests.unit.conventions.documents import read
from tests.unit.ops.helm.objects import (
    Object,
    container,
    each_set,
    env,
    mebibytes,
    of_kind,
    pods,
    workers,
)

NOT_OURS = ("UVICORN_", "FLOWER_", "OTEL_", "AWS_", "FORWARDED_ALLOW_IPS")
LONGEST_SOCKET = 107
MEASURED_BASE_MB = 571
"""docs/benchmarks/memory.md: an idle worker with two spares."""


@each_set
def test_a_pod_stops_no_sooner_than_its_drain_is_over(values: str) -> None:
    for name, pod in workers(values).items():
        drain = int(env(pod)["SWITCHBOARD_DRAIN_SECONDS"])
        # Each call has HAND_OVER_SECONDS to go, and the worker as long again to exit.
        assert pod["terminationGracePeriodSeconds"] >= drain + 2 * HAND_OVER_SECONDS, name


@each_set
def test_a_receiver_serves_until_the_balancers_have_taken_it_out_and_then_has_time_to_finish(values: str) -> None:
    (pod,) = (pod for name, pod in pods(values).items() if name.endswith("-receivers"))
    sleeps = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    finishes = int(env(pod)["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"])
    assert sleeps >= 10
    assert pod["terminationGracePeriodSeconds"] == sleeps + finishes + 5


@each_set
def test_receivers_read_the_records_that_a_writer_writes(values: str) -> None:
    """A backend asks them for calls that are over."""
    database = "SWITCHBOARD_DATABASE_URL_FILE"
    url = {name.rpartition("-")[2]: env(pod).get(database) for name, pod in pods(values).items()}
    assert url["receivers"] == url.get("records")
    for name, policy in of_kind(values, "NetworkPolicy").items():
        if name.endswith("-receivers") and url["receivers"] is not None:
            assert 5432 in {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


@each_set
def test_liveness_asks_no_redis_and_readiness_does(values: str) -> None:
    for pod in workers(values).values():
        probes = container(pod)
        check = ["python", "-m", "tasks.worker.healthcheck"]
        for probe in ("startupProbe", "livenessProbe"):
            assert probes[probe]["exec"]["command"] == [*check, "--live"]
        assert probes["readinessProbe"]["exec"]["command"] == check
    (receiver,) = (pod for name, pod in pods(values).items() if name.endswith("-receivers"))
    probes = container(receiver)
    assert {probes[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/healthz"}
    assert probes["readinessProbe"]["httpGet"]["path"] == "/readyz"


@each_set
def test_a_main_process_that_hangs_is_killed_soon_and_one_that_starts_has_minutes(values: str) -> None:
    for pod in workers(values).values():
        live, start = container(pod)["livenessProbe"], container(pod)["startupProbe"]
        assert live["terminationGracePeriodSeconds"] < pod["terminationGracePeriodSeconds"] / 2
        assert live["periodSeconds"] * live["failureThreshold"] >= LIVE_SECONDS
        prewarm = Settings.variables()["SWITCHBOARD_PREWARM_SECONDS"].default
        assert start["periodSeconds"] * start["failureThreshold"] >= 2 * prewarm


@each_set
def test_every_pod_is_without_rights(values: str) -> None:
    for name, pod in pods(values).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container(pod)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
    for account in of_kind(values, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


@each_set
def test_no_service_of_the_cluster_becomes_a_setting(values: str) -> None:
    # A Service named flower would be FLOWER_PORT=tcp://…, which Flower does not survive.
    assert all(pod["enableServiceLinks"] is False for pod in pods(values).values())


@each_set
def test_secrets_are_files_from_secrets_and_in_no_variable(values: str) -> None:
    for name, pod in pods(values).items():
        (mount,) = (each for each in container(pod)["volumeMounts"] if each["name"] == "secrets")
        (volume,) = (each for each in pod["volumes"] if each["name"] == "secrets")
        assert mount["readOnly"]
        files = {item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]}
        named = {name: path for name, path in env(pod).items() if name.endswith("_FILE")}
        assert {f"{mount['mountPath']}/{file}" for file in files} == set(named.values()), name
        secret = {"LIVEKIT_API_SECRET", "REDIS_URL", "SWITCHBOARD_ENCRYPTION_KEYS", "SWITCHBOARD_FLOWER_PASSWORD"}
        assert not secret & env(pod).keys()
        assert volume["projected"]["defaultMode"] == 0o440
    assert not of_kind(values, "Secret")


@each_set
def test_each_process_has_only_the_secrets_that_it_needs(values: str) -> None:
    for name, pod in pods(values).items():
        named = set(env(pod))
        assert "REDIS_URL_FILE" in named
        calls = "-worker-" in name or name.endswith(("-receivers", "-probe", "-console"))
        decrypts = "-worker-" in name or name.endswith("-background")
        encrypts = env(pod).get("SWITCHBOARD_RECORDINGS_ENCRYPTED") == "true"
        assert ("LIVEKIT_API_SECRET_FILE" in named) == (calls or decrypts)
        assert decrypts or encrypts or "SWITCHBOARD_ENCRYPTION_KEYS_FILE" not in named
        reads_records = name.endswith(("-records", "-console", "-receivers"))
        assert reads_records or "SWITCHBOARD_DATABASE_URL_FILE" not in named
        operators = {"SWITCHBOARD_CONSOLE_OPERATORS_FILE", "SWITCHBOARD_CONSOLE_OPENID_CLIENT_SECRET_FILE"}
        assert name.endswith("-console") == bool(operators & named)
        assert name.endswith("-flower") == ("SWITCHBOARD_FLOWER_PASSWORD_FILE" in named)


@each_set
def test_every_variable_is_a_setting(values: str) -> None:
    known = Settings.variables() | ConsoleSettings.variables() | FlowerSettings.variables()
    for pod in pods(values).values():
        ours = {name.removesuffix("_FILE") for name in env(pod) if not name.startswith(NOT_OURS)}
        assert ours <= known.keys()


@each_set
def test_the_workers_folder_leaves_room_for_the_paths_of_sockets(values: str) -> None:
    for pod in workers(values).values():
        (mount,) = (each["mountPath"] for each in container(pod)["volumeMounts"] if each["name"] == "tmp")
        assert "TMPDIR" not in env(pod)
        # The folder of the worker, of the call, of multiprocessing, and its socket: each with eight random characters.
        path = f"{mount}/{PREFIX}12345678/call-12345678/pymp-12345678/listener-12345678"
        assert len(path) < LONGEST_SOCKET


@each_set
def test_a_pod_has_memory_for_all_its_calls_at_their_limit(values: str) -> None:
    defaults = yaml.safe_load((chart.CHART / "values.yaml").read_text("utf-8"))["workers"]["memory"]
    for name, pod in workers(values).items():
        slots, limit = int(env(pod)["SWITCHBOARD_SLOTS"]), int(env(pod)["SWITCHBOARD_CALL_MEMORY_LIMIT_MB"])
        # One of them may take twice as much until it is killed.
        needed = defaults["baseMb"] + (slots + 1) * limit
        assert mebibytes(container(pod)["resources"]["limits"]["memory"]) >= needed, name


@each_set
def test_a_pod_asks_for_the_measured_cost_of_its_calls(values: str) -> None:
    measured = 0.13
    assert f"{measured} of a core for each call" in read("README.md").replace("\n", " ")
    threshold = Settings.variables()["SWITCHBOARD_LOAD_THRESHOLD"].default
    for name, pod in workers(values).items():
        asked = container(pod)["resources"]["requests"]["cpu"]
        cores = float(asked.removesuffix("m")) / 1000
        calls = int(env(pod)["SWITCHBOARD_SLOTS"])
        # The load of a node that is full of such pods stays under the threshold at which workers take no more.
        assert measured * calls <= threshold * cores, name


@each_set
def test_a_pod_that_its_autoscaler_counts_as_free_has_memory_for_the_call(values: str) -> None:
    for name, pod in workers(values).items():
        limit = mebibytes(container(pod)["resources"]["limits"]["memory"])
        calls, call_mb = int(env(pod)["SWITCHBOARD_SLOTS"]), float(env(pod)["SWITCHBOARD_CALL_MEMORY_MB"])
        # One call's memory stays free.
        assert limit - MEASURED_BASE_MB >= (calls + 1) * call_mb, name


@each_set
def test_no_disruption_budget_can_hold_up_the_drain_of_a_node(values: str) -> None:
    budgets = of_kind(values, "PodDisruptionBudget")
    consoles = {name for name, each in of_kind(values, "Deployment").items() if name.endswith("-console")}
    several = {name for name in consoles if of_kind(values, "Deployment")[name]["spec"]["replicas"] > 1}
    answering = {name for name in pods(values) if "-worker-" in name or name.endswith("-receivers")}
    assert set(budgets) == answering | several
    for budget in budgets.values():
        assert "minAvailable" not in budget["spec"]
        assert budget["spec"]["maxUnavailable"] not in (0, "0%")
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@each_set
def test_every_selector_selects_pods_of_one_kind(values: str) -> None:
    templates: dict[str, dict[str, str]] = {
        name: each["spec"]["template"]["metadata"]["labels"] for name, each in of_kind(values, "Deployment").items()
    }

    def selected(labels: dict[str, str]) -> set[str]:
        return {name for name, given in templates.items() if labels.items() <= given.items()}

    for name, each in of_kind(values, "Deployment").items():
        assert selected(each["spec"]["selector"]["matchLabels"]) == {name}
        for spread in pods(values)[name].get("topologySpreadConstraints", []):
            assert selected(spread["labelSelector"]["matchLabels"]) == {name}
            assert spread["matchLabelKeys"] == ["pod-template-hash"]
    for kind in ("PodDisruptionBudget", "Service", "NetworkPolicy"):
        for name, each in of_kind(values, kind).items():
            labels = each["spec"]["podSelector" if kind == "NetworkPolicy" else "selector"]
            found = selected(labels.get("matchLabels", labels))
            assert found == {name} or (name.endswith("-workers") and found == set(workers(values)))


@each_set
def test_no_label_of_a_pod_changes_with_the_version_of_the_chart(values: str) -> None:
    for each in of_kind(values, "Deployment").values():
        assert (
            not {"helm.sh/chart", "app.kubernetes.io/version"} & each["spec"]["template"]["metadata"]["labels"].keys()
        )


@each_set
def test_only_workers_background_workers_and_probes_may_connect_to_anything(values: str) -> None:
    for name, policy in of_kind(values, "NetworkPolicy").items():
        egress = "Egress" in policy["spec"]["policyTypes"]
        assert egress == (not name.endswith(("-workers", "-background", "-probe")))
        if egress:
            assert all(rule["ports"] for rule in policy["spec"]["egress"])
        else:
            # The probe's metrics are scraped.
            assert ("ingress" in policy["spec"]) == name.endswith("-probe")


def test_receivers_and_workers_send_their_traces_to_one_collector_with_its_secret_headers() -> None:
    makers = {name for name in pods("production") if "-worker-" in name or name.endswith("-receivers")}
    for name, pod in pods("production").items():
        variables = {each["name"]: each for each in container(pod)["env"] if each["name"].startswith("OTEL_")}
        assert bool(variables) == (name in makers), name
        if variables:
            assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == "http://collector.monitoring:4318"
            headers = variables["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"]["secretKeyRef"]
            assert headers == {"name": "collector", "key": "headers"}
            assert variables["OTEL_TRACES_SAMPLER_ARG"]["value"] == "0.1"
    receivers = of_kind("production", "NetworkPolicy")["switchboard-receivers"]["spec"]["egress"]
    assert 4318 in [port["port"] for rule in receivers for port in rule["ports"]]
    assert not [name for pod in pods("minimal").values() for name in env(pod) if name.startswith("OTEL_")]


def test_a_probe_calls_its_tenants_with_the_options_that_the_command_has() -> None:
    assert not [name for name in pods("minimal") if name.endswith("-probe")]
    program, name, *arguments = container(pods("production")["switchboard-probe"])["command"]
    assert program == "switchboard"
    with main.commands[name].make_context(name, arguments) as context:
        assert context.params["tenants"] == ("acme", "probe-tenant")
        assert context.params["every"] == 60
        assert context.params["say"] == "What are your opening hours?"
    monitored = of_kind("production", "ServiceMonitor")
    assert monitored["switchboard-probe"]["spec"]["endpoints"][0]["port"] == "metrics"
    assert of_kind("production", "Service")["switchboard-probe"]["spec"]["ports"][0]["port"] == context.params["port"]


def test_the_tiers_of_an_installation_are_those_that_have_workers() -> None:
    assert {env(pod)["SWITCHBOARD_TIERS"] for pod in workers("production").values()} == {"free,premium,standard"}
    assert {env(pod)["SWITCHBOARD_TIERS"] for pod in workers("one-pool").values()} == {"gold=first,silver=second"}
    commands = {name: container(pod)["command"] for name, pod in workers("production").items()}
    assert commands["switchboard-worker-standard"][-2:] == ["-Q", "premium,standard"]


@pytest.mark.parametrize("values", ["production"])
def test_a_tier_may_set_what_is_set_for_all(values: str) -> None:
    deployments: dict[str, Object] = of_kind(values, "Deployment")
    premium, free = (workers(values)[f"switchboard-worker-{tier}"] for tier in ("premium", "free"))
    assert premium["terminationGracePeriodSeconds"] == 570
    assert free["terminationGracePeriodSeconds"] == 90
    assert env(free)["SWITCHBOARD_SLOTS"] == "10"
    assert deployments["switchboard-worker-free"]["spec"]["replicas"] == 1
    assert math.isclose(mebibytes(container(free)["resources"]["limits"]["memory"]), 576 + 11 * 400)
