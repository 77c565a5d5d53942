"""livekit-agents' recording of a call: limited to the parts that are wanted, and uploaded when the call is over.

livekit-agents knows one switch for a job, `enable_recording`, which records everything; parts are for its agent to
choose. Here the options that a session resolves are reduced to the wanted parts, whatever its agent says: what is not
wanted is not written to a file and not sent. An agent may record less. A job for which `record` was not called keeps
its agent's choice; without an address nothing of it is sent.

It also uploads before the agent leaves its room, and before the agent's shutdown callbacks. Here that comes last, with
a deadline of its own: an upload that hangs keeps nothing but its process. All of this is private API: its version is
pinned, and tests/integration/pipeline/test_recording.py fails when it moves.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from livekit.agents import JobContext, get_job_context, job
from livekit.agents.voice import agent_session
from livekit.agents.voice.agent_session import RecordingOptions

from pipeline.options import RecordOptions
from pipeline.runtime import recording_encoder

PARTS = ("audio", "transcript", "traces", "logs")
FLUSH_SECONDS = 5.0
"""The time for the last spans and log lines, of which livekit-agents would make 10 s."""

logger = logging.getLogger("switchboard.pipeline.call")

_wanted: weakref.WeakKeyDictionary[JobContext, RecordOptions] = weakref.WeakKeyDictionary()
# Not exported, so `Any` to the type checker.
_job: Any = job
_session: Any = agent_session
_resolve: Callable[[bool | RecordingOptions], RecordingOptions] = _session._resolve_recording_options
_upload_report: Callable[..., Awaitable[None]] = _job._upload_session_report
_flush: Callable[..., None] = _job._shutdown_telemetry


def record(
    ctx: JobContext,
    wanted: RecordOptions,
    *,
    on_begun: Callable[[Sequence[str]], None],
    on_upload: Callable[[], None],
) -> None:
    """Record these parts of the job's call. Called before its entrypoint.

    `on_begun`: called with the parts that are recorded, when its session begins. `on_upload`: called when the agent has
    left and its shutdown callbacks have run, before the upload.
    """
    _wanted[ctx] = wanted
    recording_encoder.install()
    _session._resolve_recording_options = _resolve_wanted
    _job._upload_session_report = _upload_or_log
    _job._shutdown_telemetry = _flush_soon
    _announce(ctx, wanted, on_begun)
    _upload_last(ctx, wanted.upload_seconds, on_upload)


def _resolve_wanted(chosen: bool | RecordingOptions) -> RecordingOptions:  # noqa: FBT001 - as livekit-agents calls it
    resolved = _resolve(chosen)
    ctx = get_job_context(required=False)
    wanted = None if ctx is None else _wanted.get(ctx)
    return resolved if wanted is None else _reduced(resolved, wanted)


def _reduced(chosen: RecordingOptions, wanted: RecordOptions) -> RecordingOptions:
    """Return the parts that were chosen and are wanted."""
    reduced = RecordingOptions(**chosen)
    for part in PARTS:
        reduced[part] = bool(chosen.get(part, False)) and part in wanted.parts  # type: ignore[literal-required]
    reduced["redaction"] = wanted.redaction or chosen.get("redaction", False)
    if reduced["redaction"] and not reduced["transcript"]:
        # livekit-agents would refuse it, and the call with it.
        reduced["audio"] = False
    return reduced


def _announce(ctx: JobContext, wanted: RecordOptions, on_begun: Callable[[Sequence[str]], None]) -> None:
    begin = ctx.init_recording
    begun = False

    def init_recording(options: RecordingOptions) -> None:
        nonlocal begun
        # Once more: a call that fails before its session begins has its log recorded without having asked.
        reduced = _reduced(options, wanted)
        begin(reduced)
        if not begun:
            begun = True
            on_begun([part for part in PARTS if reduced.get(part)])

    ctx.init_recording = init_recording  # type: ignore[method-assign]


def _upload_last(ctx: JobContext, seconds: float, on_upload: Callable[[], None]) -> None:
    upload, clean_up = ctx._on_session_end, ctx._on_cleanup

    async def later() -> None:
        """Upload nothing yet."""

    async def upload_and_clean_up() -> None:
        on_upload()
        try:
            async with asyncio.timeout(seconds):
                await upload()
        except TimeoutError:
            logger.warning("recording not uploaded in time", extra={"sid": ctx.job.room.sid, "seconds": seconds})
        finally:
            # It sends the last spans and log lines, too, and removes the audio.
            await clean_up()

    ctx._on_session_end = later  # type: ignore[method-assign]
    ctx._on_cleanup = upload_and_clean_up  # type: ignore[method-assign]


async def _upload_or_log(**report: Any) -> None:
    try:
        await _upload_report(**report)
    except Exception as error:  # noqa: BLE001 - the call is over, whatever it is
        extra = {"sid": report["report"].room_id, "error": f"{type(error).__name__}: {error}"}
        logger.warning("recording not uploaded", extra=extra)


def _flush_soon(job_id: str) -> None:
    _flush(job_id, timeout=FLUSH_SECONDS)
