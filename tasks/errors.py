"""The errors between a webhook and a call.

The docstring of each error is its message; `retryable` says whether another attempt can help, and `counted` whether
that attempt is one of the few that a call has. `of_worker`: another worker may succeed, the same one will not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class SwitchboardError(Exception):
    """Something went wrong."""

    retryable: ClassVar[bool] = False
    counted: ClassVar[bool] = True
    of_worker: ClassVar[bool] = False

    def __init__(self, **fields: object) -> None:
        template = " ".join((type(self).__doc__ or "").split())
        super().__init__(template.format(**fields))

    def __reduce__(self) -> tuple[Any, ...]:
        # Past the constructor, to which the message is no argument. Celery pickles the error of each task, and takes
        # one that it cannot restore for another, which no task `throws`.
        return _unpickled, (type(self), self.args), vars(self)


def _unpickled(kind: type[SwitchboardError], args: tuple[object, ...]) -> SwitchboardError:
    return kind.__new__(kind, *args)


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


class UnknownTenantInName(SwitchboardError):
    """The room's name is call-<tenant>-<id>, and none of these tenants is declared: {tenants}.

    Declare the one that is meant, and apply: switchboard tenants apply.
    """


class UnknownNumber(SwitchboardError):
    """No tenant has the number that was called. Add it, in E.164, to the `numbers` of one."""


class TenantInvalid(SwitchboardError):
    """Tenant {tenant!r} cannot be used: {problem}."""


class TenantNotSigned(SwitchboardError):
    """Tenant {tenant!r}: its record in Redis is not signed with an encryption key that this worker has.

    Give the worker the SWITCHBOARD_ENCRYPTION_KEYS (or, if there are none, the LIVEKIT_API_SECRET) that `switchboard
    tenants apply` had, or apply the tenants file again with the worker's. If these are the same, another program has
    changed the record: find out which.
    """

    of_worker = True


class NoTenantSigned(SwitchboardError):
    """None of the {count} tenants in Redis is signed with an encryption key that this worker has.

    Give it the SWITCHBOARD_ENCRYPTION_KEYS (or, if there are none, the LIVEKIT_API_SECRET) that `switchboard tenants
    apply` had, or apply the tenants file again with the worker's.
    """


class KeyUnreadable(SwitchboardError):
    """Tenant {tenant!r}, {field}: {problem}."""

    of_worker = True


class AgentMetadataUnreadable(SwitchboardError):
    """The agent's metadata of this call cannot be decrypted.

    Give receivers and workers the same LIVEKIT_API_SECRET; while it is replaced, the other in SWITCHBOARD_WEBHOOK_KEYS.
    """


class KeySourceUnavailable(SwitchboardError):
    """Tenant {tenant!r}, {field}: the key source did not answer within {seconds} s ({error})."""

    retryable = True


class TenantsBusy(SwitchboardError):
    """Another process changed the tenants meanwhile, {tries} times in a row. Nothing was changed here; try again."""

    retryable = True
