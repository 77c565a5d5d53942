"""What a rehearsal is judged by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from tests.autoscaling import picture, report
from tests.autoscaling.callers import HeardCall
from tests.autoscaling.pods import Pod
from tests.autoscaling.result import Result, Sample, Wait, percentile
from tests.unit.conventions.source_tree import ROOT

MEASURED = ROOT / "docs" / "benchmarks" / "autoscaling.json"


def sample(at: float, free: int) -> Sample:
    return Sample(at, callers=2, running=2, queued=1, wanted=2, ready=1, draining=0, free=free, value=5.0)


def good() -> Result:
    """A call that waits for 10 s for a pod, and is answered at once when that is up."""
    return Result(
        seconds=60.0,
        promise_seconds=5.0,
        slots=2,
        query="q",
        outage=(30.0, 40.0),
        samples=[sample(at, free=0 if at < 20 else 1) for at in range(60)],
        waits=[Wait("RM_1", 1, 10.0, 20.5, "celery@premium-2"), Wait("RM_1", 2, 40.0, 40.1, "celery@premium-1")],
        calls=[HeardCall("call-a1-1", 9.5, "RM_1", 21.0, 55.0, 55.5, gaps=[2.1])],
        pods=[Pod("premium-1", 0.0, 0.0), Pod("premium-2", 5.0, 20.0, 30.0, 41.0)],
    )


def test_a_wait_counts_only_while_a_pod_that_is_up_has_a_free_slot() -> None:
    result = good()
    assert result.wait_with_a_pod(result.waits[0]) == 0.5
    assert result.problems() == []
    result.samples = [sample(at, free=1) for at in range(60)]
    assert result.problems() == ["waited 10.5 s with a pod up: RM_1"]


def test_a_call_is_lost_if_nobody_is_heard_at_all_for_long_or_at_the_end() -> None:
    heard = good().calls[0]
    for lost in (
        replace(heard, first_sound=None, last_sound=None),
        replace(heard, gaps=[11.0]),
        replace(heard, last_sound=40.0),
        replace(heard, error="NoAnswer"),
    ):
        result = good()
        result.calls = [lost]
        assert result.problems()[0].startswith("lost: call-a1-1")


def test_what_a_caller_hears_whose_own_connection_is_away_says_nothing_about_the_call() -> None:
    result = good()
    result.calls = [replace(result.calls[0], last_sound=40.0, cut_off=True)]
    assert result.problems() == []
    assert "| callers whose own connection to LiveKit was away | 1 |" in report.markdown(result)


def test_a_call_without_a_worker_a_dead_letter_and_a_killed_pod_are_problems() -> None:
    result = good()
    result.calls.append(HeardCall("call-a1-2", 9.5, "RM_2", 21.0, 55.0, 55.5))
    result.dead_letters = ["agent failed"]
    result.pods[1].killed = True
    assert result.problems() == [
        "dead letter: agent failed",
        "never seen in a worker: RM_2",
        "killed after its grace: premium-2",
    ]


def test_it_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    good().write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json") == good()


def test_the_page_and_the_chart_are_made_of_it(tmp_path: Path) -> None:
    page = report.markdown(good())
    assert "| calls handed over | 1 |" in page
    assert "| calls that waited longer than promised | 1 |" in page
    assert "| the longest wait while a pod that was up had a free slot | 500 ms |" in page
    picture.draw(good(), tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        assert image.size[0] == picture.WIDTH
        assert {colour for _, colour in image.getcolors(1 << 20) or []} >= {
            (31, 119, 180),
            (44, 160, 44),
            (148, 103, 189),
        }


def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0.25, 0.5, 0.51, 0.95, 1.0)] == [1, 2, 3, 4, 4]


def test_the_page_in_the_documents_is_written_from_its_samples_which_show_no_problem() -> None:
    measured = Result.read(MEASURED)
    assert MEASURED.with_suffix(".md").read_text(encoding="utf-8") == report.markdown(measured)
    assert measured.problems() == []
