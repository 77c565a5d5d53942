"""The problem behind a failed request to Redis, and its cure, by what Redis replies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.errors import RedisUnavailable

PERMISSION = "its user may not do this"


@dataclass(frozen=True, slots=True)
class RedisProblem:
    """A problem. `text` follows the word Redis."""

    text: str
    cure: str


# redis-py leaves the code out of some replies, and a script in Redis 6 puts it into the middle of another one.
_PROBLEMS = (
    (
        r"READONLY|read only replica",
        "takes no writes, because it is a replica",
        "let REDIS_URL lead to the master, or name the Sentinels that know it: sentinel://host:26379,host:26379/0",
    ),
    (
        r"OOM|OutOfMemory|used memory",
        "takes no writes, because it has reached its maxmemory",
        "raise maxmemory now (CONFIG SET maxmemory …), and then find out what fills it: redis-cli --bigkeys",
    ),
    (
        r"MISCONF|unable to persist",
        "takes no writes, because it cannot save to its disk",
        "make room on its disk or mend its rights there; Redis' log and INFO persistence say which",
    ),
    (
        r"NOPERM|NoPermission|no permissions",
        PERMISSION,
        "compare the user with the lines of ops/docker/redis_users.conf; ACL LOG names what was refused",
    ),
    (
        r"NOREPLICAS",
        "takes no writes, because it has lost its replicas",
        "bring a replica back (min-replicas-to-write)",
    ),
    (r"MASTERDOWN|BusyLoading|LOADING", "is not ready yet: it loads its data", "wait until it has, and see its log"),
    (r"BUSY ", "is busy with a script that does not end", "SCRIPT KILL, and find out whose script it is"),
    (
        r"Authentication|WRONGPASS|NOAUTH|invalid username|invalid password",
        "refuses the name or the password in REDIS_URL",
        "compare REDIS_URL with the users of Redis; what is special in a password is percent-encoded",
    ),
    (r"max number of clients", "has as many clients as it may have", "raise maxclients, and its limit of open files"),
    (
        r"WRONG_VERSION_NUMBER|wrong version number|record layer failure",
        "does not speak TLS at this port",
        "begin REDIS_URL with redis://, or name the port of Redis' that speaks TLS (tls-port)",
    ),
    (
        r"certificate|SSL",
        "is reached, but its certificate is not accepted",
        "give the authority in REDIS_URL (?ssl_ca_certs=/path), and use the name that is in the certificate",
    ),
    (
        r"no answer|TimeoutError|timed out",
        "does not answer in time",
        "it is stopped, swaps, or is busy with a slow command (SLOWLOG GET); or a firewall drops what is sent to it",
    ),
    (
        r"MasterNotFound",
        "has no master that the Sentinels agree on",
        "look at SENTINEL MASTERS, and at SWITCHBOARD_SENTINEL_MASTER",
    ),
    (
        r"Connection|OSError|refused|gaierror|Name or service",
        "cannot be connected to",
        "start it, or correct the host and the port in REDIS_URL; with TLS the URL begins with rediss://",
    ),
)


def problem_of(failure: RedisUnavailable) -> RedisProblem:
    """Return what the failure means."""
    cause = failure.__cause__
    reply = str(failure) if cause is None else f"{type(cause).__name__}: {cause}"
    for pattern, text, cure in _PROBLEMS:
        if re.search(pattern, reply):
            return RedisProblem(text, cure)
    name = "no answer" if cause is None else type(cause).__name__
    return RedisProblem(f"has failed, with {name}", "see Redis' log")
