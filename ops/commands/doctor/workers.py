"""A check of the workers: every tier has one that takes calls, and each has queues of tiers and the right settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from ops.commands.doctor.finding import Finding, error, ok, warning
from ops.commands.doctor.installation import Installation
from tasks.rooms import WorkerStatus

DRAINING = "draining"


async def workers(installation: Installation) -> AsyncIterator[Finding]:
    """Check the workers by their heartbeats."""
    running, queues = await installation.workers(), installation.settings.tiers.queues
    for finding in judge(running, queues):
        yield finding


def judge(running: Sequence[WorkerStatus], queues: dict[str, str]) -> Iterator[Finding]:
    """Yield the findings. `queues`: each tier's."""
    problems = [*_of_tiers(running, queues), *(finding for worker in running for finding in _of_worker(worker, queues))]
    yield from problems
    if not problems:
        calls, idle = sum(worker.busy for worker in running), sum(worker.idle for worker in running)
        count = f"{len(running)} worker" + ("s" if len(running) > 1 else "")
        yield ok(f"{count} for the tiers {', '.join(queues)}, with {calls} calls and {idle} spares now")


def _of_tiers(running: Sequence[WorkerStatus], queues: dict[str, str]) -> Iterator[Finding]:
    for tier, queue in queues.items():
        takers = [worker for worker in running if queue in worker.queues]
        names = ", ".join(worker.node for worker in takers)
        if not takers:
            start = f"start one: celery -A tasks worker -Q {queue}"
            cure = f"{start}. If no tenant has this tier, leave it out of SWITCHBOARD_TIERS"
            yield error(f"no worker takes the queue {queue} of the tier {tier}: its calls wait for ever", cure)
        elif all(worker.state == DRAINING for worker in takers):
            yield error(f"every worker of the tier {tier} is draining: {names}", f"start another one with -Q {queue}")
        elif not any(worker.idle for worker in takers):
            cure = "start more workers, or wait: switchboard ps shows how long callers have waited"
            yield warning(f"no worker of the tier {tier} has a spare: {names}", cure)


def _of_worker(worker: WorkerStatus, queues: dict[str, str]) -> Iterator[Finding]:
    unknown = sorted(set(worker.queues) - set(queues.values()))
    if unknown:
        cure = "correct its -Q, or SWITCHBOARD_TIERS of the receivers"
        yield error(f"{worker.node} takes {', '.join(unknown)}, which is the queue of no tier", cure)
    if worker.differences:
        cure = "give workers and receivers the same settings, and restart the one that had the wrong one"
        yield error(f"{worker.node} has other settings than the receivers: {worker.differences}", cure)
    if worker.problem:
        yield error(
            f"calls fail at {worker.node}: {worker.problem}", "see its log; other workers take its calls meanwhile"
        )
