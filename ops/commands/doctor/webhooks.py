"""A check that webhooks arrive: the LiveKit server announces a room of ours, and a receiver notes it in Redis.

It needs no address of the receivers, and proves the whole way: the server's configuration, the load balancer, the
signature, and a write to Redis. With their address it finds the part that is wrong, by sending them a webhook as the
server would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
from livekit import api

from ops.commands.doctor.connection_problem import problem_of
from ops.commands.doctor.finding import Finding, error, ok
from ops.commands.doctor.installation import Installation
from tasks.rooms.webhook_check import METADATA

SECONDS = 5.0
OUT_OF_TIME = "token_out_of_time"


async def webhooks(installation: Installation) -> AsyncIterator[Finding]:
    """Check that a webhook of a new room arrives at a receiver."""
    noted = await installation.noted_webhooks()
    if noted:
        first = noted[0]
        yield ok(f"{first.event} of a new room has arrived, at receiver {first.receiver}")
        return
    text = f"no webhook of a new room has arrived within {installation.webhook_seconds:g} s"
    if installation.webhook_url is None:
        yield error(text, f"{_of_the_server(installation)}. With --webhook-url this check says which part is wrong")
    else:
        yield await _send(installation, installation.webhook_url, text)


async def _send(installation: Installation, url: str, text: str) -> Finding:
    """Send the receivers a webhook as the LiveKit server would, and return what their answer means."""
    room = {"sid": f"RM_{secrets.token_hex(6)}", "name": (await installation.room()).name, "metadata": METADATA}
    body = json.dumps({"event": "room_started", "id": f"EV_{secrets.token_hex(6)}", "room": room}).encode()
    try:
        async with installation.http.post(
            url,
            data=body,
            headers={"Authorization": _sign(installation, body), "Content-Type": "application/webhook+json"},
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            allow_redirects=False,
        ) as response:
            status, answer = response.status, await response.text(errors="replace")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        cure = "start the receivers and the load balancer, or correct its address, here and in webhook.urls"
        return error(f"{text}: {url} {problem_of(failure)}", cure)
    if status == HTTPStatus.OK:
        return error(f"{text}, but {url} takes one that is sent from here", _of_the_server(installation))
    if status == HTTPStatus.UNAUTHORIZED and OUT_OF_TIME in answer:
        return error(
            f"{text}: the clock of the receivers is another than ours", "set the clocks: see the check of them"
        )
    if status == HTTPStatus.UNAUTHORIZED:
        cure = "give the receivers the same LIVEKIT_API_KEY and LIVEKIT_API_SECRET as this process has"
        return error(f"{text}: {url} refuses our signature", cure)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        cure = "see the receivers' log: they do not reach their Redis; or none is up behind the load balancer"
        return error(f"{text}: {url} answers with 503", cure)
    cure = "send webhooks to /livekit/webhook of the receivers, or to a load balancer that passes it on"
    return error(f"{text}: {url} answers with {status}, which is not what a receiver answers", cure)


def _sign(installation: Installation, body: bytes) -> str:
    livekit = installation.settings.livekit
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    return api.AccessToken(livekit.api_key, livekit.api_secret.get_secret_value()).with_sha256(sha256).to_jwt()


def _of_the_server(installation: Installation) -> str:
    return (
        "in the LiveKit server's configuration, webhook.urls has the address of the receivers, as that host reaches "
        "it: http://<load balancer>/livekit/webhook; webhook.api_key is "
        f"{installation.settings.livekit.api_key}, or a key of SWITCHBOARD_WEBHOOK_KEYS. Its log says "
        '"failed to send webhook" if it reaches nobody, a receiver\'s "webhook rejected" if it does not accept the key'
    )
