"""`switchboard calls erase`: the command line, and the command."""

from __future__ import annotations

import sys

import click


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
        erased = asyncio.run(_erase(sid, number))
    except SwitchboardError as error:
        print(error, file=sys.stderr)
        return 1
    for line in erased:
        print(line)
    print(f"{len(erased)} erased" if erased else "no such call")
    return 0


async def _erase(sid: str | None, number: str | None) -> list[str]:
    from ops.console.recordings.deletion import Deletion  # noqa: PLC0415 - as above
    from ops.console.recordings.erasure import Erasure  # noqa: PLC0415
    from ops.console.recordings.object_store import ObjectStore  # noqa: PLC0415
    from tasks.records import Database  # noqa: PLC0415
    from tasks.redis_client import connect  # noqa: PLC0415
    from tasks.settings import DatabaseSettings, RecordingSettings, RedisSettings  # noqa: PLC0415

    objects = ObjectStore(RecordingSettings.read().url)
    async with connect(RedisSettings.read()) as redis, Database.open(DatabaseSettings.read()) as database:
        calls = await Erasure(database, Deletion(database, objects), redis).erase(sid=sid, number=number)
    return [
        f"{call.sid}: {'recordings and ' if call.recorded else ''}traces of the caller erased"
        for call in calls
        if call.known or call.recorded
    ]
