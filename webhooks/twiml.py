"""What Twilio is told to do with a call."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

PAUSE_SECONDS = 3

NOT_IN_SERVICE = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject/></Response>'
"""The caller hears that the number is not in service; the call is not answered and costs nothing."""

BUSY = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason="busy"/></Response>'


def dial(uri: str, *, username: str | None, password: str | None) -> str:
    """Connect the call to a SIP address. The caller hears it ring until it is answered there."""
    credentials = {"username": username, "password": password}
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in credentials.items() if value)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Dial answerOnBridge="true">'
        f"<Sip{attributes}>{escape(uri)}</Sip></Dial></Response>"
    )


def ask_again(url: str) -> str:
    """Ask at the URL what to do, after a pause. Twilio picks up only after one that it is told first: it rings on."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Response><Pause length="{PAUSE_SECONDS}"/>'
        f'<Redirect method="POST">{escape(url)}</Redirect></Response>'
    )
