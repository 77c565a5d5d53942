"""Checks of the settings: variables that are none, and those that receivers and workers must have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from ops.commands.doctor.finding import Finding, error, ok, warning
from ops.commands.doctor.installation import Installation
from tasks.rooms import keys
from tasks.settings import unknown_settings
from tasks.settings.shared import differences, shared_settings


async def settings(installation: Installation) -> AsyncIterator[Finding]:
    """Check the variables of this process."""
    del installation
    unknown = unknown_settings()
    for problem in unknown:
        yield warning(problem, "correct the name, or remove the variable")
    if not unknown:
        yield ok("every variable is known, and can be used")


async def receivers(installation: Installation) -> AsyncIterator[Finding]:
    """Check that a receiver leads, and has the same settings as this process."""
    await installation.require_redis()
    redis = installation.redis
    leader = await installation.ask_redis(cast("Any", redis.get(keys.LEADER)))
    theirs = await installation.ask_redis(cast("Any", redis.hgetall(keys.INSTALLATION)))
    if leader is None:
        cure = "start receivers: uvicorn --factory webhooks.app:create_app. If some run, their log says what they lack"
        yield error("no receiver reconciles: what crashes now is not answered again", cure)
        return
    different = differences(shared_settings(installation.settings), theirs)
    if different:
        cure = "give this process and the receivers the same, and restart what had the wrong one"
        yield error(f"the receivers have other settings: {'; '.join(different)}", cure)
    else:
        yield ok("one leads, with the same settings as here")
