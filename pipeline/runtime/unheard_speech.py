"""Speech that is interrupted before a caller listens: the agent is heard afterwards.

The audio output of livekit-agents holds back the first frame until the agent's track is subscribed to. An interruption
cancels the task that waits, and with it the future that all later frames wait for: the agent then hears and answers,
and is mute for the rest of the call. It happens to callers who say hello while their connection is slow. This replaces
a method of livekit-agents: its version is pinned, and tests/unit/pipeline/runtime/test_unheard_speech.py fails when it
moves.
"""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.agents.voice.room_io._output import _ParticipantAudioOutput

_capture_frame = _ParticipantAudioOutput.capture_frame


def outlive_interruptions() -> None:
    """Replace the method in this process and in its children."""
    _ParticipantAudioOutput.capture_frame = _capture_when_subscribed  # type: ignore[method-assign]


async def _capture_when_subscribed(self: _ParticipantAudioOutput, frame: rtc.AudioFrame) -> None:
    await asyncio.shield(self.subscribed)
    await _capture_frame(self, frame)
