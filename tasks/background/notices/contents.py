"""Transcripts and links to audio for the notices of calls that are over: whatever keeps them is asked here.

`SWITCHBOARD_NOTICE_CONTENTS=module:attribute` names the source. The attribute is called without arguments in a
background worker, once, and returns a `CallContents`. It is asked at each try, so that a link to audio is fresh.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tasks.errors import InvalidSetting
from tasks.settings import NoticeSettings

SECONDS = 5.0
"""The time for one question."""
WAIT_SECONDS = 60.0
"""The time after a call's end for which its notice waits for contents that may still come."""
AGAIN_SECONDS = 5.0


class ContentsNotReady(Exception):
    """Raised by a source of contents that may have them in a moment."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that is over. `sid` and `opened_ms` together are those of its records."""

    tenant: str
    sid: str
    opened_ms: int
    ended_ms: int


class CallContents(Protocol):
    """A source of what was said in calls."""

    async def read(self, call: EndedCall, wanted: Collection[str]) -> Mapping[str, Any]:
        """Return what there is of `wanted` (`transcript`, `audio`), each as it is to be in the notice's JSON.

        Without a thing that it does not have and will not get. Raises ContentsNotReady, which is waited for a minute.
        After any other exception the notice is sent without.
        """


def load(settings: NoticeSettings) -> CallContents | None:
    """Return the configured source, or None if there is none. Raises InvalidSetting."""
    if settings.contents is None:
        return None
    module, _, attribute = settings.contents.partition(":")
    try:
        source = getattr(importlib.import_module(module), attribute)()
    except Exception as error:
        raise _unusable(settings.contents, f"it raised {type(error).__name__}: {error}") from error
    if not callable(getattr(source, "read", None)):
        cure = "what it returns has no `read`; see tasks.background.notices.contents.CallContents"
        raise _unusable(settings.contents, cure)
    found: CallContents = source
    return found


def _unusable(name: str, cure: str) -> InvalidSetting:
    return InvalidSetting(name="SWITCHBOARD_NOTICE_CONTENTS", value=name, cure=cure)
