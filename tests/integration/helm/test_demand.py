"""The query that decides about pods, as Prometheus answers it: `promtool test rules`."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.helm import chart

EXPORTER = 'namespace="calls",service="switchboard-exporter"'


@cache
def query(tier: str) -> str:
    """The query of a tier with the values of `production`."""
    text = chart.rendered(chart.VALUES / "production.yaml").read_text(encoding="utf-8")
    (found,) = (
        each["spec"]["triggers"][0]["metadata"]["query"]
        for each in yaml.safe_load_all(text)
        if each and each["kind"] == "ScaledObject" and each["metadata"]["name"].endswith(tier)
    )
    return str(found)


def rooms(state: str, values: str, *, tier: str = "standard", labels: str = EXPORTER, pod: str = "a") -> dict[str, str]:
    return {"series": f'switchboard_rooms{{{labels},tier="{tier}",state="{state}",pod="{pod}"}}', "values": values}


def up(values: str = "1x9", pod: str = "a") -> dict[str, str]:
    return {"series": f'switchboard_redis_up{{{EXPORTER},pod="{pod}"}}', "values": values}


def check(folder: Path, series: list[dict[str, str]], expected: float | None, tier: str = "standard") -> None:
    """Have promtool evaluate the query after a minute."""
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    expression = {"expr": query(tier), "eval_time": "1m", "exp_samples": samples}
    tests: dict[str, Any] = {
        "evaluation_interval": "15s",
        "tests": [{"interval": "15s", "input_series": series, "promql_expr_test": [expression]}],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(tests), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_what_runs_and_what_is_queued_and_a_buffer_of_at_least_two(tmp_path: Path) -> None:
    check(tmp_path, [up(), rooms("running", "9x9"), rooms("queued", "1x9")], 12)
    check(tmp_path, [up(), rooms("running", "0x9"), rooms("queued", "0x9")], 2)


def test_of_many_calls_the_buffer_is_a_share(tmp_path: Path) -> None:
    check(tmp_path, [up(), rooms("running", "96x9"), rooms("queued", "4x9")], 115)
    both = [rooms("running", "96x9", tier="premium"), rooms("queued", "4x9", tier="premium")]
    check(tmp_path, [up(), *both], 130, tier="premium")


def test_rooms_that_wait_for_a_permit_and_other_tiers_and_installations_need_no_pod_of_this_one(tmp_path: Path) -> None:
    others = [
        rooms("waiting", "50x9"),
        rooms("running", "50x9", tier="premium"),
        rooms("running", "50x9", labels='namespace="staging",service="switchboard-exporter"'),
    ]
    check(tmp_path, [up(), rooms("running", "9x9"), rooms("queued", "1x9"), *others], 12)


def test_two_exporters_that_say_the_same_while_one_replaces_the_other_do_not_count_twice(tmp_path: Path) -> None:
    both = [
        each
        for pod in ("a", "b")
        for each in (up(pod=pod), rooms("running", "9x9", pod=pod), rooms("queued", "1x9", pod=pod))
    ]
    check(tmp_path, both, 12)


@pytest.mark.parametrize(
    "series",
    [
        pytest.param([], id="there never was an exporter"),
        pytest.param([up("1x2 stale"), rooms("running", "9x2 stale")], id="the exporter is gone"),
        pytest.param([up("1x2 0x6"), rooms("running", "9x9")], id="the exporter has lost Redis"),
    ],
)
def test_what_is_not_known_is_no_answer_rather_than_no_call(series: list[dict[str, str]], tmp_path: Path) -> None:
    check(tmp_path, series, None)
