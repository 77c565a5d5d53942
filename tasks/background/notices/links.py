"""Signed links to what the console keeps of a call: one for the background worker, and those to audio in its notices.

A link opens one thing of one call of one tenant, until it expires, and it is signed by a key that is derived from the
LiveKit secret, which console and background workers both have. It is in the query, which no log has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tasks.encryption import Encryption, SignatureState
from tasks.settings import Settings

CONTENTS, AUDIO = "contents", "audio"


class LinkRefused(Exception):
    """The link is not valid. It was signed for something else, or has expired; the notice can be sent again."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link. `thing`: CONTENTS or AUDIO. `number`: when the call was opened (unix ms), or the attempt of the audio."""

    thing: str
    tenant: str
    sid: str
    number: int
    expires: int
    """In unix seconds."""

    @property
    def path(self) -> str:
        """The path on the console."""
        return f"/links/{self.thing}/{self.sid}/{self.number}"

    @property
    def signed(self) -> str:
        """The text that is signed: all of it."""
        return json.dumps([self.thing, self.tenant, self.sid, self.number, self.expires])


class LinkSigner:
    """Signs links, and checks them. While the LiveKit secret is replaced, links by the old one stay good."""

    def __init__(self, settings: Settings) -> None:
        self._encryption = Encryption.of_recording_links(settings)

    def sign(self, link: Link) -> str:
        """Return the path of a link, with its signature."""
        signature = self._encryption.sign("link", link.signed)
        return f"{link.path}?{urlencode({'tenant': link.tenant, 'expires': link.expires, 'signature': signature})}"

    def check(self, thing: str, sid: str, number: int, query: Mapping[str, str]) -> Link:
        """Return the link of a request. Raises LinkRefused."""
        try:
            link = Link(thing, query["tenant"], sid, number, int(query["expires"]))
            signature = query["signature"]
        except (KeyError, ValueError):
            raise LinkRefused from None
        if self._encryption.check_signature("link", link.signed, signature) is SignatureState.BROKEN:
            raise LinkRefused
        if link.expires <= time.time():
            raise LinkRefused
        return link
