"""`python -m ops.setup.packages FILE`: install locked packages into this environment with uv, as pip is configured.

uv installs in seconds for which pip takes minutes, but reads none of pip's configuration. A machine whose pip is told
of a mirror would download from elsewhere, or not at all, so pip's settings are handed on to uv, unless uv has its own.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Where PYTHONDONTWRITEBYTECODE is set, as in many images, each process would compile what it imports: 2 s of CPU.
OPTIONS = ("--python", sys.executable, "--compile-bytecode")
# pip's setting -> uv's environment variable, and the separator of its values.
# https://pip.pypa.io/en/stable/cli/pip_install/ and https://docs.astral.sh/uv/reference/environment/
HANDED_ON = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
}


def uv_environment(env: Mapping[str, str], pip_settings: Mapping[str, str]) -> dict[str, str]:
    """Return `env` with pip's settings as uv's variables, where these are not set.

    `pip_settings`: names with their section, as pip prints them: `global.index-url`. The environment counts before the
    section of `pip install`, and that before the global one.
    """
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for name, value in pip_settings.items():
            if name.startswith(section):
                found[name.removeprefix(section)] = value
    handed_on = {}
    for name, (variable, separator) in HANDED_ON.items():
        values = found.get(name, "").split()
        if name == "find-links":
            # pip passes over a folder that does not exist; uv would end with an error.
            values = [value for value in values if "://" in value or Path(value).exists()]
        if values:
            handed_on[variable] = separator.join(values)
    return handed_on | dict(env)


def pip_settings() -> dict[str, str]:
    """Return pip's configuration of this user, environment and machine, as `pip config list` prints it."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    settings = (line.partition("=") for line in printed.splitlines())
    return {name: str(ast.literal_eval(value)) for name, _, value in settings if value}


def main() -> int:
    """Install, and return uv's exit code."""
    command = [str(Path(sys.executable).parent / "uv"), "pip", "install", *OPTIONS, *sys.argv[1:]]
    return subprocess.run(command, env=uv_environment(os.environ, pip_settings()), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
