"""What the documents say is so."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import click
import pytest
from google.protobuf import json_format
from livekit import agents, api

from ops.cli import main
from ops.console import keys as console_keys
from ops.metrics import catalogue
from pipeline.options import TurnOptions, VadOptions
from pipeline.providers import PROVIDERS
from tasks.background.notices import keys as notice_keys
from tasks.queue.idempotency.store import redis_key
from tasks.rooms import keys
from tasks.settings import ConsoleSettings, FlowerSettings, Settings
from tasks.settings.groups import BACKGROUND_QUEUE
from tasks.tenants import keys as tenant_keys
from tests.bench.scaling import report
from tests.bench.scaling.forecast import capacities
from tests.bench.scaling.results import Results
from tests.unit.conventions.documents import DOCUMENTS, each_document, read, rows
from webhooks import errors, problems
from webhooks.errors import Rejection
from webhooks.metrics import Metrics
from webhooks.problems import Problem


@each_document
def test_each_link_leads_to_a_file(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@each_document
def test_each_command_of_make_is_a_target(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    named = re.findall(r"(?:^    |`)make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


def test_every_setting_is_documented_with_its_default() -> None:
    documented = rows(read("docs/reference/settings.md"), "[A-Z_]+")
    variables = Settings.variables() | ConsoleSettings.variables() | FlowerSettings.variables()
    assert set(documented) == set(variables)
    for name, field in variables.items():
        default: Any = field.default
        # An empty table is documented by its meaning: `none`, or what holds for every tier.
        if field.default_factory is None and not field.is_required() and default != {}:
            shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
            assert documented[name][0].strip("`") == ("none" if shown is None else str(shown))


def test_every_variable_that_a_document_names_exists() -> None:
    known = set(Settings.variables() | ConsoleSettings.variables())
    flower = set(FlowerSettings.variables())
    compose = set(re.findall(r"\$\{(\w+)", read("docker-compose.yml")))
    client = set(re.findall(r'_variable\("(\w+)"\)', read("pipeline/runtime/rtc_client.py")))
    preload = Path(agents.__file__).with_name("ipc") / "_preload.py"
    client |= set(re.findall(r'^ENV_\w+ = "(\w+)"', preload.read_text(encoding="utf-8"), re.MULTILINE))
    client |= set(re.findall(r'^UPLOAD_ADDRESS = "(\w+)"', read("tasks/call/attempt.py"), re.MULTILINE))
    for path in DOCUMENTS:
        for name in re.findall(r"\b(?:SWITCHBOARD|LIVEKIT|REDIS)_[A-Z_]+\b", path.read_text(encoding="utf-8")):
            assert name.removesuffix("_FILE") in known | flower | compose | client or name in known, (
                f"{path.name}: {name}"
            )


@pytest.mark.parametrize("options", [VadOptions, TurnOptions])
def test_every_tuning_option_is_documented_with_its_default(options: type) -> None:
    documented = rows(read("docs/howto/tenants.md"), "[a-z_]+")
    for field in fields(options):
        shown = documented[field.name][0].strip('`"')
        assert shown == (str(field.default).lower() if isinstance(field.default, bool) else str(field.default))


def test_every_provider_is_documented_with_what_it_takes() -> None:
    row = r"^\| `\[(\w+)\]` \| `([\w-]+)` \| ?(.*?) \| (.*?) \| ?(.*?) ?\|$"
    table = read("docs/reference/providers.md").partition("\n## ")[0]
    documented = set(re.findall(row, table, re.MULTILINE))
    order = ("model", "voice", "language", "base_url")
    assert documented == {
        (
            provider.kind,
            provider.name,
            ", ".join(f"`{option}`" for option in order if option in provider.takes),
            provider.key.value.replace("base_url", "`base_url`"),
            f"`{provider.extra}`" if provider.extra else "",
        )
        for provider in PROVIDERS
    }


def test_every_option_that_only_one_provider_has_is_documented_with_its_default() -> None:
    row = r"^\| `\[(\w+)\]` \| `([\w-]+)` \| `(\w+)` \| (.*?) \|"
    table = read("docs/reference/providers.md").partition("\n## Options that only one provider has\n")[2]
    documented = set(re.findall(row, table, re.MULTILINE))
    expected = set()
    for provider in PROVIDERS:
        own = get_type_hints(getattr(import_module(provider.module), f"validate_{provider.kind}"))["return"]
        for name, field in own.model_fields.items():
            default = field.get_default(call_default_factory=True)
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            required = "has to be set" if field.is_required() else None
            expected.add((provider.kind, provider.name, name, required or ("none" if default in (None, {}) else shown)))
    assert documented == expected


def test_every_rejection_of_a_webhook_is_documented_with_its_status() -> None:
    document = read("docs/reference/webhooks.md")
    rejections = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Rejection) and kind is not Rejection
    }
    assert rejections
    for kind in rejections:
        assert re.search(rf"^\| {kind.status} \| `rejected` \| `{kind.reason}` \|", document, re.MULTILINE), kind


def test_every_problem_with_a_call_is_documented_with_its_status() -> None:
    document = read("docs/reference/calls.md") + read("docs/reference/api.md")
    found = {
        kind
        for kind in vars(problems).values()
        if isinstance(kind, type) and issubclass(kind, Problem) and kind is not Problem
    }
    assert {(str(kind.status), kind.code) for kind in found} == set(
        re.findall(r"^\| (\d{3}) \| `(\w+)` \|", document, re.MULTILINE)
    )


def test_the_objects_of_the_sip_server_are_what_livekit_understands() -> None:
    trunk, rule, native = re.findall(r"^```json\n(.*?)^```", read("docs/howto/telephone.md"), re.MULTILINE | re.DOTALL)
    wanted = json_format.Parse(trunk, api.CreateSIPInboundTrunkRequest())
    assert wanted.trunk.auth_username
    dispatch = json_format.Parse(rule, api.CreateSIPDispatchRuleRequest()).dispatch_rule
    assert dispatch.rule.WhichOneof("rule") == "dispatch_rule_callee"
    assert not dispatch.rule.dispatch_rule_callee.randomize
    dispatch = json_format.Parse(native, api.CreateSIPDispatchRuleRequest()).dispatch_rule
    assert dispatch.rule.WhichOneof("rule") == "dispatch_rule_individual"
    assert not dispatch.hide_phone_number


def test_every_key_in_redis_is_documented() -> None:
    documented = rows(read("docs/reference/redis.md"), r"[\w:<>]+")
    names = [*vars(keys).values(), *vars(tenant_keys).values(), *vars(notice_keys).values()]
    fixed = {key for key in names if isinstance(key, str) and re.fullmatch(rf"{keys.PREFIX}\w+", key)}
    assert set(documented) == {
        *fixed,
        keys.room("<sid>"),
        keys.conversation("<sid>"),
        keys.agent_metadata("<name>"),
        keys.webhook_check("<name>"),
        keys.trace("<name>"),
        redis_key("<digest>"),
        console_keys.session("<digest>"),
        console_keys.attempts("<digest>"),
        console_keys.openid("<digest>"),
        keys.worker("<node>"),
        notice_keys.notice("<id>"),
        *(key("<sid>") for key in (notice_keys.queue, notice_keys.attempts)),
        *(key("<tenant>") for key in (notice_keys.calls, notice_keys.leases, notice_keys.log, notice_keys.done)),
        notice_keys.backend("<tenant>"),
        BACKGROUND_QUEUE,
    }


def test_every_metric_is_documented_with_its_type_labels_and_meaning() -> None:
    documented = rows(read("docs/reference/metrics.md"), r"switchboard_\w+")
    expected = {
        metric.name: [metric.kind.value, ", ".join(f"`{label}`" for label in metric.labels), metric.help]
        for metric in catalogue.METRICS
    }
    shown = Metrics()
    shown.watch(_Leading())
    for family in shown.families():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        # Labels of one that was never counted are not known here.
        expected[name] = [family.type, documented[name][1], family.documentation]
    assert documented == expected


class _Leading:
    is_leader = True
    livekit_is_up = True


def options(command: click.Command) -> set[str]:
    return {max(option.opts, key=len) for option in command.params if isinstance(option, click.Option)}


def test_every_command_and_option_is_documented() -> None:
    document = read("docs/reference/commands.md")
    for name, command in main.commands.items():
        _, found, rest = document.partition(f"## `switchboard {name}`\n")
        assert found, name
        section = rest.partition("\n## ")[0]
        if isinstance(command, click.Group):
            for subcommand in command.commands.values():
                assert f"`switchboard {name} {subcommand.name}" in section, subcommand.name
            named = re.findall(r"`(--[a-z-]+)", section)
            assert set(named) == {option for subcommand in command.commands.values() for option in options(subcommand)}
        else:
            assert set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE)) == options(command)


def test_the_scaling_report_is_written_from_its_samples() -> None:
    measured = Results.from_json(read("docs/benchmarks/scaling.json"))
    assert read("docs/benchmarks/scaling.md") == report.markdown(measured)


def test_growing_has_the_measured_capacities() -> None:
    measured = Results.from_json(read("docs/benchmarks/scaling.json"))
    document = read("docs/howto/growing.md")
    found = [
        f"| {capacity.part} | {capacity.rate:.0f} | {capacity.rate * measured.profile.length:,.0f} |"
        for capacity in capacities(measured)
        if capacity.rate is not None
    ]
    assert "\n".join(found) in document
