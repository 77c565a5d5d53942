"""The options that only one provider knows: a frozen pydantic model each, filled from `ProviderOptions.extra`."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import InvalidProviderOption, MissingKey
from pipeline.options import ProviderOptions

Kind = Literal["stt", "llm", "tts"]


class OwnOptions(BaseModel):
    """What a provider has beyond the options that every provider has."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoOptions(OwnOptions):
    """A provider with no options of its own."""


T = TypeVar("T", bound=OwnOptions)


class Withheld:
    """Stands for a value in an error's message: what nobody asked for may be a key, written in a wrong place."""

    def __repr__(self) -> str:
        return "***"


WITHHELD = Withheld()


def own_options(kind: Kind, options: ProviderOptions, model: type[T]) -> T:
    """The provider's own options, checked. Raises InvalidProviderOption for the first one that is wrong."""
    for field in options.extra:
        if field not in model.model_fields:
            known = ", ".join(sorted(model.model_fields))
            cure = f"there is no such option; the provider's own options are {known}" if known else "it has no options"
            raise InvalidProviderOption(kind=kind, name=options.name, field=field, value=WITHHELD, cure=cure)
    try:
        return model.model_validate(dict(options.extra))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "options"
        cure = first["msg"].removeprefix("Value error, ")
        raise InvalidProviderOption(
            kind=kind, name=options.name, field=field, value=first["input"], cure=cure
        ) from None


def key_of(kind: Kind, options: ProviderOptions) -> str:
    """The key itself, for the provider's client alone. Raises MissingKey."""
    if options.api_key is None:
        raise MissingKey(kind=kind, name=options.name)
    return options.api_key.reveal()
