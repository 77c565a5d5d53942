"""The HTTP clients inside the plugins of OpenAI and Anthropic."""

from __future__ import annotations

from typing import Any, TypeVar, cast

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
