"""Twilio's accounts, each with its auth tokens.

`SWITCHBOARD_TWILIO_AUTH_TOKENS` holds `AC…=token,AC…=token`. An account may have several tokens, which is how they are
replaced. A token signs for its own account only, and an account speaks only for numbers that are its own: those of the
tenants that name it (`twilio_account`), and while there is a single account those of tenants that name none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Self

from tasks.errors import InvalidSetting
from tasks.tenants import Tenant

_SID = re.compile(r"AC[0-9a-fA-F]{32}")


class TwilioAccounts:
    """The accounts of an installation."""

    def __init__(self, tokens: Mapping[str, Sequence[str]]) -> None:
        self._tokens = tokens

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Parse the value of `SWITCHBOARD_TWILIO_AUTH_TOKENS`. Raises InvalidSetting, which does not repeat it."""
        tokens: dict[str, list[str]] = {}
        for item in filter(None, (part.strip() for part in setting.split(","))):
            account, _, token = (part.strip() for part in item.partition("="))
            if not _SID.fullmatch(account) or not token:
                cure = "write it as AC…=token,AC…=token: the SID of each account, and its auth token"
                raise InvalidSetting(name="SWITCHBOARD_TWILIO_AUTH_TOKENS", value="***", cure=cure)
            tokens.setdefault(account, []).append(token)
        return cls(tokens)

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def tokens(self, account: str) -> Sequence[str]:
        """Return the auth tokens of an account; none if it is not one of ours."""
        return self._tokens.get(account, ())

    def owns(self, account: str, tenant: Tenant) -> bool:
        """Return whether the numbers of the tenant are this account's."""
        if tenant.twilio_account is None:
            return len(self._tokens) == 1
        return tenant.twilio_account == account
