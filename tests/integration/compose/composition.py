"""docker-compose.yml, parsed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
FILE = REPOSITORY / "docker-compose.yml"

Service = dict[str, Any]


@cache
def composition() -> dict[str, Any]:
    """The whole file. Nobody changes it: it is parsed once, as that takes 30 ms and each container asks it often."""
    parsed: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return parsed


def services() -> dict[str, Service]:
    found: dict[str, Service] = composition()["services"]
    return found


def default(value: str) -> str:
    """A value, or its default if a variable of the shell's gives it."""
    return re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", value)


def default_file(config: dict[str, str]) -> str:
    """The file of a configuration, or its default if a variable names it."""
    return default(config["file"])


def built_services() -> dict[str, Service]:
    return {name: service for name, service in services().items() if "build" in service}
