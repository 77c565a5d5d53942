"""Redaction of the provider keys of this process's call, in what is written about how the call ended.

A provider's error may quote the key that it was sent, and an agent's error the provider's. What is written goes into a
dead letter, a call record, a log and Flower. A child answers one call, so the keys are the process's.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from pipeline.options import Secret

LEAST_CHARACTERS = 6
"""A shorter key is none of a provider's, and may be part of any word."""
REDACTED = "***"

_keys: set[str] = set()


def keep_out(secrets: Iterable[Secret]) -> None:
    """Keep these keys out of what is redacted from now on."""
    for secret in secrets:
        value = secret.reveal().strip()
        if len(value) >= LEAST_CHARACTERS:
            # As it is, and as it is part of a URL.
            _keys.update({value, quote(value, safe="")})


def redacted(text: str) -> str:
    """Return the text without the keys."""
    # The longest first: one key may be the beginning of another.
    for key in sorted(_keys, key=len, reverse=True):
        text = text.replace(key, REDACTED)
    return text
