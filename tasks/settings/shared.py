"""The settings that receivers and workers must have in common.

The leading receiver publishes its own (`tasks.reconcile.settings_publisher`). A worker compares them with its own at
its start, and again when their digest, which its heartbeat brings, has changed (`tasks.worker.presence`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.settings import Settings

FINGERPRINTED = "LIVEKIT_API_SECRET"
"""The one of which only a fingerprint is shared."""
_SALT = b"switchboard: installation"


def shared_settings(settings: Settings) -> dict[str, str]:
    """Return the settings that matter to both sides, by their variables."""
    return {
        "SWITCHBOARD_LEASE_TTL_MS": str(settings.lease.ttl_ms),
        "SWITCHBOARD_LEASE_RENEW_MS": str(settings.lease.renew_ms),
        "SWITCHBOARD_MAX_ATTEMPTS": str(settings.lease.max_attempts),
        "SWITCHBOARD_TIERS": ",".join(f"{tier}={queue}" for tier, queue in sorted(settings.tiers.queues.items())),
        "LIVEKIT_API_KEY": settings.livekit.api_key,
        FINGERPRINTED: _fingerprint(settings.livekit.api_key, settings.livekit.api_secret.get_secret_value()),
    }


def digest(shared: Mapping[str, str]) -> str:
    """Return a digest of shared settings."""
    return hashlib.sha256(json.dumps(dict(shared), sort_keys=True).encode()).hexdigest()[:16]


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return a phrase for each shared setting that the receivers have differently. They may publish fewer."""
    return [
        f"{name} is another" if name == FINGERPRINTED else f"{name} is {value} here and {theirs[name]} there"
        for name, value in ours.items()
        if name in theirs and theirs[name] != value
    ]


def _fingerprint(key: str, secret: str) -> str:
    # Slow on purpose: Redis must not be a place where a weak secret is guessed.
    return hashlib.scrypt(secret.encode(), salt=_SALT + key.encode(), n=2**14, r=8, p=1, dklen=8).hex()
