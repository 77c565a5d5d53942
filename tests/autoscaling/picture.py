"""The chart of a rehearsal, as PNG: demand and pods over the time, and below them each call's wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.autoscaling.result import Result, Sample

WIDTH, TOP_HEIGHT, BOTTOM_HEIGHT = 1200, 420, 190
LEFT, RIGHT, MARGIN, BETWEEN = 70, 30, 60, 70
TEXT = 16
INK, PAPER, GRID = "#202428", "#ffffff", "#e3e6e9"
CALLS, CAPACITY, STARTING, DRAINING, AWAY = "#1f77b4", "#2ca02c", "#b7deb7", "#d9822b", "#f3efe2"
HANDED_OVER = "#9467bd"
MINUTE = 60.0
SHORTEST = 0.001


class _Panel:
    """An area with a scale of its own for y; x is the time."""

    def __init__(self, pen: ImageDraw.ImageDraw, top: int, height: int, seconds: float, highest: float) -> None:
        self.pen = pen
        self.top, self.bottom = top, top + height
        self._seconds, self._highest = seconds, highest

    def x(self, at: float) -> float:
        """Return the pixel of a time."""
        return LEFT + at / self._seconds * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.bottom - value / self._highest * (self.bottom - self.top)

    def steps(self, samples: Iterable[Sample], value: Callable[[Sample], float], colour: str, width: int = 2) -> None:
        """Draw a line that keeps each value until the next sample."""
        points: list[tuple[float, float]] = []
        for sample in samples:
            if points:
                points.append((self.x(sample.at), points[-1][1]))
            points.append((self.x(sample.at), self.y(value(sample))))
        self.pen.line(points, fill=colour, width=width)


def draw(result: Result, path: Path) -> None:
    """Write the chart."""
    image = Image.new("RGB", (WIDTH, MARGIN + TOP_HEIGHT + BETWEEN + BOTTOM_HEIGHT + MARGIN), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT)
    seconds = result.samples[-1].at
    capacity = max((sample.ready + sample.draining) * result.slots for sample in result.samples)
    top = _Panel(pen, MARGIN, TOP_HEIGHT, seconds, capacity + 1)
    bottom = _Panel(pen, MARGIN + TOP_HEIGHT + BETWEEN, BOTTOM_HEIGHT, seconds, _scale(result))
    for panel in (top, bottom):
        pen.rectangle((panel.x(result.outage[0]), panel.top, panel.x(result.outage[1]), panel.bottom), fill=AWAY)
    for minute in range(int(seconds // MINUTE) + 1):
        for panel in (top, bottom):
            pen.line((top.x(minute * MINUTE), panel.top, top.x(minute * MINUTE), panel.bottom), fill=GRID)
        pen.text((top.x(minute * MINUTE), bottom.bottom + 8), f"{minute} min", INK, font, anchor="mt")
    for calls in range(0, capacity + 1, 2):
        pen.line((LEFT, top.y(calls), WIDTH - RIGHT, top.y(calls)), fill=GRID)
        pen.text((LEFT - 8, top.y(calls)), str(calls), INK, font, anchor="rm")
    _pods(top, result)
    top.steps(result.samples, lambda sample: sample.callers, CALLS, width=3)
    _legend(
        pen,
        font,
        MARGIN - 30,
        (
            (CALLS, "callers"),
            (CAPACITY, f"slots of pods that are up ({result.slots} each)"),
            (STARTING, "of pods that start"),
            (DRAINING, "of pods that drain"),
            (AWAY, "exporter away"),
        ),
    )
    _waits(bottom, result, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def _pods(panel: _Panel, result: Result) -> None:
    slots = result.slots
    panel.steps(result.samples, lambda sample: max(sample.wanted, sample.ready) * slots, STARTING)
    panel.steps(result.samples, lambda sample: (sample.ready + sample.draining) * slots, DRAINING)
    panel.steps(result.samples, lambda sample: sample.ready * slots, CAPACITY, width=3)


def _waits(panel: _Panel, result: Result, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> None:
    highest = _scale(result)
    for seconds in (0.0, highest / 2, highest):
        panel.pen.line((LEFT, panel.y(seconds), WIDTH - RIGHT, panel.y(seconds)), fill=GRID)
        panel.pen.text((LEFT - 8, panel.y(seconds)), f"{seconds:g} s", INK, font, anchor="rm")
    promised = panel.y(result.promise_seconds)
    panel.pen.line((LEFT, promised, WIDTH - RIGHT, promised), fill=DRAINING, width=2)
    for wait in result.waits:
        x, y = panel.x(max(0.0, wait.queued)), panel.y(max(wait.seconds, SHORTEST))
        colour = CALLS if wait.attempt == 1 else HANDED_OVER
        panel.pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
    legend = (
        (CALLS, "wait of a call, from its queue to its worker"),
        (HANDED_OVER, "of a call that was handed over"),
        (DRAINING, f"promise: {result.promise_seconds:g} s"),
    )
    _legend(panel.pen, font, panel.top - 30, legend)


def _scale(result: Result) -> float:
    longest = max([result.promise_seconds, *(wait.seconds for wait in result.waits)])
    return float(-(-longest * 1.1 // 1))


def _legend(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    top: int,
    entries: Sequence[tuple[str, str]],
) -> None:
    left = float(LEFT)
    for colour, text in entries:
        pen.rectangle((left, top, left + 14, top + 14), fill=colour, outline=INK)
        pen.text((left + 20, top + 7), text, INK, font, anchor="lm")
        left += 20 + font.getlength(text) + 24
