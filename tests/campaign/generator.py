"""The history of a seed and a number: always the same, and different for each number.

What occurs is dealt from decks over all histories of a seed, so that in sixty of them nothing is rare; when it occurs
is random.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.campaign.decks import Deck
from tests.campaign.history import BackendPlan, CallerPlan, FaultPlan, History, Kind, RoomPlan, Visit
from tests.campaign.tenants import OWN, TIERS

SECONDS = 40.0
BRIEF_SECONDS = 11.0
BACK_SECONDS = 5.0
"""A caller who comes back stays for so long at least."""
LONG_ABSENCE_SECONDS = 30.0

AGENTS = (
    *("clerk",) * 5,
    *(OWN,) * 3,
    *("hum",) * 2,
    *("blocks", "blocks_for_ever", "raises", "always_raises", "hangs_at_the_end"),
    *("shuts_down", "hands_over", "closes_session", "leaks", "uses_processes"),
)
"""`hands_over`: the agent `shuts_down`, and a colleague joins."""
PLAIN_AGENTS = ("clerk", "clerk", OWN, "hum")

BACKENDS = (*("nothing",) * 6, "deletes the room", "names the tenant late")

ROOMS = (4, 5, 6)
FAULTS = (2, 2, 3, 3, 3, 3, 3, 3)

FAULT_KINDS = (
    "child killed",
    "child paused",
    "worker killed",
    "worker paused",
    "worker drained",
    "worker cut from Redis",
    "worker's Redis slow",
    "worker's Redis refuses",
    "worker cut from LiveKit's signals",
    "host cut from LiveKit",
    "host cut from all",
    "Redis restarted",
    "Redis paused",
    "Redis refuses",
    "receiver killed",
    "leading receiver killed",
    "LiveKit restarted",
    "webhooks lost",
)
BRIEF_FAULT_KINDS = ("child killed", "receiver killed", "Redis restarted")


@dataclass(frozen=True)
class Shape:
    """The size of histories, and what occurs in them."""

    seconds: float
    rooms: tuple[int, ...]
    agents: tuple[str, ...]
    behaviours: tuple[str, ...]
    backends: tuple[str, ...]
    faults: tuple[int, ...]
    fault_kinds: tuple[str, ...]


def full() -> Shape:
    """Return the shape of the campaign's histories."""
    return Shape(SECONDS, ROOMS, AGENTS, tuple(BEHAVIOURS), BACKENDS, FAULTS, FAULT_KINDS)


def brief() -> Shape:
    """Return the shape of the short histories in `make test`."""
    behaviours = tuple(name for name in BEHAVIOURS if name != "comes back after 30 s")
    return Shape(BRIEF_SECONDS, (3,), PLAIN_AGENTS, behaviours, ("nothing",), (1,), BRIEF_FAULT_KINDS)


def generate(seed: int, number: int, shape: Shape) -> History:
    """Return the history of this number, from 0."""
    decks = _Decks(seed, shape)
    for earlier in range(number):
        decks.deal(earlier)
    rooms, faults = decks.deal(number)
    rng = random.Random(f"{seed} {number}")
    plans = tuple(_room(rng, f"r{index}", shape, *cards) for index, cards in enumerate(rooms, start=1))
    times = sorted(rng.uniform(4, shape.seconds * 0.5) for _ in faults)
    fault_plans = tuple(
        FaultPlan(f"f{index}", kind, round(at, 2), round(rng.uniform(2, 9), 2), rng.randrange(60))
        for index, (at, kind) in enumerate(zip(times, faults, strict=True), start=1)
    )
    seconds = max([shape.seconds, *(visit.end for plan in plans for caller in plan.callers for visit in caller.visits)])
    return History(seed, number, round(seconds, 2), plans, fault_plans)


class _Decks:
    """The decks of a seed. Each history takes its cards after those of all histories before it."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self._rooms = Deck(seed, "rooms", shape.rooms)
        self._agents = Deck(seed, "agents", shape.agents)
        self._behaviours = Deck(seed, "behaviours", shape.behaviours)
        self._backends = Deck(seed, "backends", shape.backends)
        self._tiers = Deck(seed, "tiers", TIERS)
        self._fault_counts = Deck(seed, "fault counts", shape.faults)
        self._faults = Deck(seed, "faults", shape.fault_kinds)

    def deal(self, _: int) -> tuple[list[tuple[str, str, str, str]], list[str]]:
        """Return agent, tier, behaviour and backends' act of each room of the next history, and its faults."""
        rooms = [
            (self._agents.deal(), self._tiers.deal(), self._behaviours.deal(), self._backends.deal())
            for _ in range(self._rooms.deal())
        ]
        return rooms, [self._faults.deal() for _ in range(self._fault_counts.deal())]


