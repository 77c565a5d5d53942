"""One cheap request to each provider, by which it accepts or refuses a key. It costs nothing and makes no audio.

Each address is one at which the provider refuses a wrong key. What it answers with 404, as a server of your own may,
says that it is reached, and nothing of the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from urllib.parse import urljoin, urlsplit

from pipeline.options import Kind
from pipeline.providers.registry import find_provider

BEARER, TOKEN = "Bearer ", "Token "
WITHOUT_BASE_URL = {("stt", "google"): "https://speech.googleapis.com"}


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A GET that a provider answers to a right key alone.

    `path`: after the base URL, or from the root of its host if it begins with a slash. `header`: of the key, after
    `scheme`.
    """

    path: str
    header: str = "Authorization"
    scheme: str = BEARER
    more: Mapping[str, str] = field(default_factory=dict)


_DEEPGRAM = KeyRequest("/v1/projects", scheme=TOKEN)
KEY_REQUESTS: Mapping[str, KeyRequest] = {
    "anthropic": KeyRequest("v1/models?limit=1", "x-api-key", "", {"anthropic-version": "2023-06-01"}),
    "cartesia": KeyRequest("voices?limit=1", "X-API-Key", "", {"Cartesia-Version": "2024-11-13"}),
    "deepgram": _DEEPGRAM,
    "deepgram-flux": _DEEPGRAM,
    "elevenlabs": KeyRequest("models", "xi-api-key", ""),
    "groq": KeyRequest("models"),
    "openai": KeyRequest("models"),
}
GEMINI = KeyRequest("v1beta/models?pageSize=1", "x-goog-api-key", "")


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """A request to a provider. `has_key`: its answer says whether the key is accepted."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_key: bool = False

    @property
    def host(self) -> str:
        """Host and port, to be shown."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


def request_for(kind: Kind, name: str, base_url: str | None, key: str | None) -> ProviderRequest | None:
    """Return the request for a provider with this key; None if it has no server. Raises UnknownProvider."""
    module = import_module(find_provider(kind, name).module)
    base = base_url or getattr(module, "BASE_URL", None) or WITHOUT_BASE_URL.get((kind, name))
    if base is None:
        return None
    base = f"{_http(base).rstrip('/')}/"
    asked = GEMINI if (kind, name) == ("llm", "google") else KEY_REQUESTS.get(name)
    if asked is None or key is None:
        return ProviderRequest(base)
    headers = {asked.header: f"{asked.scheme}{key}", **asked.more}
    return ProviderRequest(urljoin(base, asked.path), headers, has_key=True)


def _http(url: str) -> str:
    scheme, separated, rest = url.partition("://")
    return f"{ {'ws': 'http', 'wss': 'https'}.get(scheme, scheme) }{separated}{rest}"
