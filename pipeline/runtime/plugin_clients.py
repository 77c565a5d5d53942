"""The HTTP clients inside the plugins of OpenAI and Anthropic.

`share_certificates` replaces a function of httpx2, on which both SDKs build. It is private there:
tests/unit/pipeline/runtime/test_plugin_clients.py fails when it moves.
"""

from __future__ import annotations

import functools
import os
import ssl
from typing import Any, TypeVar, cast

from httpx2 import create_ssl_context
from httpx2._transports import default as _transports

T = TypeVar("T")


def ignore_environment(plugin: T) -> T:
    """Remove what the plugin's client took from the environment of the process, and return the plugin.

    OpenAI's SDK adds an organisation and a project, and both SDKs add headers, which may even replace the tenant's key
    (`OPENAI_CUSTOM_HEADERS`, `ANTHROPIC_CUSTOM_HEADERS`). Neither SDK has a way to refuse them, so a client of our own,
    which the plugins would take, has them too.
    """
    client = cast("Any", plugin)._client
    if hasattr(client, "organization"):
        client.organization = client.project = None
    client._custom_headers = {}
    return plugin


def share_certificates() -> None:
    """Have all clients of this process and of its children verify servers with one TLS context, and make it now.

    Each client reads all certificates for itself otherwise, in 20 ms of a call's start and 3 MB.
    """
    vars(_transports)["create_ssl_context"] = _shared_ssl_context
    _shared_ssl_context()


def _shared_ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:  # noqa: FBT001, FBT002 - as the function that it replaces
    if verify is not True or cert is not None:
        return create_ssl_context(verify=verify, cert=cert, trust_env=trust_env)
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]  # noqa: TID251 - what httpx2 reads
    return _ssl_context_for(*named, trust_env)


@functools.cache
def _ssl_context_for(_file: str | None, _directory: str | None, trust_env: bool) -> ssl.SSLContext:  # noqa: FBT001 - a key
    return create_ssl_context(trust_env=trust_env)
