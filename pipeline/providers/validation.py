"""Validation of a provider's options, without a connection and without the value of its key."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from pipeline.errors import ExtraMissing, MissingKey
from pipeline.options import Kind, ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, invalid_option
from pipeline.providers.registry import KeyRequirement, Provider, find_provider


def validate(kind: Kind, options: ProviderOptions) -> None:
    """Raise an error if the provider, or one of its fallbacks, could not be built from these options.

    `api_key` may be any Secret: only its presence counts. Imports no plugin, so that an operator's command stays quick.
    Raises UnknownProvider, MissingKey, InvalidProviderOption, or ExtraMissing if the plugin is not installed here.
    """
    validated(kind, options)
    for fallback in options.fallbacks:
        if fallback.fallbacks:
            names = tuple(each.name for each in fallback.fallbacks)
            cure = "a fallback has none of its own; write them one after another"
            raise invalid_option(kind, fallback, "fallbacks", names, cure)
        validated(kind, fallback)


def validated(kind: Kind, options: ProviderOptions) -> tuple[Provider, ExtraOptions]:
    """Return the registry's entry and the provider's extra options. Raises what `validate` does; ignores fallbacks."""
    provider = find_provider(kind, options.name)
    _check_key(provider, options)
    _check_common_options(provider, options)
    extra: ExtraOptions = getattr(import_module(provider.module), f"validate_{kind}")(options)
    if not is_installed(provider):
        raise ExtraMissing(kind=kind, name=provider.name, extra=provider.extra)
    return provider, extra


def is_installed(provider: Provider) -> bool:
    """Tell whether the plugin that the provider needs is installed here. Does not import it."""
    try:
        return provider.plugin is None or find_spec(provider.plugin) is not None
    except ModuleNotFoundError:
        return False


def _check_common_options(provider: Provider, options: ProviderOptions) -> None:
    for field in ("model", "voice", "language", "base_url"):
        value = getattr(options, field)
        if value is not None and field not in provider.takes:
            takes = ", ".join(sorted(provider.takes)) or "none"
            cure = f"leave it out; of the common options it takes {takes}"
            raise invalid_option(provider.kind, options, field, value, cure)


def _check_key(provider: Provider, options: ProviderOptions) -> None:
    if options.api_key is not None:
        if provider.key is KeyRequirement.NEVER:
            cure = "leave it out; this provider works without one"
            raise invalid_option(provider.kind, options, "key", options.api_key, cure)
        return
    if provider.key is KeyRequirement.ALWAYS or (
        provider.key is KeyRequirement.UNLESS_BASE_URL and options.base_url is None
    ):
        raise MissingKey(kind=provider.kind, name=provider.name)
