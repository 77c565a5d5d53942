"""A group of settings, read from environment variables.

The value of a variable may instead be given as a file, as container secrets are: with
`LIVEKIT_API_SECRET_FILE=/run/secrets/livekit_api_secret` that file holds `LIVEKIT_API_SECRET`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from tasks.errors import InvalidSetting

Environment = Mapping[str, str]


class Group(BaseModel):
    """A frozen group of settings. The alias of each field is its environment variable."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_alias=True, validate_by_name=True)

    @classmethod
    def read(cls, environment: Environment | None = None) -> Self:
        """Read this group, from the process's environment if none is given. Raises InvalidSetting."""
        values = dict(_values(cls.variables(), os.environ if environment is None else environment))
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _invalid(error) from None

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return the group's fields by their environment variables."""
        return {str(field.validation_alias): field for field in cls.model_fields.values()}


def pairs(text: str, separator: str, *, alone: bool = False) -> dict[str, str]:
    """Parse `a=b,c=d`; with `alone`, `a` stands for `a=a`. Raises ValueError, which does not repeat the text."""
    parsed: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        left, separated, right = item.partition(separator)
        if not left or not (right if separated else alone):
            raise ValueError(f"write it as a{separator}b,c{separator}d")
        parsed[left.strip()] = right.strip() if separated else left.strip()
    return parsed


def _values(variables: Iterable[str], environment: Environment) -> Iterator[tuple[str, str]]:
    for name in variables:
        file = f"{name}_FILE"
        if name in environment:
            yield name, environment[name]
        elif path := environment.get(file):
            try:
                yield name, Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise InvalidSetting(name=file, value=path, cure=error.strerror) from error


def _invalid(error: ValidationError) -> InvalidSetting:
    first = error.errors(include_input=False, include_url=False)[0]
    raised: Any = first.get("ctx", {}).get("error")
    # The value may be a secret, so the message does not repeat it.
    value = "(not set)" if first["type"] == "missing" else "***"
    return InvalidSetting(name=first["loc"][0], value=value, cure=first["msg"] if raised is None else str(raised))
