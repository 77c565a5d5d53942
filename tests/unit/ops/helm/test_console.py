"""The console of the chart: who reaches it, where it keeps recordings, and who sends them there."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ops.console.sign_in.openid import OpenIDConnect
from ops.helm import chart
from tasks.settings import ConsoleSettings, Settings
from tests.unit.conventions.source_tree import ROOT
from tests.unit.ops.helm.objects import Object, container, env, of_kind, pods, workers

CONSOLES = [pytest.param("production", "switchboard", id="bucket"), pytest.param("one-pool", "calls", id="volume")]
each_console = pytest.mark.parametrize(("values", "release"), CONSOLES)


def console(values: str, release: str) -> Object:
    return pods(values)[f"{release}-console"]


def settings(pod: Object) -> ConsoleSettings:
    """The settings as the console reads them, but for the secrets, which are not here."""
    return ConsoleSettings.read({name: value for name, value in env(pod).items() if not name.endswith("_FILE")})


def composed() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


def test_there_is_none_unless_it_is_wanted() -> None:
    assert not [name for name in pods("minimal") if name.endswith("-console")]
    assert not [name for pod in pods("minimal").values() for name in env(pod) if "CONSOLE" in name]


@each_console
def test_it_is_the_console_of_the_composition(values: str, release: str) -> None:
    pod, service = console(values, release), composed()["console"]
    assert container(pod)["command"] == service["command"]
    named = {name.removesuffix("_FILE") for name in env(pod)}
    # Operators by OpenID Connect take the place of those of a file.
    wanted = {name.removesuffix("_FILE") for name in service["environment"]} - {"SWITCHBOARD_CONSOLE_OPERATORS"}
    assert wanted - {"SWITCHBOARD_CONSOLE_PUBLIC_URL"} <= named


@each_console
def test_calls_send_their_recordings_to_it_and_background_workers_read_them_there(values: str, release: str) -> None:
    (port,) = of_kind(values, "Service")[f"{release}-console"]["spec"]["ports"]
    assert port["targetPort"] == container(console(values, release))["ports"][0]["name"]
    address = f"http://{release}-console.{chart.NAMESPACE}:{port['port']}"
    senders = set(workers(values)) | {name for name in pods(values) if name.endswith("-background")}
    for name, pod in pods(values).items():
        assert env(pod).get("SWITCHBOARD_CONSOLE_URL") == (address if name in senders else None), name
    assert "SWITCHBOARD_CONSOLE_URL" in composed()["background"]["environment"]


def test_it_lets_in_browsers_by_their_proxy_and_those_who_send_recordings() -> None:
    ((rule,),) = (of_kind("production", "NetworkPolicy")["switchboard-console"]["spec"]["ingress"],)
    namespaces = [each["namespaceSelector"]["matchLabels"] for each in rule["from"] if "namespaceSelector" in each]
    labels = [each["podSelector"]["matchLabels"] for each in rule["from"] if "podSelector" in each]
    components = {each["app.kubernetes.io/component"] for each in labels}
    assert namespaces == [{"kubernetes.io/metadata.name": "ingress-nginx"}]
    assert components == {"worker", "background"}


def test_it_reaches_redis_the_database_livekit_the_bucket_and_the_provider_of_sign_in() -> None:
    policies = of_kind("production", "NetworkPolicy")
    ((rule,),) = (policies["switchboard-console"]["spec"]["egress"],)
    assert {6379, 26379, 5432, 7880, 443} <= {each["port"] for each in rule["ports"]}
    # Receivers read the records for tenants' backends.
    ((rule,),) = (policies["switchboard-receivers"]["spec"]["egress"],)
    assert 5432 in {each["port"] for each in rule["ports"]}


def test_receivers_read_the_records_where_there_is_a_database() -> None:
    for values, wanted in (("production", True), ("one-pool", True), ("minimal", False)):
        (receiver,) = (pod for name, pod in pods(values).items() if name.endswith("-receivers"))
        assert ("SWITCHBOARD_DATABASE_URL_FILE" in env(receiver)) == wanted


@each_console
def test_no_probe_of_it_asks_redis_or_the_database(values: str, release: str) -> None:
    probes = container(console(values, release))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert probes[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


@each_console
def test_uploads_that_have_begun_end_before_it_is_killed(values: str, release: str) -> None:
    pod = console(values, release)
    sleeps = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    finishes = int(env(pod)["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"])
    assert finishes >= Settings.variables()["SWITCHBOARD_UPLOAD_SECONDS"].default
    assert pod["terminationGracePeriodSeconds"] >= sleeps + finishes + 5


def test_recordings_are_on_a_volume_that_outlives_the_release_and_is_never_mounted_twice() -> None:
    pod = console("one-pool", "calls")
    (claim,) = of_kind("one-pool", "PersistentVolumeClaim").values()
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    (volume,) = (each for each in pod["volumes"] if "persistentVolumeClaim" in each)
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (mount,) = (each for each in container(pod)["volumeMounts"] if each["name"] == volume["name"])
    assert env(pod)["SWITCHBOARD_RECORDINGS_URL"].startswith(f"file://{mount['mountPath']}/")
    # A rolling update would wait for a volume that the old pod has.
    assert of_kind("one-pool", "Deployment")["calls-console"]["spec"]["strategy"] == {"type": "Recreate"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_with_a_bucket_there_is_no_volume_and_two_copies_replace_each_other_without_a_gap() -> None:
    pod = console("production", "switchboard")
    assert not of_kind("production", "PersistentVolumeClaim")
    assert not [each for each in pod["volumes"] if "persistentVolumeClaim" in each]
    strategy = of_kind("production", "Deployment")["switchboard-console"]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    secret = {each["name"] for each in container(pod)["env"] if "valueFrom" in each}
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= secret


def test_the_ingress_has_the_host_of_its_address_and_tls() -> None:
    (ingress,) = of_kind("production", "Ingress").values()
    (rule,), (tls,) = ingress["spec"]["rules"], ingress["spec"]["tls"]
    assert f"https://{rule['host']}" == settings(console("production", "switchboard")).url
    assert tls == {"hosts": [rule["host"]], "secretName": "console-tls"}
    ((path,),) = (rule["http"]["paths"],)
    assert path["backend"]["service"] == {"name": "switchboard-console", "port": {"name": "http"}}
    assert not of_kind("one-pool", "Ingress")


def test_the_console_reads_what_the_chart_says_of_openid_connect() -> None:
    openid = OpenIDConnect.from_settings(settings(console("production", "switchboard")))
    assert openid is not None
    operator = openid.operator("ann", ("oncall",))
    assert operator is not None
    assert set(map(str, operator.roles)) >= {"operate"}
    assert openid.operator("eve", ("sales",)) is None