def _room(rng: random.Random, name: str, shape: Shape, agent: str, tier: str, behaviour: str, act: str) -> RoomPlan:
    first = f"{name}.a"
    begin = round(rng.uniform(0, 2), 2)
    plan = RoomPlan(
        name=name,
        agent="shuts_down" if agent == "hands_over" else agent,
        tier=tier,
        turn=rng.randint(1, 3),
        seconds=round(rng.uniform(4, 10), 2),
        callers=(CallerPlan(first, (Visit(begin, shape.seconds, first),)),),
        behaviours=(behaviour,),
    )
    plan = BEHAVIOURS[behaviour](rng, plan)
    if agent == "hands_over":
        came = round(begin + plan.seconds + rng.uniform(2, 5), 2)
        colleague = CallerPlan(f"{name}.colleague", (Visit(came, shape.seconds, f"{name}.colleague", voice="silent"),))
        plan = replace(plan, callers=(*plan.callers, colleague), behaviours=(*plan.behaviours, "colleague joins"))
    if act == "deletes the room":
        deletes = BackendPlan(f"{name}.deletes", "deletes", round(rng.uniform(8, shape.seconds * 0.6), 2))
        plan = replace(plan, backends=(*plan.backends, deletes), behaviours=(*plan.behaviours, act))
    if act == "names the tenant late":
        names = BackendPlan(f"{name}.names", "names the tenant", round(begin + rng.uniform(0.1, 2.5), 2))
        plan = replace(plan, backends=(*plan.backends, names), behaviours=(*plan.behaviours, act))
    return plan


Behaviour = Callable[[random.Random, RoomPlan], RoomPlan]


def _visits(plan: RoomPlan, *visits: Visit) -> RoomPlan:
    return replace(plan, callers=(CallerPlan(plan.callers[0].name, visits), *plan.callers[1:]))


def _joins_early(_: random.Random, plan: RoomPlan) -> RoomPlan:
    return plan


def _joins_late(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    only = plan.callers[0].visits[0]
    plan = _visits(plan, replace(only, begin=round(only.begin + rng.uniform(3, 8), 2)))
    return replace(plan, backends=(BackendPlan(f"{plan.name}.makes", "makes", only.begin),))


def _reloads(rng: random.Random, plan: RoomPlan, gap: float, *, same: bool) -> RoomPlan:
    only = plan.callers[0].visits[0]
    left = round(rng.uniform(4, max(5.0, only.end * 0.5)), 2)
    back = round(left + gap, 2)
    identity = only.identity if same else f"{only.identity}-again"
    end = max(only.end, back + BACK_SECONDS)
    return _visits(plan, replace(only, end=left), replace(only, begin=back, end=end, identity=identity))


def _reloads_as_the_same(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    return _reloads(rng, plan, rng.uniform(0.3, 2), same=True)


def _reloads_as_another(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    return _reloads(rng, plan, rng.uniform(0.3, 2), same=False)


def _throws_itself_out(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    return _reloads(rng, plan, -1.5, same=True)


def _comes_back(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    return _reloads(rng, plan, 3, same=rng.random() < 0.5)


def _comes_back_late(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    return _reloads(rng, plan, LONG_ABSENCE_SECONDS, same=rng.random() < 0.5)


def _two(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    only = plan.callers[0].visits[0]
    came = round(only.begin + rng.uniform(1, 4), 2)
    left = round(came + rng.uniform(3, 8), 2)
    first, second = replace(only, end=left), Visit(came, only.end, f"{plan.name}.b")
    if rng.random() < 0.5:
        first, second = only, replace(second, end=left)
    return replace(plan, callers=(CallerPlan(f"{plan.name}.a", (first,)), CallerPlan(f"{plan.name}.b", (second,))))


def _hangs_up(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    """The client goes away while it connects, and comes back after a while."""
    only = plan.callers[0].visits[0]
    tried = replace(only, end=round(only.begin + rng.uniform(0.01, 0.3), 2), kind="hangs up")
    return _visits(plan, tried, replace(only, begin=round(only.begin + rng.uniform(2, 6), 2)))


def _mutes(_: random.Random, plan: RoomPlan) -> RoomPlan:
    return _visits(plan, replace(plan.callers[0].visits[0], voice="mutes"))


def _stays_silent(_: random.Random, plan: RoomPlan) -> RoomPlan:
    return _visits(plan, replace(plan.callers[0].visits[0], voice="silent"))


def _talks_over(_: random.Random, plan: RoomPlan) -> RoomPlan:
    return _visits(plan, replace(plan.callers[0].visits[0], voice="talks over"))


def _hidden(rng: random.Random, plan: RoomPlan) -> RoomPlan:
    """A supervisor watches unseen, and stays when the caller has gone."""
    only = plan.callers[0].visits[0]
    left = round(max(only.begin + 6, only.end - 24), 2)
    came = round(only.begin + rng.uniform(0, 4), 2)
    watcher = CallerPlan(f"{plan.name}.watcher", (Visit(came, only.end, f"{plan.name}.watcher", kind="hidden"),))
    plan = _visits(plan, replace(only, end=left))
    return replace(plan, callers=(*plan.callers, watcher))


def _telephone(_: random.Random, plan: RoomPlan) -> RoomPlan:
    kind: Kind = "telephone"
    return _visits(plan, replace(plan.callers[0].visits[0], kind=kind))


BEHAVIOURS: dict[str, Behaviour] = {
    "joins early": _joins_early,
    "joins late, into a room made ahead": _joins_late,
    "reloads as the same": _reloads_as_the_same,
    "reloads as another": _reloads_as_another,
    "throws itself out": _throws_itself_out,
    "comes back after 3 s": _comes_back,
    "comes back after 30 s": _comes_back_late,
    "come in twos": _two,
    "hangs up while connecting": _hangs_up,
    "mutes": _mutes,
    "stays silent": _stays_silent,
    "talks over the agent": _talks_over,
    "is watched unseen": _hidden,
    "is on the telephone": _telephone,
}
