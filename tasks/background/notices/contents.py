"""Transcripts and links to audio for the notices of calls that are over, as the console has them.

The console is asked at each try, by a signed link, so that a link to audio is fresh. A background worker has neither
the database nor the object store, and no key of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from tasks.background.notices.links import CONTENTS, Link, LinkSigner
from tasks.errors import SwitchboardError
from tasks.settings import Settings

SECONDS = 5.0
"""The time for one question, and for which its link is good, as long again for clocks that differ."""
WAIT_SECONDS = 60.0
"""The time after a call's end for which its notice waits for contents that may still come."""
AGAIN_SECONDS = 5.0
MOST_BYTES = 4 << 20
"""The longest contents. A backend would hardly take a longer notice."""
HTTP_OK, HTTP_ACCEPTED = 200, 202


class ContentsNotReady(Exception):
    """Raised by a source of contents that may have them in a moment."""


class ContentsUnavailable(SwitchboardError):
    """The console has not given the contents of a notice: {problem}. Check SWITCHBOARD_CONSOLE_URL of this process."""


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


class ConsoleContents:
    """The contents that the console has. It needs a running event loop, and `aclose` at the end."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.recordings.console_url
        self._signer = LinkSigner(settings)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS), trust_env=False)

    async def read(self, call: EndedCall, wanted: Collection[str]) -> Mapping[str, Any]:
        """Return what there is of `wanted`, as `CallContents` says. Raises ContentsUnavailable too."""
        if self._url is None:
            raise ContentsUnavailable(problem="it has no address")
        link = Link(CONTENTS, call.tenant, call.sid, call.opened_ms, int(time.time() + 2 * SECONDS))
        address = f"{self._url}{self._signer.sign(link)}&wanted={','.join(wanted)}"
        try:
            async with self._session.get(address, allow_redirects=False) as answer:
                if answer.status == HTTP_ACCEPTED:
                    raise ContentsNotReady
                if answer.status != HTTP_OK:
                    raise ContentsUnavailable(problem=f"it has answered {answer.status}")
                body = b""
                async for part in answer.content.iter_chunked(1 << 16):
                    body += part
                    if len(body) > MOST_BYTES:
                        raise ContentsUnavailable(problem=f"they are longer than {MOST_BYTES} bytes")
                found: Mapping[str, Any] = json.loads(body)
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            # Its text has the address, with the signature.
            raise ContentsUnavailable(problem=type(error).__name__) from None

    async def aclose(self) -> None:
        """Close its connections."""
        await self._session.close()
