"""A bar chart, as PNG, of the rows that have two numbers and a goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.bench.report import number
from tests.bench.row import Row

WIDTH = 1200
MARGIN = 30
LABEL_WIDTH = 560
BAR = 18
ROW = 2 * BAR + 22
TEXT = 16
OURS, BUILTIN, INK, PAPER = "#1f77b4", "#b0b7bf", "#202428", "#ffffff"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the chart. The longer bar of each row has the full width."""
    charted = [row for row in rows if row.goal and row.ours is not None and row.builtin is not None]
    image = Image.new("RGB", (WIDTH, 2 * MARGIN + ROW * (len(charted) + 1)), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT)
    _legend(pen, font)
    for position, row in enumerate(charted, start=1):
        top = MARGIN + position * ROW
        pen.text((MARGIN, top + BAR), _shorten(row.figure, font), INK, font, anchor="lm")
        longest = max(row.ours or 0.0, row.builtin or 0.0) or 1.0
        for line, (value, colour) in enumerate(((row.ours, OURS), (row.builtin, BUILTIN))):
            _bar(pen, font, top + line * BAR, (value or 0.0) / longest, colour, number(value, row.unit))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def _legend(pen: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> None:
    left = MARGIN + LABEL_WIDTH
    for name, colour in (("ours", OURS), ("built-in", BUILTIN)):
        pen.rectangle((left, MARGIN, left + BAR, MARGIN + BAR - 3), fill=colour)
        pen.text((left + BAR + 8, MARGIN + BAR / 2), name, INK, font, anchor="lm")
        left += 120


def _bar(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    top: float,
    share: float,
    colour: str,
    label: str,
) -> None:
    left = MARGIN + LABEL_WIDTH
    right = left + share * (WIDTH - left - MARGIN - 110)
    pen.rectangle((left, top, right, top + BAR - 3), fill=colour)
    pen.text((right + 8, top + BAR / 2), label, INK, font, anchor="lm")


def _shorten(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    while font.getlength(text) > LABEL_WIDTH - 20:
        text = text[:-2] + "…"
    return text
