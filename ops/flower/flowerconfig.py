"""Flower's options: `celery -A tasks flower --conf=ops/flower/flowerconfig.py`.

Flower runs this file and takes each variable that has the name of one of its options. It reads from the environment:

- SWITCHBOARD_FLOWER_PASSWORD, or SWITCHBOARD_FLOWER_PASSWORD_FILE: the password of the dashboard and its API
- SWITCHBOARD_FLOWER_COOKIE_SECRET, or …_FILE: the key that signs cookies; the same for all copies
- SWITCHBOARD_FLOWER_USER: the user name; `operator` by default
- FLOWER_ADDRESS and FLOWER_PORT (Flower's own): where it listens; 127.0.0.1 and 5555 by default
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
        raise UsageError(
            f"Flower shows rooms and tenants, so it does not start without a password: set {name} or {name}_FILE."
        )
    return value


basic_auth = [f"{os.environ.get('SWITCHBOARD_FLOWER_USER', 'operator')}:{_read('SWITCHBOARD_FLOWER_PASSWORD')}"]
cookie_secret = _read("SWITCHBOARD_FLOWER_COOKIE_SECRET")

# This file overrides the environment, so it has to read the variable itself.
address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")

# Revoking a task or shutting a worker down here would bypass the state of rooms.
read_only = True

# Flower is stateless: it shows what has happened since its own start.
persistent = False
max_tasks = 10_000
# In seconds, after which a worker that is gone leaves the list.
purge_offline_workers = 600

# `kwargs` has the room, tenant and tier of a call.
tasks_columns = "uuid,kwargs,state,worker,received,started,runtime"
