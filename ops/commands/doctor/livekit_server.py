"""Checks of the LiveKit server: it accepts our API key, and participants can connect to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api
from livekit.protocol import rtc

from ops.commands.doctor.connection_problem import problem_of
from ops.commands.doctor.finding import Finding, error, ok, warning
from ops.commands.doctor.installation import Installation
from ops.setup.livekit import VERSION

SECONDS = 5.0
PROTOCOL = 15
NO_SUCH_ROOM = "switchboard-key-check"
"""A name that no room has: the answer shall be short."""
RUNNING = "start it, or correct LIVEKIT_URL"


async def key(installation: Installation) -> AsyncIterator[Finding]:
    """Check that the server answers, and accepts the API key and its secret."""
    livekit = installation.settings.livekit
    token = _token(installation).with_grants(api.VideoGrants(room_list=True)).to_jwt()
    try:
        async with installation.http.post(
            f"{_http(livekit.url)}/twirp/livekit.RoomService/ListRooms",
            json={"names": [NO_SUCH_ROOM]},
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            allow_redirects=False,
        ) as response:
            status, text = response.status, await response.text(errors="replace")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        yield error(f"the LiveKit server at {livekit.url} {problem_of(failure)}", RUNNING)
        return
    if status == HTTPStatus.OK:
        yield ok(f"the LiveKit server at {livekit.url} accepts the API key {livekit.api_key}")
    elif status == HTTPStatus.UNAUTHORIZED:
        yield _refused(text, livekit.api_key)
    else:
        text = f"{livekit.url} answers with {status}, which is not what a LiveKit server answers"
        yield error(text, "correct LIVEKIT_URL: the address of the server itself, without a path")


async def signalling(installation: Installation) -> AsyncIterator[Finding]:
    """Check that a participant's WebSocket reaches the server, and its version. No audio is sent: see the probe."""
    livekit, room = installation.settings.livekit, await installation.room()
    grants = api.VideoGrants(room_join=True, room=room.name, hidden=True, can_publish=False)
    token = _token(installation).with_grants(grants).to_jwt()
    try:
        async with installation.http.ws_connect(
            f"{livekit.url.rstrip('/')}/rtc",
            params={"protocol": str(PROTOCOL), "auto_subscribe": "0", "access_token": token},
            timeout=aiohttp.ClientWSTimeout(ws_close=SECONDS),
        ) as socket:
            first = rtc.SignalResponse.FromString(await socket.receive_bytes(timeout=SECONDS))
            await socket.send_bytes(rtc.SignalRequest(leave=rtc.LeaveRequest()).SerializeToString())
    except (aiohttp.ClientError, OSError, TypeError, ValueError, DecodeError) as failure:
        cure = "let the proxy in front of it pass WebSocket upgrades of /rtc on, and the whole query"
        yield error(f"a participant cannot connect to {livekit.url}/rtc: it {problem_of(failure)}", cure)
        return
    version = first.join.server_info.version or first.join.server_version
    if _minor(version) < _minor(VERSION):
        cure = f"test it with calls of your own, or take {VERSION}"
        yield warning(f"version {version} is older than {VERSION}, with which Switchboard is tested", cure)
    else:
        yield ok(f"participants can connect; version {version}")


def _refused(answer: str, key: str) -> Finding:
    # The answer repeats our token, so no more of it is shown than what is known to be no secret.
    if "invalid API key" in answer:
        cure = "compare LIVEKIT_API_KEY with the `keys` of the server's configuration, and LIVEKIT_URL with its address"
        return error(f"the LiveKit server does not know the API key {key}", cure)
    if re.search(r"not valid yet|is expired|nbf", answer):
        cure = "set the clocks: timedatectl on both hosts. The check of the clocks says which one is wrong"
        return error("the LiveKit server refuses our token, as its clock and ours are more than a minute apart", cure)
    cure = f"compare LIVEKIT_API_SECRET with the secret of {key} in the `keys` of the server's configuration"
    return error(f"the LiveKit server refuses the secret of the API key {key}", cure)


def _token(installation: Installation) -> api.AccessToken:
    livekit = installation.settings.livekit
    token = api.AccessToken(livekit.api_key, livekit.api_secret.get_secret_value())
    return token.with_identity("switchboard doctor")


def _http(url: str) -> str:
    return re.sub(r"^ws", "http", url).rstrip("/")


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
