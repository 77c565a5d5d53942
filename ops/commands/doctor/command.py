"""`switchboard doctor`: everything that calls need is there, or what is missing and the cure."""

from __future__ import annotations

import asyncio

from ops.commands.doctor import check, report
from ops.commands.doctor.check import Examined
from ops.commands.doctor.checks import CHECKS
from ops.commands.doctor.finding import Finding, error
from ops.commands.doctor.installation import Installation
from tasks.errors import InvalidSetting
from tasks.settings import Settings, unknown_settings


def run(*, as_json: bool, webhook_seconds: float, webhook_url: str | None) -> int:
    """Run all checks, and print what they find. Return the exit status: see `report.ExitStatus`."""
    try:
        settings = Settings.read()
    except InvalidSetting as problem:
        examined = [Examined("settings", tuple(_of_settings(problem)))]
        if not as_json:
            _print(examined[0])
    else:
        examined = asyncio.run(_examine(settings, webhook_seconds, webhook_url, quiet=as_json))
    print(report.as_json(examined) if as_json else f"\n{report.summary(examined)}")
    return report.exit_status(examined)


async def _examine(
    settings: Settings, webhook_seconds: float, webhook_url: str | None, *, quiet: bool
) -> list[Examined]:
    all_examined = []
    async with Installation.open(settings, webhook_seconds=webhook_seconds, webhook_url=webhook_url) as installation:
        async for examined in check.run(CHECKS, installation):
            all_examined.append(examined)
            if not quiet:
                _print(examined)
    return all_examined


def _print(examined: Examined) -> None:
    for line in report.lines(examined):
        print(line, flush=True)


def _of_settings(problem: InvalidSetting) -> list[Finding]:
    cure = "set it as docs/reference/settings.md says; nothing else can be checked before"
    return [error(line, cure) for line in (*str(problem).splitlines(), *unknown_settings())]
