"""A check, and the run of all checks, each with a deadline of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from ops.commands.doctor.finding import Finding, NotChecked, error
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.redis_problem import problem_of
from tasks.errors import RedisUnavailable

DEADLINE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """A check. `examine` yields its findings, or raises NotChecked if it cannot run.

    `seconds`: its deadline. What hangs is a finding, and keeps no other check from its own.
    """

    name: str
    examine: Callable[[Installation], AsyncIterator[Finding]]
    seconds: float = DEADLINE_SECONDS


@dataclass(frozen=True, slots=True)
class Examined:
    """The findings of one check."""

    check: str
    findings: tuple[Finding, ...]


async def run(checks: Sequence[Check], installation: Installation) -> AsyncIterator[Examined]:
    """Run all checks at the same time, and yield what they find, in their order."""
    running = [asyncio.create_task(_run(check, installation), name=check.name) for check in checks]
    try:
        for examined in running:
            yield await examined
    finally:
        for examined in running:
            examined.cancel()
        await asyncio.wait(running)


async def _run(check: Check, installation: Installation) -> Examined:
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(check.seconds):
            # One by one: those before an error, or before the deadline, count.
            async for finding in check.examine(installation):
                findings.append(finding)  # noqa: PERF401
    except NotChecked as reason:
        findings.append(reason.finding)
    except RedisUnavailable as failure:
        problem = problem_of(failure)
        findings.append(error(f"Redis {problem.text}", problem.cure))
    except TimeoutError:
        findings.append(error(f"this check was not finished after {check.seconds:g} s", "look at what it asks"))
    except Exception as failure:  # noqa: BLE001 - one check that fails must not hide what the others find
        # The type alone: a message may quote a key.
        text = f"this check has failed itself, with {type(failure).__name__}"
        findings.append(error(text, "report it as a bug of Switchboard"))
    return Examined(check.name, tuple(findings))
