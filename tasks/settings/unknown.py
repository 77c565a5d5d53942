"""Variables of the environment that look like settings and are none: misspelt ones, most often.

They are said and not refused. An environment may be written for a newer version than the process that reads it, as in a
rollback, and Kubernetes adds variables of its own for a service that is called `switchboard`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from tasks.settings.environment import Environment

PREFIX = "SWITCHBOARD_"
SHARED_PREFIXES = ("LIVEKIT_", "REDIS_")
"""Prefixes that other programs have too: of these only a name that is nearly a setting's counts."""
ELSEWHERE = frozenset({"SWITCHBOARD_TENANTS"})
"""Read by the compose file."""
NEAR, VERY_NEAR = 0.75, 0.87

_SERVICE = re.compile(r"SWITCHBOARD_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")


def unknown_variables(environment: Environment, known: AbstractSet[str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like a setting and is none of the known ones."""
    read = {*known, *(f"{name}_FILE" for name in known), *ELSEWHERE}
    for name in sorted(environment.keys() - read):
        if name.startswith(PREFIX) and not _SERVICE.fullmatch(name):
            # Without what they all begin with: it would make any two look alike.
            own = {each.removeprefix(PREFIX): each for each in read if each.startswith(PREFIX)}
            found = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(own), n=1, cutoff=NEAR)
            nearest = [own[each] for each in found]
        elif name.startswith(SHARED_PREFIXES):
            nearest = difflib.get_close_matches(name, sorted(known - environment.keys()), n=1, cutoff=VERY_NEAR)
            if not nearest:
                continue
        else:
            continue
        yield f"{name} is not a setting" + (f"; the nearest is {nearest[0]}" if nearest else "")
