"""Responses with an ETag: a client that polls gets 304 and no body as long as nothing has changed."""

from __future__ import annotations

import hashlib

from fastapi.responses import Response
from pydantic import BaseModel

HEADERS = {"ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}}}
"""The header, as OpenAPI has it."""


def conditional(body: BaseModel, if_none_match: str | None) -> Response:
    """Return the response with this body, or 304 if the client has it already."""
    content = body.model_dump_json().encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # A proxy may keep it for this client alone, and asks each time.
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    # RFC 9110: the comparison is the weak one. A proxy that compresses makes a strong tag a weak one.
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in known or "*" in known
