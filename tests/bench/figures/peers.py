"""Peers: the same talk with an agent as livekit-agents' documentation writes one, and with OpenRTC's two isolations.

Ours and built-in are measured again here, in the same way and with the same sizes. No side refuses a call for its load.
A peer that does not work has its error in each row.
"""

from __future__ import annotations

import asyncio
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.setup import StderrProgress
from tests.bench.builtin import Builtin
from tests.bench.call import call_once
from tests.bench.figures.bursts import burst
from tests.bench.figures.cost import Cost, cost
from tests.bench.figures.density import ramp
from tests.bench.figures.killed import replacement_seconds
from tests.bench.figures.reply import reply_ms
from tests.bench.pair import WARM_SECONDS, Pairs
from tests.bench.peers import Peer, find_peers
from tests.bench.providers import Providers
from tests.bench.row import Row
from tests.bench.side import Conditions, Side, wait_until_settled
from tests.bench.size import Size
from tests.bench.stats import Sample, percentile, present, share_within

CALL_SECONDS = 10.0
BURST = 8
SHARED = "ends all calls: they share the worker's process"
NEVER = "never (within {seconds:g} s)"


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one side. `again`: seconds until a killed agent is heard again, or the reason why not."""

    first_audio: list[Sample]
    cost: Cost
    burst: list[Sample]
    carried: int
    again: float | str


async def measure(pairs: Pairs, size: Size) -> list[Row]:
    if pairs.providers is Providers.LOCAL:
        # The local providers are Switchboard's own plugins.
        return []
    peers = await asyncio.to_thread(find_peers, StderrProgress())
    pair = await pairs.get(shedding=False)
    ours, builtin = [await measure_side(side, size, shared_process=False) for side in pair]
    await pairs.aclose()
    measured = {peer.title: await _measure_peer(peer, pairs, size) for peer in peers}
    return rows(ours, builtin, measured, size)


async def _measure_peer(peer: Peer, pairs: Pairs, size: Size) -> Measured | str:
    directory = Path(tempfile.mkdtemp(prefix=f"{peer.program.name}-", dir=pairs.directory))
    conditions = Conditions(pairs.load, shedding=False, providers=pairs.providers)
    try:
        async with Builtin.start(pairs.binaries, directory, conditions, peer.program) as side:
            await call_once(side, WARM_SECONDS)
            await wait_until_settled([side])
            return await measure_side(side, size, shared_process=peer.shared_process)
    except Exception as error:  # noqa: BLE001 - a peer that does not work must not hide the others
        # The table has room for its type alone.
        traceback.print_exc()
        return type(error).__name__


async def measure_side(side: Side, size: Size, *, shared_process: bool) -> Measured:
    """Measure one side, idle before and after."""
    answers = []
    for _ in range(size.peer_calls):
        answers.append(await call_once(side, CALL_SECONDS))
        await wait_until_settled([side])
    costs = await cost(side, size.cost_calls, size.cost_seconds)
    at_once = await burst(side, BURST, size.burst_timeout)
    await wait_until_settled([side])
    carried = (await ramp(side, size.density_every, size.density_most)).carried
    await wait_until_settled([side])
    again: float | str = SHARED
    if not shared_process:
        again = await replacement_seconds(side, size.kill_timeout) or NEVER.format(seconds=size.kill_timeout)
    return Measured(
        [answer.first_audio_ms for answer in answers],
        costs,
        [answer.first_audio_ms for answer in at_once],
        carried,
        again,
    )


def rows(ours: Measured, builtin: Measured, peers: Mapping[str, Measured | str], size: Size) -> list[Row]:
    """Return the rows of all sides. A peer that did not work is the reason why."""

    def row(figure: str, unit: str, value: Callable[[Measured], float | str | None]) -> Row:
        beside = {title: one if isinstance(one, str) else value(one) for title, one in peers.items()}
        return Row(
            f"peers: {figure}", unit, _number(value(ours)), _number(value(builtin)), missing="never", peers=beside
        )

    calls = size.cost_calls
    return [
        row(f"calls answered, of {size.peer_calls}", "calls", lambda one: float(len(present(one.first_audio)))),
        row("first audio heard, p50", "ms", lambda one: percentile(one.first_audio, 50)),
        row(
            f"reply time with {calls} calls at once, p50", "ms", lambda one: percentile(reply_ms(one.cost.replies), 50)
        ),
        row(
            f"reply time with {calls} calls at once, p95", "ms", lambda one: percentile(reply_ms(one.cost.replies), 95)
        ),
        row("CPU seconds of the worker for a minute of a call", "s", lambda one: one.cost.cpu),
        row("PSS of an idle worker", "MB", lambda one: one.cost.idle),
        row("PSS more for each live call", "MB", lambda one: _each(one.cost)),
        row(f"burst of {BURST}: answered within 10 s", "%", lambda one: share_within(one.burst, 10_000)),
        row("calls carried", "calls", lambda one: float(one.carried)),
        row("agent's process killed: heard again after", "s", lambda one: one.again),
    ]


def _each(cost: Cost) -> float | None:
    return (cost.pss - cost.idle) / len(cost.private) if cost.private else None


def _number(value: float | str | None) -> float | None:
    return None if isinstance(value, str) else value
