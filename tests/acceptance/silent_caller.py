"""`python -m tests.acceptance.silent_caller URL TOKEN`: joins, prints the room's sid, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys

from ops.caller.caller import Caller


async def main(url: str, token: str) -> None:
    async with Caller.call(url, token) as caller:
        sys.stdout.write(f"{caller.room_sid}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
