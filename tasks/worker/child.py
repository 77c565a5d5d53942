"""The child's runner: prewarmed for the default agent, before its call is known."""

from __future__ import annotations

import logging

from pipeline import prewarm
from pipeline.errors import PipelineError
from pipeline.runner import JobRunner
from tasks.settings import Settings

logger = logging.getLogger("switchboard.tasks.worker")

_warm: dict[str, JobRunner] = {}


def warm(settings: Settings) -> None:
    """Prewarm the default agent. One that fails is tried again by its call, which then says why on a dead letter."""
    try:
        _warm[settings.agent] = prewarm.in_child(settings.agent)
    except PipelineError as error:
        logger.error("the default agent cannot be prewarmed", extra={"reason": str(error)})  # noqa: TRY400 - no trace


def runner_for(agent: str) -> JobRunner:
    """The prewarmed runner, or a new one if the tenant names another agent. Each runs one call."""
    return _warm.pop(agent, None) or prewarm.in_child(agent)
