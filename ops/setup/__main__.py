"""`python -m ops.setup`: provide the servers that the demo and the tests start."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Never

from ops.setup import SetupError, StderrProgress, livekit_server, redis_server


def _terminated(number: int, _: FrameType | None) -> Never:
    # As an exception, so that a running build is ended on the way out.
    sys.exit(128 + number)


def main() -> int:
    """Provide the missing servers, with progress on stderr. Return 0, or 1 after printing the reason."""
    signal.signal(signal.SIGTERM, _terminated)
    progress = StderrProgress()
    try:
        redis_server(progress)
        livekit_server(progress)
    except SetupError as error:
        progress.say(str(error))
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
