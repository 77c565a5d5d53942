"""The transcript of what the voice agent says, in the room from its first word on.

livekit-agents sends it from when the agent sees the caller. The server announces a caller with the caller's own track,
or some seconds later. `EarlyAudioOutput` speaks as soon as the caller listens, so a caller whose microphone comes later
would read the greeting from the middle, or not at all. The names used are private: their version is pinned, and
tests/acceptance/test_first_word.py fails when one of them moves.
"""

from __future__ import annotations

from typing import Any

from livekit import rtc
from livekit.agents import AgentSession


def transcribe(session: AgentSession[Any]) -> None:
    """Send the transcript of a session that has been started, from now on. Its agent has joined the room."""
    room_io = session._room_io
    if room_io is None or room_io._agent_tr_output is None:
        return
    output = room_io._agent_tr_output
    agent = room_io.room.local_participant.identity
    set_participant = output.set_participant

    def set_another(participant: rtc.Participant | str | None) -> None:
        # RoomIO sets the agent's own once more when it sees the caller, which would begin another line amid a sentence.
        if participant != agent:
            set_participant(participant)

    output.set_participant(agent)
    vars(output)["set_participant"] = set_another
