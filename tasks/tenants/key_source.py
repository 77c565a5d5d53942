"""Key sources: an installation's own store of provider keys, such as Vault or a cloud's secret manager.

`SWITCHBOARD_KEY_SOURCE=module:attribute` names one. The attribute is called without arguments, in the child of each
call, and returns a `KeySource`. It is asked for the keys that tenants declare in its scheme:
`key = "vault:acme/openai#key"`. Redis stores such a reference as it is, and never the key.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Protocol

from tasks.errors import InvalidSetting, KeySourceUnavailable, KeyUnreadable
from tasks.settings import Settings

SECONDS = 3.0
"""Limit for one key, with all retries. It is below the lease's TTL, as the call's lease is not renewed yet."""
PAUSE_SECONDS = 0.25

RESERVED = frozenset({"env", "file", "stdin", "encrypted"})


class KeyNotGiven(Exception):
    """Raised by a key source that refuses a key for good. Its message goes onto the dead letter."""


class KeySource(Protocol):
    """A store of provider keys outside Redis."""

    @property
    def scheme(self) -> str:
        """The scheme of its references, without the colon: `vault`."""

    async def read(self, path: str, *, tenant: str) -> str:
        """Return the key at `path`, the reference without its scheme, for a call of this tenant.

        Raises KeyNotGiven when that is final. Any other exception is retried, for a few seconds here and then by the
        next attempt at the call.
        """


def preload(settings: Settings) -> None:
    """Import the configured key source without calling it, in the worker's main process. Raises InvalidSetting."""
    if settings.tenants.key_source is not None:
        _import(settings.tenants.key_source)


def load(settings: Settings) -> KeySource | None:
    """Return the configured key source, if there is one. Raises InvalidSetting."""
    if settings.tenants.key_source is None:
        return None
    make = _import(settings.tenants.key_source)
    try:
        source = make()
    except Exception as error:
        raise _unusable(settings.tenants.key_source, f"calling it raised {type(error).__name__}: {error}") from error
    scheme = getattr(source, "scheme", None)
    if not isinstance(scheme, str) or not callable(getattr(source, "read", None)):
        raise _unusable(
            settings.tenants.key_source,
            "what it returns has no `scheme` and `read`; see tasks.tenants.key_source.KeySource",
        )
    if scheme in RESERVED:
        raise _unusable(settings.tenants.key_source, f"its scheme {scheme!r} is one of Switchboard's own")
    return source


def _import(name: str) -> Callable[[], KeySource]:
    module, _, attribute = name.partition(":")
    try:
        make: Callable[[], KeySource] = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise _unusable(name, f"importing it raised {type(error).__name__}: {error}") from error
    return make


def _unusable(name: str, cure: str) -> InvalidSetting:
    return InvalidSetting(name="SWITCHBOARD_KEY_SOURCE", value=name, cure=cure)


async def read(source: KeySource, path: str, *, tenant: str, field: str) -> str:
    """Read a key, with retries until SECONDS have passed. Raises KeyUnreadable or KeySourceUnavailable."""
    reason = TimeoutError.__name__
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    return _not_empty(await source.read(path, tenant=tenant), path)
                except KeyNotGiven as error:
                    raise KeyUnreadable(tenant=tenant, field=field, problem=str(error)) from error
                except Exception as error:  # noqa: BLE001 - whatever a client of some vault may raise
                    # The type alone: the message may quote what the client has sent.
                    reason = type(error).__name__
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        raise KeySourceUnavailable(tenant=tenant, field=field, seconds=SECONDS, error=reason) from None


def _not_empty(value: str, path: str) -> str:
    if not value:
        raise KeyNotGiven(f"the key source has an empty key at {path}")
    return value
