"""TwiML: the instructions that Twilio gets for a call."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

RETRY_SECONDS = 3

NOT_IN_SERVICE = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject/></Response>'
"""The caller hears that the number is not in service; the call is not answered and costs nothing."""

BUSY = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason="busy"/></Response>'


def dial(uri: str, *, username: str | None, password: str | None) -> str:
    """Return TwiML that connects the call to a SIP address. The caller hears it ring until it is answered there."""
    credentials = {"username": username, "password": password}
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in credentials.items() if value)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Dial answerOnBridge="true">'
        f"<Sip{attributes}>{escape(uri)}</Sip></Dial></Response>"
    )


def retry(url: str) -> str:
    """Return TwiML that makes Twilio request the URL after a pause.

    The caller hears it ring on: if a pause is the first instruction, Twilio answers only after it.
    """
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Response><Pause length="{RETRY_SECONDS}"/>'
        f'<Redirect method="POST">{escape(url)}</Redirect></Response>'
    )
