"""A check of the notices to tenants' backends: a background worker makes them, and no backend is disabled."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ops.commands.doctor.finding import Finding, error, ok, warning
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.tenants import stored_tenants
from tasks.background.notices.state import read_state

LATE_SECONDS = 120.0
"""As the alert SwitchboardNoticesNotSent has it."""
START = (
    "start one: celery -A tasks.background worker -Q background. If one runs, its log says what it lacks: most often a "
    "right of its user of Redis"
)


async def notices(installation: Installation) -> AsyncIterator[Finding]:
    """Check the background workers by what they leave in Redis."""
    wanted = [name for name, tenant in (await stored_tenants(installation)).items() if tenant.record.get("notices")]
    if not wanted:
        yield ok("no tenant wants any")
        return
    state = await installation.ask_redis(read_state(installation.redis))
    waiting = f"{state.events} events wait, the oldest for {state.oldest_seconds:.0f} s"
    if not state.is_alive:
        yield error(f"no background worker runs, and {len(wanted)} tenants want notices: {waiting}", START)
    elif state.oldest_seconds > LATE_SECONDS:
        yield error(f"a background worker runs, and is late: {waiting}", "see its log, or start another one")
    elif not state.disabled:
        yield ok(f"a background worker makes them; {state.events} events wait")
    if state.disabled:
        cure = "switchboard notices backends says why; when one is well again: switchboard notices test TENANT"
        yield warning(f"backends are disabled, and get none: {', '.join(sorted(state.disabled))}", cure)
