"""What a process of the stack has in its environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import ops

# Whatever the operator's shell has of these belongs to another installation, perhaps the real one.
OTHERS = ("SWITCHBOARD_", "LIVEKIT_", "REDIS_URL", "CELERY_", "FLOWER_")

# The packages tasks, pipeline, webhooks and ops stand side by side here, in a checkout as in an installed wheel.
PACKAGES = Path(ops.__file__).resolve().parents[1]


def inherited(python_path: Iterable[Path] = ()) -> dict[str, str]:
    """This process's environment without the settings of any installation, with our packages importable from anywhere.

    `python_path`: more folders to import from, for agents that are not installed.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    before = env.get("PYTHONPATH", "").split(os.pathsep)
    folders = [str(PACKAGES), *(str(folder) for folder in python_path), *filter(None, before)]
    return env | {"PYTHONPATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1"}


def merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Several environments in one; the later wins."""
    whole: dict[str, str] = {}
    for part in parts:
        whole |= part
    return whole
