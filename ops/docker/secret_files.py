"""`python -m ops.docker.secret_files FOLDER`: random secrets for docker-compose.yml, one in each file.

Existing secrets are never overwritten, so that it can be run again after an update that needs one more. `redis_users`
and `livekit.yaml` are no secrets of their own: they are written again from redis_users.conf, from
ops/livekit/livekit.yaml, and from the passwords.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ops.console.sign_in.password import PasswordHash
from ops.setup.errors import SetupError

# As in docker-compose.yml and ops/livekit/livekit.yaml.
LIVEKIT_API_KEY = "switchboard"

REDIS_USERS = (
    *("receiver", "worker", "background", "flower", "console"),
    *("exporter", "probe", "records", "tenants", "operator"),
)
"""The users of redis_users.conf that have a URL with their password."""

LIVEKIT_REDIS_USER = "livekit"
"""The user of LiveKit's own server, which has its password in its configuration."""

# Readable for the container's user, who is not the host's. The folder's mode keeps the host's other users out.
READABLE = 0o444
# livekit-server refuses a key file that others may read. In its container it runs as root.
LIVEKIT_KEYS = 0o400


def write(folder: Path) -> list[Path]:
    """Create the folder and its missing files. Return the files that were written.

    Raises SetupError if other users of this machine may read the folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SetupError(f"Other users of this machine may read {folder}. Close it first: chmod 700 {folder}")
    written: list[Path] = []

    def write_once(name: str, content: str, mode: int = READABLE) -> str:
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(f"{content}\n", encoding="utf-8")
            path.chmod(mode)
            written.append(path)
        return path.read_text(encoding="utf-8").strip()

    livekit = write_once("livekit_api_secret", secrets.token_urlsafe(32))
    write_once("livekit_keys", f"{LIVEKIT_API_KEY}: {livekit}", LIVEKIT_KEYS)
    passwords = {}
    for user in REDIS_USERS:
        url = write_once(f"redis_url_{user}", f"redis://{user}:{secrets.token_urlsafe(32)}@redis:6379/0")
        passwords[user] = unquote(urlsplit(url).password or "")
    password = write_once("redis_password_livekit", secrets.token_urlsafe(32))

    def write_again(name: str, content: str) -> None:
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_text(content, encoding="utf-8")
            path.chmod(READABLE)
            written.append(path)

    write_again("redis_users", _redis_users(passwords | {LIVEKIT_REDIS_USER: password}))
    write_again("livekit.yaml", _livekit_configuration(password))
    write_once("flower_password", secrets.token_urlsafe(16))
    write_once("grafana_password", secrets.token_urlsafe(16))
    write_once("flower_cookie_secret", secrets.token_urlsafe(48))
    # Random until the operator replaces it by the one of the single sign-on's provider. Compose wants a file to mount.
    write_once("flower_client_secret", secrets.token_urlsafe(32))
    # A file of SQLite on the volume, until the operator writes the URL of a PostgreSQL server here.
    console = write_once("console_password", secrets.token_urlsafe(16))
    write_once("console_operators", f"operator:operate+listen:{PasswordHash.of(console)}")
    write_once("database_url", "sqlite:////var/lib/switchboard/records.db")
    write_once("encryption_keys", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"))
    return written


def _redis_users(passwords: Mapping[str, str]) -> str:
    """Return the users of redis_users.conf with the hashes of their passwords."""
    lines = []
    for line in Path(__file__).with_name("redis_users.conf").read_text(encoding="utf-8").splitlines():
        name = line.split()[1] if line.startswith("user ") else ""
        if name in passwords:
            lines.append(f"{line} #{hashlib.sha256(passwords[name].encode()).hexdigest()}")
        elif name:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _livekit_configuration(password: str) -> str:
    file = Path(__file__).parents[1] / "livekit" / "livekit.yaml"
    return file.read_text(encoding="utf-8").replace("${REDIS_PASSWORD}", password)


def main() -> int:
    """Write the missing files and print their paths. Return 0, or 1 with the reason on stderr."""
    if len(sys.argv) != len(("program", "folder")):
        sys.stderr.write("usage: python -m ops.docker.secret_files FOLDER\n")
        return 2
    try:
        written = write(Path(sys.argv[1]))
    except (SetupError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print("\n".join(f"wrote {path}" for path in written) or "all files exist already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
