"""The environment variables of the stack's processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import ops

# Variables that the operator's shell may have for another installation, perhaps the production one.
INSTALLATION = ("SWITCHBOARD_", "LIVEKIT_", "REDIS_URL", "CELERY_", "FLOWER_", "OTEL_")

# The folder of the packages tasks, pipeline, webhooks and ops, in a checkout as in an installed wheel.
PACKAGES = Path(ops.__file__).resolve().parents[1]


def inherited(python_path: Iterable[Path] = ()) -> dict[str, str]:
    """Return this process's environment without the settings of any installation, and with our packages importable.

    `python_path`: more folders to import from, for agents that are not installed.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(INSTALLATION)}
    inherited_path = env.get("PYTHONPATH", "").split(os.pathsep)
    folders = [str(PACKAGES), *(str(folder) for folder in python_path), *filter(None, inherited_path)]
    return env | {"PYTHONPATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1"}


def merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Merge environments; a later one overrides an earlier one."""
    whole: dict[str, str] = {}
    for part in parts:
        whole |= part
    return whole
