"""Groups of settings, read from environment variables.

The value of a variable may instead be given as a file, as container secrets are: with
`LIVEKIT_API_SECRET_FILE=/run/secrets/livekit_api_secret` that file holds `LIVEKIT_API_SECRET`. Space around a value is
no part of it: secrets are often written with a newline at their end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo

from tasks.errors import InvalidSetting, InvalidSettings

Environment = Mapping[str, str]

LARGEST = 1_000_000_000
"""The largest number of any setting, in its unit: beyond it Redis, timers or memory would fail in a call."""
QUOTES = ("'", '"')


class Group(BaseModel):
    """A frozen group of settings. The alias of each field is its environment variable."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_alias=True, validate_by_name=True, allow_inf_nan=False
    )

    @classmethod
    def read(cls, environment: Environment | None = None) -> Self:
        """Read this group, from the process's environment if none is given. Raises InvalidSettings."""
        values, problems = _values(cls.variables(), os.environ if environment is None else environment)
        try:
            read = cls.model_validate(values)
        except ValidationError as error:
            # A variable whose value could not be taken counts as missing to pydantic.
            found = {problem.name.removesuffix("_FILE") for problem in problems}
            more = [problem for problem in cls._problems(error) if problem.name not in found]
            raise InvalidSettings([*problems, *more]) from None
        if problems:
            raise InvalidSettings(problems)
        return read

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return the group's fields by their environment variables."""
        return {str(field.validation_alias): field for field in cls.model_fields.values()}

    @classmethod
    def _problems(cls, error: ValidationError) -> Iterator[InvalidSetting]:
        """Yield each variable that is not valid, with the cure. A value may be a secret, so none is repeated."""
        named: set[str] = set()
        for problem in error.errors(include_input=False, include_url=False):
            first = str(problem["loc"][0])
            # A default that another variable rules out is known by its field.
            name = str(cls.model_fields[first].validation_alias) if first in cls.model_fields else first
            if name in named:
                continue
            named.add(name)
            raised: Any = problem.get("ctx", {}).get("error")
            if problem["type"] == "missing":
                yield InvalidSetting(name=name, value="(not set)", cure=f"set it, or {name}_FILE")
            else:
                yield InvalidSetting(name=name, value="***", cure=problem["msg"] if raised is None else str(raised))

    @field_validator("*")
    @classmethod
    def _not_too_large(cls, value: object) -> object:
        for number in value.values() if isinstance(value, dict) else [value]:
            if isinstance(number, int | float) and number > LARGEST:
                raise ValueError(f"it is more than {LARGEST:,}")
        return value


def read_groups(groups: Mapping[str, type[Group]], environment: Environment | None = None) -> dict[str, Group]:
    """Read these groups, by their names. Raises InvalidSettings with all that is wrong in any of them."""
    read: dict[str, Group] = {}
    problems: list[InvalidSetting] = []
    for name, group in groups.items():
        try:
            read[name] = group.read(environment)
        except InvalidSettings as error:
            problems += error.problems
    if problems:
        raise InvalidSettings(problems)
    return read


def pairs(text: str, separator: str, *, alone: bool = False) -> dict[str, str]:
    """Parse `a=b,c=d`; with `alone`, `a` stands for `a=a`. Raises ValueError, which does not repeat the text."""
    parsed: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        left, separated, right = (part.strip() for part in item.partition(separator))
        if not left or not (right if separated else alone):
            raise ValueError(f"write it as a{separator}b,c{separator}d")
        if left in parsed:
            raise ValueError("it names one twice")
        parsed[left] = right if separated else left
    return parsed


def _values(
    variables: Mapping[str, FieldInfo], environment: Environment
) -> tuple[dict[str, str], list[InvalidSetting]]:
    """Return the values that are set, by their variables, and the problems of the others."""
    values: dict[str, str] = {}
    problems: list[InvalidSetting] = []
    for name, field in variables.items():
        try:
            value = _value(name, environment)
        except InvalidSetting as error:
            problems.append(error)
            continue
        if value:
            values[name] = value
        elif value == "" and not field.is_required() and not _is_none_when_empty(field):
            cure = "it is empty; without the variable the default holds"
            problems.append(InvalidSetting(name=name, value="", cure=cure))
    return values, problems


def _value(name: str, environment: Environment) -> str | None:
    """Return the value of the variable or of its file, None if neither is set. Raises InvalidSetting."""
    file, value = f"{name}_FILE", environment.get(name)
    if path := environment.get(file):
        if value:
            raise InvalidSetting(name=name, value="***", cure=f"{file} is set too; remove one of the two")
        try:
            value = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            cure = getattr(error, "strerror", None) or "it is not a text file"
            raise InvalidSetting(name=file, value=path, cure=cure) from error
        if not value.strip():
            raise InvalidSetting(name=file, value=path, cure="the file is empty")
    if value is None:
        return None
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES:
        raise InvalidSetting(name=name, value="***", cure="it is in quotes, which an env file keeps; remove them")
    return value


def _is_none_when_empty(field: FieldInfo) -> bool:
    # Only where the default stands for nothing: an empty LIVEKIT_URL is a mistake, an empty list of limits is not.
    required = any(getattr(constraint, "min_length", 0) for constraint in field.metadata)
    return not required and (field.default is None or field.default == {})
