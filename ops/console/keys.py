"""The names of the Redis keys of the console, and their lifetimes. Each has a TTL."""

from __future__ import annotations

from tasks.rooms.keys import PREFIX

SESSION_PREFIX = f"{PREFIX}console_session:"
ATTEMPTS_PREFIX = f"{PREFIX}console_attempts:"
OPENID_PREFIX = f"{PREFIX}console_openid:"

ATTEMPTS_SECONDS = 15 * 60
"""The time in which failed passwords are counted together."""
OPENID_SECONDS = 10 * 60
"""The time that an operator has to sign in at the provider of OpenID Connect."""


def session(digest: str) -> str:
    """Return the key of a session, by the SHA-256 of its token."""
    return f"{SESSION_PREFIX}{digest}"


def attempts(digest: str) -> str:
    """Return the key of the failed passwords of one name, or of one address, by its SHA-256."""
    return f"{ATTEMPTS_PREFIX}{digest}"


def openid(digest: str) -> str:
    """Return the key of a sign-in that is under way at the provider, by the SHA-256 of its state."""
    return f"{OPENID_PREFIX}{digest}"
