"""Options that only one provider has: a frozen pydantic model for each, parsed from `ProviderOptions.extra`."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import InvalidProviderOption, MissingKey
from pipeline.options import Kind, ProviderOptions


class ExtraOptions(BaseModel):
    """Base of a provider's extra options, beyond the common ones (`model`, `voice`, `language`, `base_url`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T", bound=ExtraOptions)


class _Redacted:
    """A placeholder for a value in an error's message."""

    def __repr__(self) -> str:
        return "***"


REDACTED = _Redacted()
"""The value of an option that does not exist: it may be a key, written into the wrong entry."""


def parse_extra(kind: Kind, options: ProviderOptions, model: type[T]) -> T:
    """Return the provider's extra options, validated. Raises InvalidProviderOption for the first wrong one."""
    for field in options.extra:
        if field not in model.model_fields:
            known = ", ".join(sorted(model.model_fields))
            cure = f"there is no such option; the provider's own options are {known}"
            raise invalid_option(kind, options, field, REDACTED, cure)
    try:
        return model.model_validate(dict(options.extra))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "options"
        raise invalid_option(kind, options, field, first["input"], message_of(error)) from None


def message_of(error: ValidationError) -> str:
    """Return pydantic's message of the first problem, without its prefix."""
    return error.errors()[0]["msg"].removeprefix("Value error, ")


def invalid_option(
    kind: Kind, options: ProviderOptions, field: str, value: object, cure: object
) -> InvalidProviderOption:
    """Return the error for one option of a provider, ready to raise. `cure`: how to mend it."""
    return InvalidProviderOption(kind=kind, name=options.name, field=field, value=value, cure=cure)


def required_key(kind: Kind, options: ProviderOptions) -> str:
    """Return the key in plain text, for the provider's client alone. Raises MissingKey."""
    if options.api_key is None:
        raise MissingKey(kind=kind, name=options.name)
    return options.api_key.reveal()
