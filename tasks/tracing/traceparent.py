"""The context of a span, as W3C's header `traceparent` has it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORMAT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(-.*)?"
)
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The context of a span. `sampled`: it is exported, and its children are to be."""

    trace_id: int
    span_id: int
    sampled: bool

    @classmethod
    def parse(cls, text: str | None) -> TraceParent | None:
        """Return the context of a header, None if it is not valid. It may come from a stranger."""
        matched = _FORMAT.fullmatch(text.strip()) if text else None
        if matched is None or matched["version"] == "ff" or (matched["version"] == "00" and matched[5]):
            return None
        trace_id, span_id = int(matched["trace"], 16), int(matched["span"], 16)
        if not trace_id or not span_id:
            return None
        return cls(trace_id, span_id, sampled=bool(int(matched["flags"], 16) & _SAMPLED))

    @property
    def trace_hex(self) -> str:
        """The trace's id as logs and trace viewers write it."""
        return f"{self.trace_id:032x}"

    def __str__(self) -> str:
        return f"00-{self.trace_hex}-{self.span_id:016x}-{int(self.sampled):02x}"
