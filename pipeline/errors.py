"""The errors of a call.

The docstring of each error is its message. `retryable`: another attempt may help. `counted`: that attempt is one of the
few that a call has; not so when the fault is the host's or the LiveKit server's, or nobody's. `of_host`: the host or
the LiveKit server has failed, whatever the agent. `of_worker`: another worker may succeed, the same one will not.
"""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """The call failed."""

    retryable: ClassVar[bool] = False
    counted: ClassVar[bool] = True
    of_host: ClassVar[bool] = False
    of_worker: ClassVar[bool] = False

    def __init__(self, **fields: object) -> None:
        template = " ".join((type(self).__doc__ or "").split())
        super().__init__(template.format(**fields))


class UnknownProvider(PipelineError):
    """Unknown {kind} provider {name!r}. Known {kind} providers: {known}."""


class MissingKey(PipelineError):
    """The {kind} provider {name!r} needs a key: set `key` in the tenant's [{kind}] table to env:NAME or file:/path."""


class InvalidProviderOption(PipelineError):
    """The {kind} provider {name!r} cannot use {field} = {value!r}: {cure}."""


class ExtraMissing(PipelineError):
    """The {kind} provider {name!r} is not installed here: pip install "livekit-switchboard[{extra}]"."""

    of_worker = True


class AgentNotFound(PipelineError):
    """No agent at {path!r}: {cure}."""

    of_worker = True

    def __init__(self, *, path: str, cure: str) -> None:
        super().__init__(path=path, cure=cure)
        self.path = path


class RoomGone(PipelineError):
    """Room {sid} no longer exists on the LiveKit server; joining its name would make a new room."""


class AgentCrashed(PipelineError):
    """The agent's entrypoint raised {error}."""

    retryable = True


class RequestHookCrashed(AgentCrashed):
    """The agent's request hook raised {error}."""


class AgentNeverJoined(PipelineError):
    """The agent did not join the room within {seconds} s: call `ctx.connect()`, or start a session in `ctx.room`."""

    retryable = True


class AudioNotPublished(PipelineError):
    """The agent's audio could not be published in the room: {error}."""

    retryable = True


class SessionFailed(PipelineError):
    """The agent's session closed because of its {error}, and a caller is there."""

    retryable = True


class SessionClosed(PipelineError):
    """The agent's session closed because its participant left, and a caller is there."""

    retryable = True
    counted = False


class AgentWithdrawn(PipelineError):
    """The agent left the room before the call was over: {reason}."""

    retryable = True
    counted = False


class LiveKitLost(PipelineError):
    """The agent has lost the LiveKit server: {problem}."""

    retryable = True
    counted = False
    of_host = True


class RoomUnreachable(PipelineError):
    """The LiveKit server did not answer: {error}."""

    retryable = True
    counted = False
    of_host = True
