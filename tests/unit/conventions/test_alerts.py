"""docs/alerts.md: a section for each alert, with its meaning, commands that exist, and what to do."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

import click
import pytest
import yaml

from ops.cli import main
from tests.unit.conventions.documents import read

OTHER_PROGRAMS = {"curl", "redis-cli"}


@cache
def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(read("ops/prometheus/rules.yml"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def sections() -> dict[str, str]:
    """The sections of the document, by their headings."""
    _, *parts = re.split(r"^## (.+)\n", read("docs/alerts.md"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@cache
def services() -> set[str]:
    return set(yaml.safe_load(read("docker-compose.yml"))["services"])


def commands() -> list[str]:
    return re.findall(r"^    \$ (.+)$", read("docs/alerts.md"), re.MULTILINE)


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    assert sections().keys() == alerts().keys()


@pytest.mark.parametrize("name", alerts())
def test_a_section_has_the_meaning_with_the_severity_what_to_look_at_and_what_to_do(name: str) -> None:
    meaning, look, do = re.split(r"\*\*(?:Look at|Do\.)\*\*", sections()[name])
    assert meaning.strip().startswith(f"**Meaning.** {alerts()[name]['labels']['severity']}. ")
    assert look.strip()
    assert do.strip()


@pytest.mark.parametrize("name", alerts())
def test_the_runbook_of_an_alert_is_its_section(name: str) -> None:
    assert alerts()[name]["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_each_command_exists(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "switchboard":
        assert_is_ours(words)
    elif program == "docker":
        named = [word for word in words[2:] if not word.startswith("-") and not re.fullmatch(r"\d+m", word)]
        assert words[0] == "compose"
        assert words[1] in {"ps", "logs", "stop"}
        assert set(named) <= services(), line
    else:
        assert program in OTHER_PROGRAMS


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`switchboard ([^`]+)`", read("docs/alerts.md")))))
def test_each_command_of_the_text_exists(line: str) -> None:
    assert_is_ours(shlex.split(line))


def assert_is_ours(words: list[str]) -> None:
    """The command, its subcommand and its options are those of `switchboard`."""
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    assert len([word for word in words if not word.startswith("-")]) <= len(arguments)
