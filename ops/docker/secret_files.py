"""`python -m ops.docker.secret_files FOLDER`: random secrets for docker-compose.yml, one in each file.

A file that is there already is never written again, so that it can be run after an update that brings a new one.
"""

from __future__ import annotations

import base64
import secrets
import stat
import sys
from pathlib import Path

from ops.setup.errors import SetupError

# As in docker-compose.yml and ops/livekit/livekit.yaml.
LIVEKIT_API_KEY = "switchboard"

# A container's user is another than the host's, and has to read what is given to it: the folder keeps others out.
READABLE = 0o444
# livekit-server refuses one that others may read; in its container it is root.
LIVEKIT_KEYS = 0o400


def write(folder: Path) -> list[Path]:
    """Make the folder and the files in it that are missing, and return those.

    Raises a SetupError when other users of this machine may look into the folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SetupError(f"Other users of this machine may look into {folder}. Close it first: chmod 700 {folder}")
    written: list[Path] = []

    def keep(name: str, content: str, mode: int = READABLE) -> str:
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(f"{content}\n", encoding="utf-8")
            path.chmod(mode)
            written.append(path)
        return path.read_text(encoding="utf-8").strip()

    livekit = keep("livekit_api_secret", secrets.token_urlsafe(32))
    keep("livekit_keys", f"{LIVEKIT_API_KEY}: {livekit}", LIVEKIT_KEYS)
    redis = keep("redis_password", secrets.token_urlsafe(32))
    keep("redis_auth", f"requirepass {redis}")
    keep("redis_url", f"redis://:{redis}@redis:6379/0")
    keep("flower_password", secrets.token_urlsafe(16))
    keep("flower_cookie_secret", secrets.token_urlsafe(48))
    keep("encryption_keys", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"))
    return written


def main() -> int:
    """Write them, and say which. 0, or 1 with the reason."""
    if len(sys.argv) != len(("program", "folder")):
        sys.stderr.write("usage: python -m ops.docker.secret_files FOLDER\n")
        return 2
    try:
        written = write(Path(sys.argv[1]))
    except (SetupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print("\n".join(f"wrote {path}" for path in written) or "everything was there already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
