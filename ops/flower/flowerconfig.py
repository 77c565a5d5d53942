"""Flower's options: `celery -A tasks flower --conf=ops/flower/flowerconfig.py`.

Flower runs this file and takes the variables that have the name of one of its options. What it needs to be told:

- SWITCHBOARD_FLOWER_PASSWORD, or SWITCHBOARD_FLOWER_PASSWORD_FILE: the password of the dashboard and of its API
- SWITCHBOARD_FLOWER_COOKIE_SECRET, or …_FILE: what signs the cookies; the same for every copy and after every start
- SWITCHBOARD_FLOWER_USER: the name that goes with the password; `operator` if it is not set
- FLOWER_ADDRESS and FLOWER_PORT (Flower's own): where it listens; 127.0.0.1 and 5555 if they are not set
"""

from __future__ import annotations

import os
from pathlib import Path

from click import UsageError


def _read(name: str) -> str:
    if path := os.environ.get(f"{name}_FILE"):
        value = Path(path).read_text(encoding="utf-8").strip()
    else:
        value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"Flower shows who is called by whom, so it does not start without {name} or {name}_FILE.")
    return value


basic_auth = [f"{os.environ.get('SWITCHBOARD_FLOWER_USER', 'operator')}:{_read('SWITCHBOARD_FLOWER_PASSWORD')}"]
cookie_secret = _read("SWITCHBOARD_FLOWER_COOKIE_SECRET")

# This file is read after the environment and wins over it.
address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")

# Revoking, shutting down and the like would go past the state of the rooms: Flower is for looking.
read_only = True

# It is stateless: what it shows begins with its own start.
persistent = False
max_tasks = 10_000
# A worker that was scaled away goes from the list.
purge_offline_workers = 600

# `kwargs` is where a call shows its room, tenant and tier.
tasks_columns = "uuid,kwargs,state,worker,received,started,runtime"
