"""`python -m ops.docker.http_check URL [USER PASSWORD_FILE]`: a health check that exits with 0 on status 200.

The image has no curl. With a user and a file that holds the password, it logs in (HTTP Basic).
"""

from __future__ import annotations

import base64
import sys
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Send the request. Return 0 on status 200, else 1 with the reason on stderr."""
    url = urlsplit(sys.argv[1])
    try:
        headers = _login(*sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"no password: {error}\n")
        return 1
    connection = HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", url.path, headers=headers)
        status = connection.getresponse().status
    except OSError as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        sys.stderr.write(f"answered {status}\n")
        return 1
    return 0


def _login(user: str = "", password_file: str = "") -> dict[str, str]:
    if not user:
        return {}
    password = Path(password_file).read_text(encoding="utf-8").strip()
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


if __name__ == "__main__":
    sys.exit(main())
