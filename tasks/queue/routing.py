"""The tenant of a room, from its metadata, its name or the number that was called; and names for new rooms."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import unquote

from livekit.protocol import models

from tasks.tenants.tenant import MAX_ID_CHARACTERS

PREFIX: Final = "call-"
MAX_NUMBER_CHARACTERS: Final = 64

TRUNK_ID, RULE_ID, CALLED, CALLER = "sip.trunkID", "sip.ruleID", "sip.trunkPhoneNumber", "sip.phoneNumber"
SIP_ATTRIBUTES: Final = (TRUNK_ID, RULE_ID, CALLED, CALLER)
"""The attributes of a participant that `called_number` and `caller_number` read. LiveKit's SIP server sets them."""

_IN_A_NAME = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*")
_RANDOM_BYTES = 8
_SIP = re.compile(r"sips?:(?P<user>[^@;?]+)@.*", re.IGNORECASE)
_DIGITS = re.compile(r"[1-9][0-9]{6,14}")
# As LiveKit's SIP server names a room for each call: prefix, number or its hash, and a random part of 12 characters.
_ROOM_OF_A_RULE = re.compile(r".*_[A-Za-z0-9]{12}")


@dataclass(frozen=True, slots=True)
class RoomMetadata:
    """The entries of a room's metadata that Switchboard reads.

    `number`: the caller's, as a receiver or a backend wrote it into `caller_number`.
    `answered`: False if the room wants no agent of Switchboard's, True if it wants one although its name is one of
    those that are left to others. `problem`: the reason why there is no tenant.
    """

    tenant: str | None = None
    answered: bool | None = None
    problem: str = ""
    number: str = ""

    @classmethod
    def parse(cls, metadata: str) -> RoomMetadata:
        """Parse metadata. It may be anything: the application that uses the room writes it."""
        if not metadata:
            return cls(problem="it has no metadata")
        try:
            # RecursionError: a few thousand brackets.
            content = json.loads(metadata)
        except (ValueError, RecursionError):
            return cls(problem="its metadata is not JSON")
        if not isinstance(content, dict):
            return cls(problem="its metadata is not a JSON object")
        wanted = content.get("switchboard")
        answered = wanted if isinstance(wanted, bool) else None
        caller = content.get("caller_number")
        number = _number(caller) if isinstance(caller, str) else ""
        tenant = content.get("tenant_id")
        if not isinstance(tenant, str) or not _is_id(tenant):
            return cls(answered=answered, problem="its metadata has no tenant_id", number=number)
        return cls(tenant, answered, number=number)


def is_left_to_others(name: str, metadata: RoomMetadata, patterns: Iterable[str]) -> bool:
    """Return whether a room is none of Switchboard's, by its metadata, else by its name."""
    if metadata.answered is not None:
        return not metadata.answered
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def new_room_name(tenant: str) -> str:
    """Return a new room name that contains the tenant: `call-<tenant>-<random>`.

    A tenant id that cannot be part of a room name, or of a SIP address, is left out.
    """
    random = secrets.token_hex(_RANDOM_BYTES)
    return f"{PREFIX}{tenant}-{random}" if _IN_A_NAME.fullmatch(tenant) else f"{PREFIX}{random}"


def tenants_in_name(name: str) -> list[str]:
    """Return the ids that a room's name `call-<tenant>-<id>` may contain, the longest first.

    Tenant and id may both contain dashes, so only the declared tenants can tell where one ends.
    """
    rest = name.removeprefix(PREFIX)
    if rest == name or re.search(r"\s", rest):
        return []
    ends = [index for index, character in enumerate(rest[: MAX_ID_CHARACTERS + 1]) if character == "-"]
    return [rest[:end] for end in reversed(ends) if _is_id(rest[:end]) and len(rest) > end + 1]


def is_named_by_a_rule(name: str) -> bool:
    """Return whether LiveKit's SIP server may have named the room, for a call whose number is not known yet."""
    return _ROOM_OF_A_RULE.fullmatch(name) is not None


def called_number(participant: models.ParticipantInfo) -> str | None:
    """Return the number that a caller by telephone has called, in E.164; None for anybody else.

    Only if a trunk and a dispatch rule have let the call in. A rule without trunks lets in everybody who finds the SIP
    server, and who is called by an agent came through no rule.
    """
    attributes = participant.attributes
    let_in = attributes.get(TRUNK_ID) and attributes.get(RULE_ID)
    if participant.kind != models.ParticipantInfo.Kind.SIP or not let_in:
        return None
    number = e164(attributes.get(CALLED, ""))
    return number if number.startswith("+") else None


def caller_number(participant: models.ParticipantInfo) -> str:
    """Return the telephone number of a participant by telephone, who may be the one that was called, in E.164; "" for anybody else."""
    if participant.kind != models.ParticipantInfo.Kind.SIP:
        return ""
    return _number(participant.attributes.get(CALLER, ""))


def e164(number: str) -> str:
    """Return a number in E.164, from E.164, the user of a SIP address, or either without the plus.

    What is no number is returned as it is.
    """
    match = _SIP.fullmatch(number.strip())
    user = unquote(match["user"]) if match else number.strip()
    return f"+{user}" if _DIGITS.fullmatch(user) else user


def _number(text: str) -> str:
    """Return a number for the records: as it is if it is none in E.164, such as an extension or `anonymous`."""
    number = e164(text)
    return number if len(number) <= MAX_NUMBER_CHARACTERS and number.isprintable() else ""


def _is_id(text: str) -> bool:
    # Redis and logs are written in UTF-8, in which there are no surrogates; the escapes of JSON can make some.
    return 0 < len(text) <= MAX_ID_CHARACTERS and text.isprintable()
