"""Idempotency of requests that make a call: repeated by a client or by Twilio, one makes one call.

    key      the key of a request, and what is stored under it
    store    the actions on stored requests, in one Redis
    lua/     one script for each action

Each request has an idempotency key. The first time, the name of the room is chosen and stored under the key, before
there is a room. Every other request with the same key, at the same moment or hours later, on this receiver or on
another, goes on with that name. LiveKit makes one room of a name, and a room is opened once by its sid. So two requests
at the same moment end with the same call, and what a receiver left half done when it died is finished by the next
request. When the room is open its sid is stored too, and from then on nothing is made any more: a room that is over is
not made again.

There is no lock, so nothing waits and nothing can stay locked. Nothing that is stored is secret: no token, no metadata,
no identity, and of the request itself only a digest, keyed with a secret that is not in Redis.
"""

from __future__ import annotations

from tasks.queue.idempotency.key import IdempotencyKey, IdempotentRequest
from tasks.queue.idempotency.store import IdempotencyStore

__all__ = ["IdempotencyKey", "IdempotencyStore", "IdempotentRequest"]
