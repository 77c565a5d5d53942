"""Verification that a request was sent by Twilio, for an account whose auth token is ours.

Twilio signs the URL that it requests, including the query, followed by the parameters of the form: sorted by name, name
and value without a separator. If a parameter has several values, each different value is included once, in order.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

Form = Sequence[tuple[str, str]]

_SHA1_BYTES = 20
_PORTS = {"https": 443, "http": 80}


def sign(url: str, form: Form, token: str) -> str:
    """Return the X-Twilio-Signature of a POST of the form to the URL."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_well_formed(signature: str) -> bool:
    """Return whether this may be a signature: a SHA-1 in base64."""
    try:
        return len(base64.b64decode(signature, validate=True)) == _SHA1_BYTES
    except ValueError:
        return False


def is_valid(signature: str, *, url: str, form: Form, tokens: Sequence[str]) -> bool:
    """Return whether the signature was made with one of the auth tokens."""
    expected = [sign(variant, form, token) for token in tokens for variant in _url_variants(url)]
    return any(hmac.compare_digest(each.encode(), signature.encode()) for each in expected)


def _url_variants(url: str) -> Iterator[str]:
    # Twilio may sign a URL with another port than it was given: the scheme's default port may be added or removed, and
    # any other port may be removed.
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    yield url
    yield parts._replace(netloc=host if parts.port else f"{host}:{_PORTS[parts.scheme]}").geturl()
