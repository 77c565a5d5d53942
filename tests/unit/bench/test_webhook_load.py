from __future__ import annotations

from collections import Counter

import pytest

from tests.bench.webhook_load import Load, Report, main


def report(*latencies_ms: float, **statuses: int) -> Report:
    counted = Counter({name.removeprefix("s"): count for name, count in statuses.items()})
    return Report(sorted(latencies_ms), counted or Counter({"200": len(latencies_ms)}))


def test_a_percentile_is_a_latency_that_was_measured() -> None:
    hundred = report(*range(1, 101))

    assert [hundred.percentile(percent) for percent in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert report(7.0).percentile(50) == 7.0


def test_a_load_that_was_answered_in_time_passes() -> None:
    assert report(1, 2, 3).passes(p99_ms=3)


def test_a_p99_over_the_limit_does_not_pass() -> None:
    assert not report(*[1.0] * 98, 60, 60).passes(p99_ms=50)


def test_one_slow_answer_in_a_hundred_passes() -> None:
    assert report(*[1.0] * 99, 60).passes(p99_ms=50)


@pytest.mark.parametrize("other", ["s503", "ClientOSError"])
def test_one_answer_that_is_no_200_does_not_pass(other: str) -> None:
    assert not report(1, 2, **{"s200": 1, other: 1}).passes(p99_ms=50)


def test_a_report_has_the_counts_and_the_latencies() -> None:
    output = str(report(1, 2, 3, 4, s200=3, s503=1))

    assert " ".join(output.split()) == "sent 4 answers 200: 3 503: 1 ms p50 2.0 p90 4.0 p99 4.0 max 4.0"


def test_a_load_does_not_show_its_secret() -> None:
    assert "hush" not in repr(Load("http://x", 1, 1, 1, "acme", "key", "hush"))


def test_a_load_without_a_key_names_the_missing_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LIVEKIT_API_KEY", raising=False)

    with pytest.raises(SystemExit):
        main([])

    assert "LIVEKIT_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "many"])
def test_a_rate_must_be_a_number_above_0(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rate", rate])

    assert "--rate" in capsys.readouterr().err
