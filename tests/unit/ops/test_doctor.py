"""`switchboard doctor`: the verdicts that need no server, the report, and deadlines."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from ops.commands.doctor import clocks, command, host, providers, records, report, workers
from ops.commands.doctor.check import Check, Examined, run
from ops.commands.doctor.finding import Finding, NotChecked, State, error, ok, warning
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.provider_request import request_for
from ops.commands.doctor.providers import Target
from ops.commands.doctor.redis_problem import problem_of
from pipeline.options import Kind
from pipeline.providers import PROVIDERS
from pipeline.providers.registry import KeyRequirement
from tasks.errors import RedisUnavailable
from tasks.rooms import WorkerStatus
from tasks.rooms.record_lag import StreamLag
from tasks.settings import Settings

INSTALLATION = cast("Installation", None)
QUEUES = {"premium": "premium", "free": "free"}
KEY = "a-provider-key"
NO_SERVER = {("stt", "local"), ("llm", "local"), ("tts", "local"), ("llm", "langgraph")}


def worker(**fields: object) -> WorkerStatus:
    status = {"slots": "4", "idle": "2", "load": "0.1", "state": "open", "pid": "7", "queues": "premium,free"}
    return WorkerStatus.read("one@here", status | {name: str(value) for name, value in fields.items()})


def texts(findings: list[Finding]) -> str:
    return " | ".join(f"{finding.state}: {finding.text}" for finding in findings)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([ok("x")], 0),
        ([ok("x"), warning("x", "y")], 1),
        ([NotChecked("x").finding], 1),
        ([error("x", "y"), ok("x")], 2),
    ],
)
def test_the_exit_status_is_the_higher_the_worse(states: list[Finding], status: int) -> None:
    examined = [Examined("one", tuple(states)), Examined("two", (ok("z"),))]
    assert report.exit_status(examined) == status
    assert json.loads(report.as_json(examined))["status"] == status


def test_a_line_has_the_state_the_check_and_the_text_and_below_it_the_cure() -> None:
    assert list(report.lines(Examined("redis", (error("it is away", "start it"), NotChecked("no").finding)))) == [
        "ERROR   redis              it is away",
        "                           cure: start it",
        "-       redis              not checked: no",
    ]


async def test_a_check_that_hangs_or_fails_keeps_no_other_from_its_findings() -> None:
    async def hangs(_: Installation) -> AsyncIterator[Finding]:
        yield ok("before")
        await asyncio.Event().wait()

    async def fails(_: Installation) -> AsyncIterator[Finding]:
        yield ok("before")
        raise KeyError(KEY)

    async def works(_: Installation) -> AsyncIterator[Finding]:
        yield ok("fine")

    began = time.monotonic()
    checks = (Check("hangs", hangs, seconds=0.05), Check("fails", fails), Check("works", works))
    examined = {each.check: each.findings async for each in run(checks, INSTALLATION)}
    assert time.monotonic() - began < 5
    assert [finding.state for finding in examined["hangs"]] == [State.OK, State.ERROR]
    assert "not finished after 0.05 s" in examined["hangs"][1].text
    assert "KeyError" in examined["fails"][1].text
    assert KEY not in repr(examined)
    assert examined["works"] == (ok("fine"),)


def test_settings_that_cannot_be_read_are_findings_with_the_exit_status_of_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "s", "SWITCHBOARD_SLOTS": "many"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SWITCHBOARD_SLOT", "4")
    assert command.run(as_json=True, webhook_seconds=1, webhook_url=None) == report.ExitStatus.ERRORS
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {finding["check"] for finding in found} == {"settings"}
    assert [name for name in ("SWITCHBOARD_SLOTS", "SWITCHBOARD_SLOT ") if name in " ".join(f["text"] for f in found)]


def test_the_clock_that_differs_from_the_others_is_named() -> None:
    near = {"this host": 0.0, "Redis": 12.0, "the LiveKit server": -80.0}
    assert texts(clocks.judge(near)).startswith("ok: this host, Redis, the LiveKit server: 92 ms apart")
    (found,) = clocks.judge(near | {"Redis": 20_000.0, "receiver a:1": 5.0})
    assert found.state is State.ERROR
    assert found.text.startswith("the clock of Redis is 20.0 s ahead of the others")
    (found,) = clocks.judge({"this host": 0.0, "Redis": -20_000.0, "the LiveKit server": -20_010.0})
    assert found.text.startswith("the clock of this host is 20.0 s ahead of the others")
    (found,) = clocks.judge(near | {"the LiveKit server": -3000.0})
    assert (found.state, "3.0 s behind" in found.text) == (State.WARNING, True)


def test_of_two_clocks_nobody_can_tell_which_is_wrong() -> None:
    (found,) = clocks.judge({"this host": 0.0, "Redis": 20_000.0})
    assert found.text.startswith("the clocks of Redis and of this host are 20.0 s apart")
    assert "of the two" in found.cure


def test_a_worker_is_judged_by_its_queues_its_state_and_its_settings() -> None:
    assert (
        texts(list(workers.judge([worker()], QUEUES)))
        == "ok: 1 worker for the tiers premium, free, with 0 calls and 2 spares now"
    )
    assert "no worker takes the queue free" in texts(list(workers.judge([worker(queues="premium")], QUEUES)))
    assert "takes gold, which is the queue of no tier" in texts(
        list(workers.judge([worker(queues="premium,free,gold")], QUEUES))
    )
    assert "error: every worker of the tier free is draining" in texts(
        list(workers.judge([worker(state="draining")], QUEUES))
    )
    assert "warning: no worker of the tier free has a spare" in texts(list(workers.judge([worker(idle=0)], QUEUES)))
    differing = worker(differences="SWITCHBOARD_MAX_ATTEMPTS is 3 here and 5 there")
    assert "one@here has other settings than the receivers: SWITCHBOARD_MAX_ATTEMPTS" in texts(
        list(workers.judge([differing], QUEUES))
    )
    assert "calls fail at one@here: KeyError" in texts(list(workers.judge([worker(problem="KeyError")], QUEUES)))


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("-READONLY You can't write against a read only replica.", "a replica"),
        ("You can't write against a read only replica", "a replica"),
        ("ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed", "maxmemory"),
        ("MISCONF Redis is configured to save RDB snapshots", "disk"),
        ("this user has no permissions to run the 'info' command", "may not"),
        ("NOREPLICAS Not enough good replicas to write.", "its replicas"),
        ("BUSY Redis is busy running a script.", "script"),
        ("invalid username-password pair or user is disabled.", "password"),
        ("max number of clients reached", "clients"),
        ("Error 1 connecting to redis:6379. [SSL: WRONG_VERSION_NUMBER] wrong version number.", "TLS"),
        ("Error 111 connecting to redis:6379. Connection refused.", "cannot be connected to"),
    ],
)
def test_each_error_reply_of_redis_has_a_meaning_and_a_cure(reply: str, text: str) -> None:
    failure = RedisUnavailable(seconds=2.0, error="x")
    failure.__cause__ = Exception(reply)
    assert text in problem_of(failure).text
    assert problem_of(failure).cure


def test_no_answer_at_all_is_told_apart_from_an_error() -> None:
    assert "does not answer in time" in problem_of(RedisUnavailable(seconds=2.0, error="no answer")).text


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: f"{provider.kind}-{provider.name}")
def test_each_provider_has_a_request_and_the_key_is_in_a_header_alone(provider: object) -> None:
    entry = next(each for each in PROVIDERS if each is provider)
    request = request_for(entry.kind, entry.name, None, None if entry.key is KeyRequirement.NEVER else KEY)
    if (entry.kind, entry.name) in NO_SERVER:
        assert request is None
        return
    assert request is not None
    assert request.url.startswith("https://")
    assert KEY not in request.url
    assert KEY not in repr(request)
    # Google's speech service has no key but an account, whose token would have to be fetched first.
    assert request.has_key is ((entry.kind, entry.name) != ("stt", "google"))
    assert any(KEY in value for value in request.headers.values()) is request.has_key


@pytest.mark.parametrize(
    ("kind", "name", "base_url", "url"),
    [
        ("llm", "openai", "http://vllm:8000/v1", "http://vllm:8000/v1/models"),
        ("stt", "deepgram", "http://deepgram:8080/v1/listen", "http://deepgram:8080/v1/projects"),
        ("stt", "deepgram-flux", "ws://deepgram:8080/v2/listen", "http://deepgram:8080/v1/projects"),
        ("llm", "google", None, "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1"),
        ("llm", "anthropic", None, "https://api.anthropic.com/v1/models?limit=1"),
    ],
)
def test_the_request_goes_to_the_address_of_the_tenant(kind: Kind, name: str, base_url: str | None, url: str) -> None:
    request = request_for(kind, name, base_url, KEY)
    assert request is not None
    assert request.url == url


@pytest.mark.parametrize(
    ("status", "text", "state", "found"),
    [
        (200, "{}", State.OK, "accepts the key"),
        (401, "invalid", State.ERROR, "refuses the key (401)"),
        (400, '{"reason": "api_key_invalid"}', State.ERROR, "refuses the key (400)"),
        (401, '{"detail": {"status": "missing_permissions"}}', State.OK, "knows the key"),
        (401, '{"error": {"code": "missing_scope"}}', State.OK, "knows the key"),
        (404, "", State.OK, "does not tell whether the key is right"),
        (429, "", State.WARNING, "429"),
        (503, "", State.WARNING, "503"),
        (302, "", State.WARNING, "redirected"),
        (400, "", State.WARNING, "is not told"),
    ],
)
def test_a_provider_is_judged_by_its_answer(status: int, text: str, state: State, found: str) -> None:
    request = request_for("llm", "openai", None, KEY)
    assert request is not None
    finding = providers.judge(Target("openai", request, ["acme.llm"]), status, text)
    assert (finding.state, found in finding.text) == (state, True)
    assert finding.text.startswith("openai at api.openai.com (for acme.llm) ")


async def test_a_temporary_folder_whose_sockets_would_be_too_long_is_named_with_the_longest_that_fits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = [finding async for finding in host.temporary_folder(INSTALLATION)]
    assert State.ERROR not in [finding.state for finding in usual]
    folder = tmp_path / ("a" * 60)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    found = await anext(host.temporary_folder(INSTALLATION))
    assert found.state is State.ERROR
    assert str(folder) in found.text
    longest = int(found.cure.split("at most ")[1].split()[0])
    # 107 bytes, less a worker's folder, the call's in it, and multiprocessing's in that.
    assert 25 <= longest <= 36


async def test_too_few_open_files_for_the_slots_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.read({"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s", "SWITCHBOARD_SLOTS": "100"})
    installation = Installation.__new__(Installation)
    installation.settings = settings
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    (found,) = [finding async for finding in host.open_files(installation)]
    assert (found.state, found.text) == (State.ERROR, "1024 open files, and 100 slots need 1728")
    monkeypatch.setattr("resource.getrlimit", lambda _: (65536, 65536))
    assert [finding.state async for finding in host.open_files(installation)] == [State.OK]
    monkeypatch.setattr("resource.getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert [finding.text async for finding in host.open_files(installation)] == ["no limit; 100 slots need 1728"]


def test_writers_of_records_are_judged_by_whether_one_runs_and_by_what_waits() -> None:
    def judged(behind: float, *, is_alive: bool) -> Finding:
        return records.judge(StreamLag(behind, kept_seconds=7200.0, length=10), is_alive=is_alive)

    assert judged(1.0, is_alive=True) == ok("a writer runs, and is 1 s behind")
    none = judged(100.0, is_alive=False)
    assert none.state is State.ERROR
    assert "no writer of records runs: the oldest record that is not written is 100 s old" in none.text
    late = judged(400.0, is_alive=True)
    assert late.state is State.ERROR
    assert "and Redis keeps those of the last 2.0 h" in late.text
