"""The phases of a call in this process, of which each has a time limit of its own, outside the pipeline."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The phase that a call is in. They follow each other in this order, and some calls leave some out.

    REQUESTING: the LiveKit server is asked for the room, and the agent's request hook for its consent. CONNECTING: the
    entrypoint has begun, and the agent is not in the room yet. RUNNING: it is. ENDING: the call is over, as its
    `outcome_so_far` says, and the agent's session, hooks and shutdown callbacks are still at work. UPLOADING: the agent
    has left, and what was recorded of the call is uploaded.
    """

    REQUESTING = "requesting"
    CONNECTING = "connecting"
    RUNNING = "running"
    ENDING = "ending"
    UPLOADING = "uploading"
