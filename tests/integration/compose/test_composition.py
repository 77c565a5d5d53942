"""docker-compose.yml, checked without starting it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from ops.docker.secret_files import LIVEKIT_API_KEY, write
from ops.setup.livekit import VERSION
from tasks.call.drain import HAND_OVER_SECONDS
from tasks.settings import ConsoleSettings, Settings
from tests.integration.compose.composition import (
    REPOSITORY,
    Service,
    built_services,
    composition,
    default_file,
    services,
)
from tests.unit.conventions.source_tree import project

ALL = pytest.mark.parametrize("service", [pytest.param(service, id=name) for name, service in services().items()])
BUILT = pytest.mark.parametrize(
    "service", [pytest.param(service, id=name) for name, service in built_services().items()]
)


PROFILES = {
    **{name: ["observe"] for name in ("exporter", "prometheus", "alertmanager", "grafana")},
    "probe": ["probe"],
}
TRACED = ("receiver-1", "receiver-2", "worker-premium", "worker-standard")
"""What makes spans: receivers, and the children of workers."""


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, f"{duration} is not a number of seconds"
    return int(match[1])


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(composition())


def test_the_schema_would_notice_a_mistake() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8"))
    broken = copy.deepcopy(composition())
    broken["services"]["redis"]["stop_grace_periode"] = "30s"
    with pytest.raises(jsonschema.ValidationError, match="stop_grace_periode"):
        jsonschema.Draft202012Validator(schema).validate(broken)


def test_it_has_everything_that_an_installation_needs() -> None:
    assert set(services()) == {
        *("livekit", "redis", "haproxy", "flower", "console", "tenants", "records"),
        *("receiver-1", "receiver-2", "worker-premium", "worker-standard", "background"),
        *PROFILES,
    }


LONG_RUNNING = pytest.mark.parametrize(
    "service", [pytest.param(service, id=name) for name, service in services().items() if name != "tenants"]
)


@ALL
def test_each_command_and_health_check_is_a_list_that_no_shell_reads(service: Service) -> None:
    assert isinstance(service.get("command", []), list)
    check = service.get("healthcheck", {}).get("test", ["CMD"])
    assert isinstance(check, list)
    assert check[0] == "CMD"


@LONG_RUNNING
def test_each_long_running_service_restarts_and_has_a_health_check(service: Service) -> None:
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]


@ALL
def test_each_service_has_few_privileges(service: Service) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


@BUILT
def test_no_secret_is_in_an_environment(service: Service) -> None:
    for name, value in service["environment"].items():
        if re.search("SECRET|PASSWORD|REDIS_URL|DATABASE_URL|ENCRYPTION_KEYS", name):
            assert name.endswith("_FILE"), f"{name} holds a secret itself"
            assert value.removeprefix("/run/secrets/") in service["secrets"]


@BUILT
def test_the_environment_names_settings_that_exist(service: Service) -> None:
    other_prefixes = ("FLOWER_", "UVICORN_", "SWITCHBOARD_FLOWER_", "OTEL_")
    for name in service["environment"]:
        if not name.startswith(other_prefixes):
            known = Settings.variables() | ConsoleSettings.variables()
            assert name.removesuffix("_FILE") in known or name in known


@BUILT
def test_a_service_waits_until_the_services_it_needs_are_healthy(service: Service) -> None:
    assert "redis" in service["depends_on"]
    for needed, condition in service["depends_on"].items():
        if needed == "tenants":
            assert condition == {"condition": "service_completed_successfully"}
        else:
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in services()[needed]


@pytest.mark.parametrize("name", ["receiver-1", "receiver-2", "worker-premium", "worker-standard", "background"])
def test_services_that_read_tenants_start_when_the_tenants_are_applied(name: str) -> None:
    assert "tenants" in services()[name]["depends_on"]


def test_what_makes_spans_is_given_the_variables_of_open_telemetry_and_nothing_else_is() -> None:
    traced = {name: service["environment"] for name, service in built_services().items()}
    given = {name: {each for each in env if each.startswith("OTEL_")} for name, env in traced.items()}
    page = (REPOSITORY / "docs/howto/traces.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"OTEL_[A-Z_]+[A-Z]", page))
    for name, variables in given.items():
        assert bool(variables) == (name in TRACED), name
        # Without a value: they are the shell's, or of .env.
        assert not [each for each in variables if traced[name][each] is not None]
        if variables:
            # A name of its own for each kind of process is what makes a trace readable.
            assert variables >= documented - {"OTEL_SERVICE_NAME"}


def test_the_tenants_are_applied_once_from_a_file_that_no_other_service_has() -> None:
    tenants = services()["tenants"]
    assert tenants["restart"] == "no"
    assert tenants["command"] == ["switchboard", "tenants", "apply", "--prune", tenants["configs"][0]["target"]]
    assert [name for name, service in built_services().items() if "configs" in service] == ["tenants"]


def test_only_services_that_encrypt_or_decrypt_keys_have_the_encryption_keys() -> None:
    holders = {name for name, service in services().items() if "encryption_keys" in service.get("secrets", [])}
    assert holders == {"tenants", "worker-premium", "worker-standard", "background"}


@pytest.mark.parametrize("name", ["worker-premium", "worker-standard"])
def test_a_worker_is_given_longer_to_stop_than_its_calls_can_last(name: str) -> None:
    worker = services()[name]
    drain = float(worker["environment"]["SWITCHBOARD_DRAIN_SECONDS"])
    assert seconds(worker["stop_grace_period"]) > drain + HAND_OVER_SECONDS


def test_redis_and_the_webhooks_are_on_networks_that_do_not_leave_the_host() -> None:
    networks = composition()["networks"]
    assert services()["redis"]["networks"] == ["data"]
    assert services()["haproxy"]["networks"] == ["webhooks"]
    assert networks["data"]["internal"]
    assert networks["webhooks"]["internal"]
    assert "ports" not in services()["redis"]


@pytest.mark.parametrize("name", ["flower", "console", "grafana"])
def test_a_dashboard_is_published_to_the_host_itself_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in services()[name]["ports"])


def test_what_observes_and_what_costs_calls_is_started_by_a_profile_alone() -> None:
    profiles = {name: service["profiles"] for name, service in services().items() if "profiles" in service}
    assert profiles == PROFILES


def test_prometheus_and_alertmanager_have_no_port_as_they_have_no_password() -> None:
    assert composition()["networks"]["observe"]["internal"]
    for name in ("prometheus", "alertmanager"):
        assert "ports" not in services()[name]


def test_prometheus_scrapes_services_of_the_composition_over_a_network_that_both_have() -> None:
    config = yaml.safe_load((REPOSITORY / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    scraped = [
        target.partition(":")[0]
        for job in config["scrape_configs"]
        for group in job.get("static_configs", [])
        for target in group["targets"]
    ]
    assert set(scraped) == {"exporter", "receiver-1", "receiver-2", "alertmanager", "127.0.0.1"}
    for name in set(scraped) - {"127.0.0.1"}:
        assert set(services()["prometheus"]["networks"]) & set(services()[name]["networks"]), name


def test_grafana_is_given_all_dashboards_where_its_provider_looks_for_them() -> None:
    provided = yaml.safe_load((REPOSITORY / "ops/grafana/provisioning/dashboards/switchboard.yaml").read_text("utf-8"))
    folder = provided["providers"][0]["options"]["path"]
    files = {entry["source"]: Path(entry["target"]) for entry in services()["grafana"]["configs"]}
    given = {
        target.name: composition()["configs"][name]["file"]
        for name, target in files.items()
        if str(target.parent) == folder
    }
    dashboards = (REPOSITORY / "ops/grafana/dashboards").glob("*.json")
    assert given == {file.name: str(file.relative_to(REPOSITORY)) for file in dashboards}


def test_grafana_has_the_version_that_the_dashboards_are_built_for() -> None:
    (builder,) = (line for line in project()["dependency-groups"]["dev"] if "grafana-foundation-sdk" in line)
    assert services()["grafana"]["image"] == f"grafana/grafana:{builder.rpartition('!')[2]}"


def test_the_records_are_on_a_volume_and_only_what_shows_records_has_the_database() -> None:
    assert services()["records"]["volumes"] == ["records:/var/lib/switchboard"]
    having = [name for name, service in services().items() if "database_url" in service.get("secrets", [])]
    assert having == ["receiver-1", "receiver-2", "records", "console"]


def test_redis_keeps_queued_calls_over_a_restart() -> None:
    assert services()["redis"]["volumes"] == ["redis:/data"]
    assert "appendonly yes" in (REPOSITORY / "ops/docker/redis.conf").read_text(encoding="utf-8").splitlines()


def test_redis_refuses_writes_before_the_host_is_out_of_memory_and_evicts_nothing() -> None:
    lines = (REPOSITORY / "ops/docker/redis.conf").read_text(encoding="utf-8").splitlines()
    assert {"maxmemory 2gb", "maxmemory-policy noeviction"} <= set(lines)


def test_livekit_is_the_version_that_the_demo_and_the_tests_run() -> None:
    assert services()["livekit"]["image"] == f"livekit/livekit-server:v{VERSION}"


def test_livekit_sends_each_webhook_once_to_the_balancer_signed_with_our_key() -> None:
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "ops/livekit/livekit.yaml").read_text(encoding="utf-8"))
    assert config["webhook"]["urls"] == ["http://haproxy:8080/livekit/webhook"]
    without = {"flower", "exporter", "records"}
    environments = {name: service["environment"] for name, service in built_services().items() if name not in without}
    keys = {config["webhook"]["api_key"], *(environment["LIVEKIT_API_KEY"] for environment in environments.values())}
    assert keys == {LIVEKIT_API_KEY}


def test_livekit_has_a_database_of_redis_of_its_own_and_its_metrics_are_not_published(tmp_path: Path) -> None:
    write(tmp_path / "secrets")
    config: dict[str, Any] = yaml.safe_load((tmp_path / "secrets" / "livekit.yaml").read_text(encoding="utf-8"))
    redis = config["redis"]
    urls = [urlsplit(path.read_text(encoding="utf-8").strip()) for path in (tmp_path / "secrets").glob("redis_url_*")]
    assert {url.path for url in urls} == {"/0"}
    assert redis["db"] != 0
    assert {redis["address"]} == {url.netloc.rpartition("@")[2] for url in urls}
    assert redis["password"] == (tmp_path / "secrets" / "redis_password_livekit").read_text(encoding="utf-8").strip()
    assert "redis" in services()["livekit"]["depends_on"]
    published = {port.partition("/")[0].rpartition(":")[2] for port in services()["livekit"]["ports"]}
    assert str(config["prometheus"]["port"]) not in published


def test_sip_and_egress_find_livekit_with_the_configuration_that_is_documented() -> None:
    ours: dict[str, Any] = yaml.safe_load((REPOSITORY / "ops/livekit/livekit.yaml").read_text(encoding="utf-8"))
    page = (REPOSITORY / "docs/howto/deploy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    documented: dict[str, Any] = yaml.safe_load(block)
    assert documented["redis"].keys() == ours["redis"].keys()
    for name in ("address", "username", "db"):
        assert documented["redis"][name] == ours["redis"][name]
    assert documented["api_key"] == LIVEKIT_API_KEY
    assert documented["ws_url"] == services()["receiver-1"]["environment"]["LIVEKIT_URL"]
    assert {"data", "media"} <= set(services()["livekit"]["networks"])


@pytest.mark.parametrize("name", ["flower", "exporter", "records"])
def test_what_only_reads_redis_is_given_no_key_of_the_livekit_server(name: str) -> None:
    service = services()[name]
    assert not [variable for variable in service["environment"] if variable.startswith("LIVEKIT")]
    assert "livekit_api_secret" not in service["secrets"]


def test_every_secret_file_it_names_is_one_that_is_made(tmp_path: Path) -> None:
    made = {path.name for path in write(tmp_path / "secrets")}
    assert {Path(secret["file"]).name for secret in composition()["secrets"].values()} <= made


def test_every_other_file_it_names_is_there() -> None:
    for config in composition()["configs"].values():
        assert (REPOSITORY / default_file(config)).is_file()
