from __future__ import annotations

import pytest

from tasks.tracing import TraceParent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_valid_header_is_read_and_written_back() -> None:
    parent = TraceParent.parse(f"00-{TRACE}-{SPAN}-01")
    assert parent is not None
    assert (parent.trace_hex, parent.sampled, str(parent)) == (TRACE, True, f"00-{TRACE}-{SPAN}-01")


@pytest.mark.parametrize("text", [f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-02"])
def test_a_trace_that_is_not_sampled_stays_so(text: str) -> None:
    parent = TraceParent.parse(text)
    assert parent is not None
    assert not parent.sampled


def test_a_later_version_may_have_more_parts() -> None:
    assert TraceParent.parse(f"cc-{TRACE}-{SPAN}-01-what-comes-later") is not None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\nx-evil: 1",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01" * 1000,
    ],
)
def test_what_is_not_valid_counts_as_missing(text: str | None) -> None:
    assert TraceParent.parse(text) is None
