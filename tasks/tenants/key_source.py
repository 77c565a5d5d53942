"""A source of keys of an installation's own, such as Vault or the secret manager of a cloud.

`SWITCHBOARD_KEY_SOURCE=module:attribute` names it. The attribute is called without arguments, in the process of each
call, and gives a `KeySource`. It is asked for what tenants declare in its scheme: `key = "vault:acme/openai#key"`.
Such a reference goes to Redis as it is; the key itself never does.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Protocol

from tasks.errors import InvalidSetting, KeySourceUnavailable, KeyUnreadable
from tasks.settings import Settings

SECONDS = 3.0
"""How long a source may take, all tries together: the call's lease, which is not renewed yet, lasts longer."""
PAUSE_SECONDS = 0.25

RESERVED = frozenset({"env", "file", "stdin", "sealed"})


class KeyNotGiven(Exception):
    """Raised by a source that will not have the key at a second try either. Its message goes onto the dead letter."""


class KeySource(Protocol):
    """Where keys are that are not in Redis."""

    @property
    def scheme(self) -> str:
        """What its references begin with, without the colon: `vault`."""

    async def read(self, place: str, *, tenant: str) -> str:
        """The key at `place`, which is the reference without its scheme, for this tenant's call.

        Raises KeyNotGiven when that is final. Anything else that is raised is tried again, for a few seconds here and
        then by the next attempt at the call.
        """


def preload(settings: Settings) -> None:
    """Import what the settings name, in the worker's main process, which calls it not. Raises InvalidSetting."""
    if settings.key_source is not None:
        _imported(settings.key_source)


def load(settings: Settings) -> KeySource | None:
    """The source that the settings name, if any. Raises InvalidSetting."""
    if settings.key_source is None:
        return None
    make = _imported(settings.key_source)
    try:
        source = make()
    except Exception as error:
        raise _unusable(settings.key_source, f"calling it raised {type(error).__name__}: {error}") from error
    scheme = getattr(source, "scheme", None)
    if not isinstance(scheme, str) or not callable(getattr(source, "read", None)):
        raise _unusable(
            settings.key_source, "what it gives has no `scheme` and `read`; see tasks.tenants.key_source.KeySource"
        )
    if scheme in RESERVED:
        raise _unusable(settings.key_source, f"its scheme {scheme!r} is one of Switchboard's own")
    return source


def _imported(path: str) -> Callable[[], KeySource]:
    module, _, name = path.partition(":")
    try:
        made: Callable[[], KeySource] = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise _unusable(path, f"importing it raised {type(error).__name__}: {error}") from error
    return made


def _unusable(path: str, cure: str) -> InvalidSetting:
    return InvalidSetting(name="SWITCHBOARD_KEY_SOURCE", value=path, cure=cure)


async def read(source: KeySource, place: str, *, tenant: str, field: str) -> str:
    """Ask until there is an answer. Raises KeyUnreadable or KeySourceUnavailable."""
    reason = TimeoutError.__name__
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    return _given(await source.read(place, tenant=tenant), place)
                except KeyNotGiven as error:
                    raise KeyUnreadable(tenant=tenant, field=field, problem=str(error)) from error
                except Exception as error:  # noqa: BLE001 - whatever a client of some vault may raise
                    # Not its message: that may quote what the client has sent.
                    reason = type(error).__name__
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        raise KeySourceUnavailable(tenant=tenant, field=field, seconds=SECONDS, error=reason) from None


def _given(value: str, place: str) -> str:
    if not value:
        raise KeyNotGiven(f"the source of keys has an empty one at {place}")
    return value
