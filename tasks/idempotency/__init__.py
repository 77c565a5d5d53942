"""Requests that make one call, however often they come: a client tries again, and so does Twilio.

The first time, the name of the room is chosen and kept under the request's key, before there is a room. Whoever comes
with the same key, then or later, on this receiver or on another, goes on with that name. LiveKit makes one room of a
name, and a room is opened once by its sid. So two that do this at the same moment end with the same call, and what a
receiver that died has left half-way is finished by the next one. When the room is open its sid is kept too, and from
then on nothing is made any more: a room that is over does not come back.

There is no lock, so nothing waits and nothing can be left locked. Nothing that is kept is secret: no token, no
metadata, no identity, and of the request a digest that is keyed with something that Redis does not know.
"""

from __future__ import annotations

from tasks.idempotency.key import Once, Request
from tasks.idempotency.store import RequestStore

__all__ = ["Once", "Request", "RequestStore"]
