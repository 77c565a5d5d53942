"""The `FrontDesk` of plain.py in a pool of OpenRTC: `python openrtc_pool.py start`, in OpenRTC's environment.

BENCH_ISOLATION is its `isolation`. Neither mode refuses a call for its load; in coroutine mode the pool tells
livekit-server a load of its own all the same, by the delay of its event loop, and gets no calls while that is 1.
"""

from __future__ import annotations

import os

from openrtc import AgentPool  # type: ignore[import-not-found]
from plain import SESSION_OPTIONS, FrontDesk, no_load  # type: ignore[import-not-found]

pool = AgentPool(isolation=os.environ["BENCH_ISOLATION"], port=int(os.environ["BENCH_PORT"]))
pool.add("call", FrontDesk, **SESSION_OPTIONS)
pool.server._load_threshold = float("inf")
pool.server._load_fnc = no_load

if __name__ == "__main__":
    pool.run()
