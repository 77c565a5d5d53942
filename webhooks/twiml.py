"""TwiML: the instructions that Twilio gets for a call."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

RETRY_SECONDS = 3

NOT_IN_SERVICE = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject/></Response>'
"""The caller hears that the number is not in service; the call is not answered and costs nothing."""

HANG_UP = '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'

BUSY = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason="busy"/></Response>'


def say(text: str) -> str:
    """Return TwiML that answers the call, says a text, and hangs up."""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response><Say>{escape(text)}</Say><Hangup/></Response>'


def dial(uri: str, *, username: str | None, password: str | None, timeout_seconds: int, action: str) -> str:
    """Return TwiML that connects the call to a SIP address. The caller hears it ring until it is answered there.

    After `timeout_seconds` without an answer, and when the call there has ended, Twilio requests the URL `action`.
    """
    credentials = {"username": username, "password": password}
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in credentials.items() if value)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response>'
        f'<Dial answerOnBridge="true" timeout="{timeout_seconds}" action={quoteattr(action)} method="POST">'
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
