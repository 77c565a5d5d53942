"""Reports of calls: lines for a person, one JSON object for a program, or lines of the log for a service."""

from __future__ import annotations

import json
import logging
from typing import Protocol

from ops.commands.probe.metrics import ProbeMetrics
from ops.commands.probe.result import ProbeResult, Step

STEP_WIDTH = 12

logger = logging.getLogger("switchboard.ops.probe")


class Report(Protocol):
    """A report of each step of a call, and of its end."""

    def step(self, tenant: str, step: Step, seconds: float) -> None:
        """Report a step that went well."""

    def end(self, result: ProbeResult) -> None:
        """Report a call that is over."""


class LineReport:
    """A line for each step, and one for the end."""

    def step(self, tenant: str, step: Step, seconds: float) -> None:
        """Print the step."""
        print(f"{tenant}: {step:<{STEP_WIDTH}} {seconds:6.2f} s", flush=True)

    def end(self, result: ProbeResult) -> None:
        """Print whether the call went well, or why not."""
        print(f"{result.tenant}: {'ok' if result.success else f'FAILED: {result.problem}'}", flush=True)


class JsonReport:
    """One JSON object for each call."""

    def step(self, tenant: str, step: Step, seconds: float) -> None:
        """Print nothing: the object has all steps."""

    def end(self, result: ProbeResult) -> None:
        """Print the object."""
        print(json.dumps(result.as_object(), ensure_ascii=False), flush=True)


class LogReport:
    """A line of the log for each call, and its metrics: of a process that goes on.

    The metrics are those of this call by the time that its line can be read.
    """

    def __init__(self, metrics: ProbeMetrics) -> None:
        self._metrics = metrics

    def step(self, tenant: str, step: Step, seconds: float) -> None:
        """Log nothing: the call's line has all steps."""

    def end(self, result: ProbeResult) -> None:
        """Record the call, and log it. What the agent said is not logged."""
        self._metrics.record(result)
        seconds = {step.value: round(took, 3) for step, took in result.steps.items()}
        fields = {"tenant": result.tenant, "sid": result.sid, "seconds": seconds}
        if result.success:
            logger.info("probe succeeded", extra=fields)
        else:
            logger.warning("probe failed", extra=fields | {"problem": result.problem})
