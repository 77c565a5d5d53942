"""Reply times."""

from __future__ import annotations

from tests.bench.conversation import Reply
from tests.bench.figures.reply import reply_ms


def test_a_question_without_a_reply_has_no_time() -> None:
    replies = [
        Reply(at=1.0, seconds=0.5, length=1.0, calls=1),
        Reply(at=2.0, seconds=float("inf"), length=0.0, calls=1),
    ]
    assert reply_ms(replies) == [500.0, None]
