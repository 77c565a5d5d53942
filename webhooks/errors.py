"""Rejections of a webhook. The docstring of each is its message in the log; the sender gets `status` and `reason`."""

from __future__ import annotations

from typing import ClassVar

from tasks.errors import SwitchboardError


class Rejection(SwitchboardError):
    """The webhook is rejected."""

    status: ClassVar[int]
    reason: ClassVar[str]
    """Also a label in the metrics, so one of a fixed set."""


class BodyTooLarge(Rejection):
    """The body is larger than {limit} bytes. If LiveKit sends such events, raise SWITCHBOARD_WEBHOOK_MAX_BYTES."""

    status = 413
    reason = "body_too_large"


class BodyCutShort(Rejection):
    """The sender closed the connection before the end of the body."""

    status = 400
    reason = "body_cut_short"


class BodyTooSlow(Rejection):
    """The body did not arrive within {seconds} s."""

    status = 503
    reason = "body_too_slow"


class TooManyBodies(Rejection):
    """Too many bodies are being read at the same time."""

    status = 503
    reason = "too_many_bodies"


class TokenMissing(Rejection):
    """There is no Authorization header. If LiveKit sent this, a proxy on the way has removed it."""

    status = 401
    reason = "token_missing"


class TokenInvalid(Rejection):
    """The token in the Authorization header is not LiveKit's: {problem}."""

    status = 401
    reason = "token_invalid"


class KeyUnknown(Rejection):
    """The token names an unknown API key. If it is LiveKit's, add key and secret to SWITCHBOARD_WEBHOOK_KEYS."""

    status = 401
    reason = "key_unknown"


class TokenOutOfTime(Rejection):
    """The token is expired, or not valid yet: {problem}. If LiveKit sent it, compare the clocks of the two hosts."""

    status = 401
    reason = "token_out_of_time"


class BodyMismatch(Rejection):
    """The token was signed for another body. If LiveKit sent it, a proxy on the way rewrites bodies."""

    status = 401
    reason = "body_mismatch"


class EventMalformed(Rejection):
    """The event cannot be parsed: {problem}."""

    status = 400
    reason = "event_malformed"
