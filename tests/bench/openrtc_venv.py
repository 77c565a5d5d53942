"""OpenRTC in a virtual environment of its own, in the cache folder: it is compared with, and no dependency."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from ops.setup import Progress, SetupError, cache
from ops.setup.packages import pip_settings, uv_environment

VERSION = "0.20.0"
PLUGINS = ("livekit-plugins-deepgram", "livekit-plugins-elevenlabs", "livekit-plugins-openai", "livekit-plugins-silero")
SAME = ("livekit-agents", "livekit", *PLUGINS)
"""Installed in the version of the other sides, so that only the dispatch differs."""
TIMEOUT_SECONDS = 900.0


def openrtc_python(progress: Progress) -> Path:
    """Return the interpreter of the environment, which is made once. Raises SetupError. Blocks."""
    folder = cache.folder() / f"openrtc-{VERSION}-livekit-agents-{metadata.version('livekit-agents')}"
    python, done = folder / "bin" / "python", folder / "complete"
    with cache.only_one(folder.name, progress):
        if not done.exists():
            uv = str(Path(sys.executable).parent / "uv")
            same = [f"{name}=={metadata.version(name)}" for name in SAME]
            _run(uv, "venv", "--clear", "--python", sys.executable, str(folder))
            _run(uv, "pip", "install", "--python", str(python), f"openrtc[livekit]=={VERSION}", *same)
            done.touch()
    return python


def _run(*command: str) -> None:
    env = uv_environment(os.environ, pip_settings())
    try:
        subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except OSError as error:
        raise SetupError(f"OpenRTC could not be installed: {error}") from error
    except subprocess.CalledProcessError as error:
        raise SetupError(f"OpenRTC could not be installed: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"OpenRTC was not installed within {TIMEOUT_SECONDS:g} s: {error}") from error
