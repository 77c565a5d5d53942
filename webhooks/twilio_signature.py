"""Whether a request was sent by Twilio, for an account whose auth token is ours.

Twilio signs the URL that it calls, with its query, and behind it the parameters of the form, by name, name and value
without anything between them. Of a parameter that comes several times each different value counts once, in order.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

Form = Sequence[tuple[str, str]]

_PORTS = {"https": 443, "http": 80}


def sign(url: str, form: Form, token: str) -> str:
    """The value of X-Twilio-Signature for a POST of the form to the URL."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_right(signature: str, *, url: str, form: Form, tokens: Sequence[str]) -> bool:
    """Whether one of the auth tokens makes this signature."""
    made = [sign(candidate, form, token) for token in tokens for candidate in _spellings(url)]
    return any(hmac.compare_digest(one.encode(), signature.encode()) for one in made)


def _spellings(url: str) -> Iterator[str]:
    # Twilio does not always sign the port as it was given: the usual one may be there or not, any other may be gone.
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    yield url
    yield parts._replace(netloc=host if parts.port else f"{host}:{_PORTS[parts.scheme]}").geturl()
