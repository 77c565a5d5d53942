"""Uploads sent as livekit-agents sends them, and as nobody should."""

from __future__ import annotations

import datetime as dt
import io
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import av
import numpy as np
from livekit import api
from livekit.agents import AgentSession, ChatContext
from livekit.agents.observability import Tagger
from livekit.agents.telemetry import traces
from livekit.agents.voice.report import SessionReport
from livekit.protocol.metrics import MetricsRecordingHeader

from tasks.rooms import RoomStore
from tasks.settings import Settings
from tests.support.rooms import open_some_room

KEY, SECRET = "key", "a-secret-that-is-long-enough-for-hs256"
RATE = 48000
PREFIX = "/observability"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


def token(*, write: bool = True, secret: str = SECRET, key: str = KEY, seconds: float = 60.0) -> str:
    grants = api.ObservabilityGrants(write=write)
    made = api.AccessToken(key, secret).with_observability_grants(grants).with_ttl(dt.timedelta(seconds=seconds))
    return made.to_jwt()


def ogg(seconds: float, *, tone: int = 440) -> bytes:
    """A stereo OGG Opus file, as the SDK makes one."""
    target = io.BytesIO()
    with av.open(target, mode="w", format="ogg") as container:
        stream: Any = container.add_stream("libopus", rate=RATE, layout="stereo")
        wave = np.sin(np.arange(int(seconds * RATE)) * tone * 2 * np.pi / RATE).astype(np.float32) / 4
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return target.getvalue()


def header(job: str, *, summary: str = "{}", began_ms: int = 1_790_000_000_000) -> bytes:
    message = MetricsRecordingHeader(room_id=job.partition(":")[0], job_id=job, session_summary=summary)
    message.start_time.FromMilliseconds(began_ms)
    return message.SerializeToString()


def stored_files(settings: Settings) -> list[Path]:
    folder = Path(settings.recordings.url.removeprefix("file://"))
    return [path for path in folder.rglob("*") if path.is_file()]


@dataclass
class Sender:
    session: aiohttp.ClientSession
    rooms: RoomStore
    url: str
    client: dict[str, str] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int, rooms: RoomStore) -> AsyncIterator[Self]:
        async with aiohttp.ClientSession() as session:
            yield cls(session, rooms, f"http://127.0.0.1:{port}")

    async def room(self, tenant: str) -> str:
        """Open a room of the tenant's, claim it, and return the job of its first attempt."""
        sid = f"RM_{uuid.uuid4().hex[:12]}"
        now_ms = int(time.time() * 1000)
        await open_some_room(self.rooms, sid, tenant=tenant, started_at_ms=now_ms, received_at_ms=now_ms)
        await self.rooms.claim(sid, 1, claimant="test", worker="premium@host", pid=1, version="0.1.0")
        return f"{sid}:1"

    async def upload_report(self, job: str, chat: ChatContext, audio: Path | None, *, tagger: Tagger) -> None:
        """Upload a session's report with the SDK's own code."""
        session: AgentSession[None] = AgentSession(turn_detection="manual")
        session.options.recording_options.update({"audio": audio is not None, "transcript": True})
        report = SessionReport(
            job_id=job,
            room_id=job.partition(":")[0],
            room="call-acme-1",
            options=session.options,
            events=[],
            chat_history=chat,
            audio_recording_path=audio,
            audio_recording_started_at=1_790_000_000.0 if audio else None,
            started_at=1_790_000_000.0,
        )
        await traces._upload_session_report(
            agent_name="", observability_url=self.url, report=report, tagger=tagger, http_session=self.session
        )

    async def post(
        self, path: str, body: Any, *, authorization: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post anything."""
        sent = {"Authorization": f"Bearer {token()}" if authorization is None else authorization, **(headers or {})}
        async with self.session.post(f"{self.url}{PREFIX}{path}", data=body, headers=sent) as response:
            return Answer(response.status, await response.read())

    async def post_parts(self, *parts: tuple[str, Any]) -> Answer:
        """Post a multipart body of these parts."""
        with aiohttp.MultipartWriter("form-data") as writer:
            for name, content in parts:
                writer.append(content).set_content_disposition("form-data", name=name, filename=name)
        return await self.post("/recordings/v0", writer, headers={"Content-Type": writer.content_type})
