"""`switchboard calls erase`: the command line, and the command."""

from __future__ import annotations

import os
import pwd
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tasks.records.erasure import Eraser


@click.command(name="erase")
@click.option("--sid", help="The sid of the call's room.")
@click.option("--number", help="The telephone number of a caller, as `switchboard calls list` shows it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(*, sid: str | None, number: str | None, yes: bool) -> None:
    """Erase what was said in a call and who has called: audio, transcript, traces, log lines, number, room's name.

    Of one call by --sid, or of all calls of a caller by --number. The bare record stays, with its times and its usage.
    Nothing of it can be brought back. Reads the settings of the database, the recordings and Redis. The exit status is
    0 if it is erased, else 1, and then it has to be done again.
    """
    if (sid is None) is (number is None):
        raise click.UsageError("name the call by --sid, or the caller by --number")
    if not yes:
        click.confirm(f"Erase {'the call ' + sid if sid else 'all calls of ' + str(number)} for good?", abort=True)
    sys.exit(_run(sid, number))


def _run(sid: str | None, number: str | None) -> int:
    import asyncio  # noqa: PLC0415 - `--help` is printed at once

    from tasks.errors import SwitchboardError  # noqa: PLC0415

    try:
        erased, failed = asyncio.run(_erase(sid, number))
    except SwitchboardError as error:
        print(error, file=sys.stderr)
        return 1
    if failed:
        print(f"{erased} erased, {failed} not: do it again", file=sys.stderr)
        return 1
    print(f"{erased} erased" if erased else "no such call")
    return 0


async def _erase(sid: str | None, number: str | None) -> tuple[int, int]:
    """Erase, print a line for each call, and return how many calls are erased and how many are not."""
    from ops.recordings.deletion import Deletion  # noqa: PLC0415 - as above
    from ops.recordings.erasure import CallNotOver, Erasure  # noqa: PLC0415
    from ops.recordings.object_store import ObjectStore, RecordingUnavailable  # noqa: PLC0415
    from tasks.records import Database  # noqa: PLC0415
    from tasks.redis_client import connect  # noqa: PLC0415
    from tasks.settings import DatabaseSettings, RecordingSettings, RedisSettings  # noqa: PLC0415

    objects = ObjectStore(RecordingSettings.read().url)
    erased = failed = 0
    async with connect(RedisSettings.read()) as redis, Database.open(DatabaseSettings.read()) as database:
        erasure = Erasure(database, Deletion(database, objects), redis)
        sids = [sid] if sid is not None else await erasure.find(str(number))
        eraser = _eraser("" if sid is not None else f"by a number, one of {len(sids)}")
        for each in sids:
            try:
                call = await erasure.erase(each, eraser)
            except (CallNotOver, RecordingUnavailable) as error:
                if sid is not None:
                    raise
                # The others do not wait for this one. Without Redis or the database there are no others.
                print(f"{each}: {error}", file=sys.stderr)
                failed += 1
                continue
            if call is not None:
                erased += 1
                print(f"{each}: {'recordings and ' if call.recorded else ''}traces of the caller erased")
    return erased, failed


def _eraser(detail: str) -> Eraser:
    import socket  # noqa: PLC0415 - as above

    from tasks.records.erasure import Eraser  # noqa: PLC0415

    return Eraser(f"command of {login_name()}", detail, client=socket.gethostname())


def login_name() -> str:
    """Return the name of the user of this process; of one who has become root by sudo, their own.

    LOGNAME and USER are not asked: anybody can set them, for SUDO_USER only root can be believed.
    """
    uid = os.getuid()
    if uid == 0 and (name := os.environ.get("SUDO_USER")):
        return name
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # In a container that runs as a user of no name.
        return f"uid {uid}"
