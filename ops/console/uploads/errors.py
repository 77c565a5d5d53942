"""The reasons for which an upload is refused, and the answer that livekit-agents understands."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]
from starlette.responses import Response

from tasks.errors import SwitchboardError

RETRY_SECONDS = 3
UNAVAILABLE = 503


class UploadRefused(SwitchboardError):
    """The upload is refused."""

    status: ClassVar[int] = 400


class NotAuthorized(UploadRefused):
    """The token of the upload is not one of an agent of this installation: {problem}."""

    status = 401


class NoGrant(UploadRefused):
    """The token of the upload does not grant writing recordings."""

    status = 403


class NotRecorded(UploadRefused):
    """For this tenant data recording is disabled."""

    # livekit-agents looks for the last words, and stops then.
    status = 401


class UnknownAttempt(UploadRefused):
    """There is no such attempt at a call: {job}."""

    status = 404


class Malformed(UploadRefused):
    """The upload is not as livekit-agents sends it: {problem}."""


class TooLarge(UploadRefused):
    """The upload is longer than {limit} bytes."""

    status = 413


class BrokenOff(UploadRefused):
    """The upload broke off: {problem}."""

    status = 408


class TooManyUploads(SwitchboardError):
    """So many uploads arrive at once already: {most}."""

    retryable = True


def refusal(error: SwitchboardError) -> Response:
    """Return the response for an error: one that asks the sender to try again, if that can help."""
    if isinstance(error, UploadRefused):
        return Response(str(error), status_code=error.status, media_type="text/plain")
    status = status_pb2.Status(code=code_pb2.UNAVAILABLE, message=type(error).__name__)
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS)))
    return Response(status.SerializeToString(), status_code=UNAVAILABLE, media_type="application/x-protobuf")
