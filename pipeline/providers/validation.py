"""Everything that can be known about a provider's options without a connection, and without the key's value."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from pipeline.errors import ExtraMissing, InvalidProviderOption, MissingKey
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import Kind, OwnOptions
from pipeline.providers.registry import Key, Provider, find


def check(kind: Kind, options: ProviderOptions) -> None:
    """Refuse what could not be built. `api_key` may be any Secret; that there is one is all that counts.

    Imports no plugin, so that an operator's command is quick. Raises UnknownProvider, MissingKey,
    InvalidProviderOption, or ExtraMissing if the provider's plugin is not installed here; of `fallbacks`, too.
    """
    checked(kind, options)
    for fallback in options.fallbacks:
        if fallback.fallbacks:
            raise InvalidProviderOption(
                kind=kind,
                name=fallback.name,
                field="fallbacks",
                value=tuple(each.name for each in fallback.fallbacks),
                cure="a fallback has none of its own; write them one after another",
            )
        checked(kind, fallback)


def checked(kind: Kind, options: ProviderOptions) -> tuple[Provider, OwnOptions]:
    """The same without the fallbacks, and what it has found: the provider, and its own options."""
    provider = find(kind, options.name)
    _check_key(provider, options)
    _check_common(provider, options)
    own: OwnOptions = getattr(import_module(provider.module), f"check_{kind}")(options)
    if not is_installed(provider):
        raise ExtraMissing(kind=kind, name=provider.name, extra=provider.extra)
    return provider, own


def is_installed(provider: Provider) -> bool:
    """Whether the plugin that it needs is here. Does not import it."""
    try:
        return provider.plugin is None or find_spec(provider.plugin) is not None
    except ModuleNotFoundError:
        return False


def _check_common(provider: Provider, options: ProviderOptions) -> None:
    for field in ("model", "voice", "language", "base_url"):
        value = getattr(options, field)
        if value is not None and field not in provider.takes:
            takes = ", ".join(sorted(provider.takes)) or "none"
            raise InvalidProviderOption(
                kind=provider.kind,
                name=provider.name,
                field=field,
                value=value,
                cure=f"leave it out; of the common options it takes {takes}",
            )


def _check_key(provider: Provider, options: ProviderOptions) -> None:
    if options.api_key is not None:
        if provider.key is Key.NEVER:
            raise InvalidProviderOption(
                kind=provider.kind,
                name=provider.name,
                field="key",
                value=options.api_key,
                cure="leave it out; this provider works without one",
            )
    elif provider.key is Key.ALWAYS or (provider.key is Key.UNLESS_BASE_URL and options.base_url is None):
        raise MissingKey(kind=provider.kind, name=provider.name)
