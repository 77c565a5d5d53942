"""`python -m ops.docker.http_check URL`: a health check that exits with 0 on status 200. The image has no curl."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Send the request. Return 0 on status 200, else 1 with the reason on stderr."""
    url = urlsplit(sys.argv[1])
    connection = HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", url.path)
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


if __name__ == "__main__":
    sys.exit(main())
