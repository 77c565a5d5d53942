"""A check of the clocks of this host, Redis, the LiveKit server, and a receiver's host.

Leases and waits are by Redis' clock. Tokens are valid from our time to the LiveKit server's, webhooks from the LiveKit
server's time to a receiver's, which tolerates 10 s.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import suppress

from ops.commands.doctor.finding import Finding, NotChecked, error, ok, warning
from ops.commands.doctor.installation import Installation

THIS_HOST = "this host"
REDIS = "Redis"
LIVEKIT = "the LiveKit server"
TOLERATED_MS = 2000.0
"""A receiver, or the LiveKit server, may take a part of this to answer."""
WRONG_MS = 5000.0
ENOUGH_TO_TELL = 3
CURE = "let NTP set the clock of its host: timedatectl, chronyc tracking"


async def clocks(installation: Installation) -> AsyncIterator[Finding]:
    """Compare the clocks, and name the one that differs from the others."""
    read: dict[str, float] = {THIS_HOST: 0.0}
    missing: list[str] = []
    for name, clock_ms in ((REDIS, installation.redis_clock_ms), (LIVEKIT, lambda: _livekit(installation))):
        try:
            read[name] = await clock_ms()
        except NotChecked:
            missing.append(name)
    if REDIS in read and LIVEKIT in read:
        # Without one, the check of the webhooks says why.
        with suppress(NotChecked):
            for noted in (await installation.noted_webhooks())[:1]:
                read[f"receiver {noted.receiver}"] = noted.received_ms - noted.noted_ms + read[REDIS]
    if len(read) == 1:
        raise NotChecked(f"neither {REDIS} nor {LIVEKIT} tells its time")
    for finding in judge(read):
        yield finding
    for name in missing:
        raise NotChecked(f"{name} does not tell its time")


def judge(read: dict[str, float]) -> list[Finding]:
    """Return a finding for each clock that is wrong, or one for all. `read`: each clock minus ours, in ms."""
    right_ms = statistics.median_low(read.values())
    off = {name: clock_ms - right_ms for name, clock_ms in read.items() if abs(clock_ms - right_ms) > TOLERATED_MS}
    if not off:
        widest = max(read.values()) - min(read.values())
        return [ok(f"{', '.join(read)}: {widest:.0f} ms apart")]
    if len(read) < ENOUGH_TO_TELL:
        (name, off_ms), *_ = ((name, clock_ms) for name, clock_ms in read.items() if name != THIS_HOST)
        text = f"the clocks of {name} and of {THIS_HOST} are {_seconds(off_ms)} apart"
        return [_finding(text, off_ms, f"of the two, set the one that is wrong; {CURE}")]
    return [
        _finding(
            f"the clock of {name} is {_seconds(off_ms)} {'ahead of' if off_ms > 0 else 'behind'} the others", off_ms
        )
        for name, off_ms in off.items()
    ]


def _finding(text: str, off_ms: float, cure: str = CURE) -> Finding:
    if abs(off_ms) < WRONG_MS:
        return warning(text, cure)
    consequence = "from 10 s on webhooks are refused, from a minute on tokens; waits end at the wrong time"
    return error(f"{text}: {consequence}", cure)


def _seconds(milliseconds: float) -> str:
    return f"{abs(milliseconds) / 1000:.1f} s"


async def _livekit(installation: Installation) -> float:
    room = await installation.room()
    if room.took_ms > TOLERATED_MS:
        raise NotChecked(f"{LIVEKIT} answers too slowly")
    return room.clock_ms
