"""The errors between a webhook and a call.

The docstring of each error is its message; `retryable` says whether another attempt can help, and `of_worker` whether
another worker may succeed where this one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class SwitchboardError(Exception):
    """Something went wrong."""

    retryable: ClassVar[bool] = False
    of_worker: ClassVar[bool] = False

    def __init__(self, **fields: object) -> None:
        template = " ".join((type(self).__doc__ or "").split())
        super().__init__(template.format(**fields))


class RedisUnavailable(SwitchboardError):
    """Redis did not answer within {seconds} s ({error}). Check REDIS_URL and that the server is up."""

    retryable = True


class InvalidSetting(SwitchboardError):
    """{name} = {value!r} is not usable: {cure}."""

    of_worker = True

    def __init__(self, *, name: str, value: object, cure: object) -> None:
        super().__init__(name=name, value=value, cure=cure)
        self.name = name


class InvalidSettings(InvalidSetting):
    """Settings are not usable. The message has a line for each."""

    def __init__(self, problems: Sequence[InvalidSetting]) -> None:
        # Past the template: each problem is a message already, and may have braces in it.
        Exception.__init__(self, "\n".join(map(str, problems)))
        self.problems = tuple(problems)
        self.name = problems[0].name


class NoTenant(SwitchboardError):
    """The room names no tenant: {metadata}, and its name is not call-<tenant>-<id>.

    Put {{"tenant_id": "…"}} into the room's metadata, or set SWITCHBOARD_DEFAULT_TENANT.
    """


class UnknownTenant(SwitchboardError):
    """There is no tenant {tenant!r}. Declare it in a [tenants.{tenant}] table, and apply: switchboard tenants apply."""


class UnknownNumber(SwitchboardError):
    """No tenant has the number that was called. Add it, in E.164, to the `numbers` of one."""


class TenantInvalid(SwitchboardError):
    """Tenant {tenant!r} cannot be used: {problem}."""


class KeyUnreadable(SwitchboardError):
    """Tenant {tenant!r}, {field}: {problem}."""

    of_worker = True


class KeySourceUnavailable(SwitchboardError):
    """Tenant {tenant!r}, {field}: the key source did not answer within {seconds} s ({error})."""

    retryable = True


class TenantsBusy(SwitchboardError):
    """Another process changed the tenants meanwhile, {tries} times in a row. Nothing was changed here; try again."""

    retryable = True
