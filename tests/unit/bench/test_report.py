"""The table and the chart."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from PIL import Image, ImageColor

from tests.bench import chart, report
from tests.bench.machine import Machine
from tests.bench.providers import Providers
from tests.bench.row import Row, at_most_factor, within_and_builtin_never

MACHINE = Machine("today", "2 x processor, 4 GB", "Linux", {"livekit-agents": "1.2.3", "celery": "4.5.6"})
ROWS = [
    Row("calls: first audio heard, p50", "ms", 300.4, 600.0, at_most_factor(0.4), {"ours": [300.4]}),
    Row("killed: an agent is heard again, p50", "s", 1.2, None, within_and_builtin_never(1.5, "s"), missing="never"),
    Row("calls: answered, of 40", "calls", 40.0, 38.0),
]


def test_the_table_shows_met_and_missed_goals() -> None:
    lines = report.markdown(ROWS, MACHINE, Providers.CLOUD).splitlines()
    assert lines[-3:] == [
        "| calls: first audio heard, p50 | 300 ms | 600 ms | 0.50 | ≤ 0.40 of built-in | **missed** |",
        "| killed: an agent is heard again, p50 | 1.20 s | never |  | ≤ 1.5 s, built-in never | met |",
        "| calls: answered, of 40 | 40 calls | 38 calls | 1.05 |  |  |",
    ]


def test_peers_have_a_table_of_their_own_with_a_number_or_a_reason_for_each() -> None:
    peers = [
        Row("peers: reply time, p50", "ms", 600.0, 700.0, peers={"One": 650.4, "Two": "StackError", "Three": None})
    ]
    lines = report.markdown([*ROWS, *peers], MACHINE, Providers.CLOUD).splitlines()
    assert "| figure | ours | built-in | One | Two | Three |" in lines
    assert lines[-1] == "| reply time, p50 | 600 ms | 700 ms | 650 ms | StackError | - |"
    assert report.markdown(ROWS, MACHINE, Providers.CLOUD).count("| figure |") == 1


def test_the_head_names_the_machine_and_the_versions() -> None:
    head = report.markdown(ROWS, MACHINE, Providers.CLOUD, chart="latest.png")
    for fact in (
        "today",
        "2 x processor, 4 GB",
        "Linux",
        "livekit-agents 1.2.3, celery 4.5.6",
        "(latest.png)",
        "deepgram, openai",
    ):
        assert fact in head


def test_the_json_has_every_sample_and_every_row() -> None:
    objects = json.loads(report.as_json(ROWS))
    assert [row["figure"] for row in objects] == [row.figure for row in ROWS]
    assert objects[0]["samples"] == {"ours": [300.4]}


def test_the_chart_has_bars_of_both_colours_and_their_lengths_are_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "chart.png"
    chart.draw(ROWS, path)
    with Image.open(path) as image:
        # Only the first row has two numbers and a goal; the legend stands above it.
        bars = image.convert("RGB").crop((0, chart.MARGIN + chart.ROW, image.width, image.height))
        pixels = bars.tobytes()
    colours = Counter(pixels[first : first + 3] for first in range(0, len(pixels), 3))
    ours, builtin = (bytes(ImageColor.getrgb(colour)) for colour in (chart.OURS, chart.BUILTIN))
    assert 0.47 < colours[ours] / colours[builtin] < 0.53


def test_a_chart_of_nothing_is_a_picture_all_the_same(tmp_path: Path) -> None:
    chart.draw([], tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        assert image.format == "PNG"
