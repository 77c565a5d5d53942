"""The signature of a notice, by Standard Webhooks: over its id, the time of the try, and its body."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

PREFIX = "whsec_"
BYTES = range(24, 65)
"""The length of a secret, as the specification has it."""


def is_secret(text: str) -> bool:
    """Return whether a text is a secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64."""
    if not text.startswith(PREFIX) or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text.removeprefix(PREFIX)):
        return False
    try:
        return len(base64.b64decode(text.removeprefix(PREFIX), validate=True)) in BYTES
    except binascii.Error:
        return False


def signature_headers(notice_id: str, at_seconds: int, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of one try. There is a signature with each secret, the first one first."""
    # The library takes each time for UTC.
    at = datetime.fromtimestamp(at_seconds, UTC)
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(Webhook(secret).sign(notice_id, at, body) for secret in secrets),
    }
