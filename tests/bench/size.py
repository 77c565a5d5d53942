"""Sample sizes of the figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Sample sizes for each side. Timeouts and intervals are in seconds."""

    calls: int = 40
    ahead_calls: int = 10
    bursts: tuple[int, ...] = (4, 8, 16)
    burst_rounds: int = 3
    burst_timeout: float = 30.0
    kills: int = 3
    kill_timeout: float = 45.0
    cost_calls: int = 8
    cost_seconds: float = 60.0
    peer_calls: int = 10
    reply_rounds: int = 3
    reply_seconds: float = 60.0
    density_rounds: int = 4
    density_every: float = 3.0
    density_most: int = 32
    pickups: int = 300
    intake_calls: int = 12


FULL = Size()
QUICK = Size(
    calls=5,
    ahead_calls=2,
    bursts=(8,),
    burst_rounds=1,
    burst_timeout=12.0,
    kills=1,
    kill_timeout=10.0,
    cost_seconds=10.0,
    peer_calls=2,
    reply_rounds=1,
    reply_seconds=15.0,
    density_rounds=1,
    density_most=8,
    pickups=30,
    intake_calls=6,
)
SMOKE = Size(calls=2)
