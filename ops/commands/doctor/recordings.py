"""Checks of the recordings: the object store takes an object, and the console takes what workers upload."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp
from livekit import api

from ops.commands.doctor.connection_problem import problem_of
from ops.commands.doctor.finding import Finding, NotChecked, error, ok
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.tenants import MOST_NAMED, stored_tenants
from ops.recordings.object_store import ObjectStore, RecordingUnavailable

SECONDS = 5.0
CONTENT = b"switchboard doctor"
UPLOADS = "/observability/metrics/otlp/v0"
"""The one of the console's paths whose content it does not keep."""
NONE_RECORDS = "no tenant records"


async def store(installation: Installation) -> AsyncIterator[Finding]:
    """Check that an object can be written, read and deleted, as the console does."""
    if not await _recording(installation):
        yield ok(NONE_RECORDS)
        return
    url = installation.settings.recordings.url
    _require_folder(url)
    path = f"doctor/{secrets.token_hex(8)}"
    try:
        objects = ObjectStore(url)
        await objects.put(path, _content())
        read = await objects.read(path, 0, len(CONTENT))
        await objects.delete(path)
    except RecordingUnavailable as failure:
        cure = (
            "let the console's user write there; the credentials of a bucket are in the environment, as "
            "docs/howto/recordings.md says"
        )
        yield error(" ".join(str(failure).split()), cure)
        return
    if read != CONTENT:
        yield error(f"{_place(url)} returns something else than was written", "name a store that nobody else changes")
    else:
        yield ok(f"{_place(url)} takes objects")


async def uploads(installation: Installation) -> AsyncIterator[Finding]:
    """Check that the console is reached at the address that workers have, and accepts their tokens."""
    recording = await _recording(installation)
    if not recording:
        yield ok(NONE_RECORDS)
        return
    console = installation.settings.recordings.console_url
    names = ", ".join(recording[:MOST_NAMED]) + (", …" if len(recording) > MOST_NAMED else "")
    if console is None:
        cure = "set it for workers, and here: the console's address as workers reach it, http://console:8100"
        yield error(f"SWITCHBOARD_CONSOLE_URL is not set, so nothing is recorded of {names}", cure)
        return
    yield await _upload(installation, console)


async def _upload(installation: Installation, console: str) -> Finding:
    """Upload nothing, with a token as an agent's process has it, and return what the answer means."""
    livekit = installation.settings.livekit
    token = (
        api.AccessToken(livekit.api_key, livekit.api_secret.get_secret_value())
        .with_observability_grants(api.ObservabilityGrants(write=True))
        .with_ttl(timedelta(minutes=1))
        .to_jwt()
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-protobuf"}
    try:
        async with installation.http.post(
            f"{console}{UPLOADS}",
            data=b"",
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            allow_redirects=False,
        ) as response:
            status = response.status
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        cure = "start the console, or correct SWITCHBOARD_CONSOLE_URL of the workers: recordings are lost meanwhile"
        return error(f"the console at {console} {problem_of(failure)}", cure)
    if status == HTTPStatus.OK:
        return ok(f"the console at {console} takes uploads")
    if status == HTTPStatus.UNAUTHORIZED:
        cure = "give the console the same LIVEKIT_API_KEY and LIVEKIT_API_SECRET as workers have; compare the clocks"
        return error(f"the console at {console} refuses the token of an upload", cure)
    cure = "let SWITCHBOARD_CONSOLE_URL lead to the console, by no proxy that asks for a login"
    return error(f"{console} answers an upload with {status}, which is not what the console answers", cure)


async def _recording(installation: Installation) -> Sequence[str]:
    """Return the tenants that record."""
    return [name for name, tenant in (await stored_tenants(installation)).items() if tenant.record.get("record")]


def _require_folder(url: str) -> None:
    """Raise NotChecked for a folder that is not on this host: this check makes none."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(unquote(parts.path)).is_dir():
        reason = f"{unquote(parts.path)} is not a folder of this host"
        raise NotChecked(reason, "run it where the console runs, with its SWITCHBOARD_RECORDINGS_URL")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"the folder {unquote(parts.path)}" if parts.scheme == "file" else f"{parts.scheme}://{parts.hostname}"


async def _content() -> AsyncIterator[bytes]:
    yield CONTENT
