"""The report of `switchboard doctor`: a line for each finding, one JSON object, and the exit status."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import IntEnum

from ops.commands.doctor.check import Examined
from ops.commands.doctor.finding import State

MARKS = {State.OK: "ok", State.NOT_CHECKED: "-", State.WARNING: "warning", State.ERROR: "ERROR"}
MARK_WIDTH, NAME_WIDTH = 8, 19
INDENT = " " * (MARK_WIDTH + NAME_WIDTH)


class ExitStatus(IntEnum):
    """The exit status: the higher, the worse, so that wrong usage, which is 2 too, is never taken for good news."""

    OK = 0
    WARNINGS = 1
    """Nothing is wrong, but there are warnings, or something could not be checked."""
    ERRORS = 2


def lines(examined: Examined) -> Iterator[str]:
    """Yield the lines of one check: for each finding its state, its check and its text, and below it the cure."""
    for finding in examined.findings:
        text = f"not checked: {finding.text}" if finding.state is State.NOT_CHECKED else finding.text
        yield f"{MARKS[finding.state]:<{MARK_WIDTH}}{examined.check:<{NAME_WIDTH}}{text}"
        if finding.cure:
            yield f"{INDENT}cure: {finding.cure}"


def summary(all_examined: Sequence[Examined]) -> str:
    """Return the last line: the number of findings of each state."""
    counted = Counter(finding.state for examined in all_examined for finding in examined.findings)
    return ", ".join(f"{counted[state]} {state}" for state in State)


def as_json(all_examined: Sequence[Examined]) -> str:
    """Return one JSON object: the exit status, and a list of all findings."""
    findings = [
        {"check": examined.check, "state": finding.state, "text": finding.text, "cure": finding.cure}
        for examined in all_examined
        for finding in examined.findings
    ]
    return json.dumps({"status": exit_status(all_examined), "findings": findings}, ensure_ascii=False)


def exit_status(all_examined: Sequence[Examined]) -> ExitStatus:
    """Return the exit status."""
    states = {finding.state for examined in all_examined for finding in examined.findings}
    if State.ERROR in states:
        return ExitStatus.ERRORS
    return ExitStatus.OK if states <= {State.OK} else ExitStatus.WARNINGS
