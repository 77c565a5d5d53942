"""From a room and its tenant to the options of one call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.options import RecordOptions
from tasks.call.options import ANNOUNCED_MS, call_options, record_options
from tasks.rooms import Room, State
from tasks.settings import Settings
from tasks.tenants import Tenant

ARRIVED_MS = 1_700_000_000_000
ROOM = Room(
    sid="RM_1",
    name="call-acme-1",
    tenant="acme",
    tier="premium",
    queue="premium",
    state=State.RUNNING,
    attempt=1,
    worker="celery@one",
    pid=1,
    reason="",
    handed_over=False,
    steps_ms={"claimed": ARRIVED_MS + 20},
    arrived_us=ARRIVED_MS * 1000,
)
SETTINGS = Settings.read(
    {"LIVEKIT_URL": "ws://localhost", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret " * 6}
)
TENANT = Tenant(id="acme", tier="premium")


@pytest.mark.parametrize(
    ("room", "just_now"),
    [
        (ROOM, True),
        (replace(ROOM, steps_ms={"claimed": ARRIVED_MS + ANNOUNCED_MS}), False),
        (replace(ROOM, attempt=2), False),
        (replace(ROOM, arrived_us=0), False),
        (replace(ROOM, steps_ms={}), False),
    ],
    ids=["claimed at once", "after a wait", "another attempt", "of a room never opened", "never claimed"],
)
def test_a_room_was_announced_just_now_if_its_first_attempt_was_claimed_soon(
    room: Room,
    just_now: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    options = call_options(room, TENANT, {}, SETTINGS, claimed_at=1000)
    assert (options.announced_at is not None) is just_now


def test_the_time_of_the_announcement_is_by_the_clock_of_this_process() -> None:
    room = replace(ROOM, steps_ms={"claimed": ARRIVED_MS + 40})
    assert call_options(room, TENANT, {}, SETTINGS, claimed_at=1000).announced_at == pytest.approx(999.96)


CONSOLE = Settings.read(
    {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret", "SWITCHBOARD_CONSOLE_URL": "http://console:8080"}
)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, RecordOptions(redaction=True)),
        ({"record": ["transcript"]}, RecordOptions(transcript=True)),
        ({"record": ["audio", "traces"]}, RecordOptions(audio=True, traces=True)),
        # Nothing of what was said is in any part then.
        ({"record": ["traces", "logs"]}, RecordOptions(traces=True, logs=True, redaction=True)),
        ({"record": ["transcript"], "redact": True}, RecordOptions(transcript=True, redaction=True)),
    ],
)
def test_a_call_is_recorded_in_the_parts_that_its_tenant_names(
    declared: dict[str, object], expected: RecordOptions
) -> None:
    tenant = Tenant.model_validate({"id": "acme", "tier": "premium", **declared})
    assert record_options(tenant, CONSOLE) == expected


def test_without_a_console_nothing_is_recorded_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant.model_validate({"id": "acme", "tier": "premium", "record": ["audio"]})
    assert record_options(tenant, SETTINGS).parts == ()
    assert caplog.messages == ["call not recorded: set SWITCHBOARD_CONSOLE_URL"]
    caplog.clear()
    assert record_options(TENANT, SETTINGS).parts == ()
    assert not caplog.messages
