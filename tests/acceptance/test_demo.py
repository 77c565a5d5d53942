"""`switchboard demo`, as `make demo ARGS="--json --calls 3 --keep"` runs it, and its calls on the console."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from ops.caller.caller import RATE
from ops.caller.recording import Samples
from ops.caller.voice import recognise, speech
from ops.demo import dialogue
from tests.acceptance.speech import HOURS
from tests.support.waiting import until

STEPS = {"room_started", "received", "queued", "claimed", "joined", "first_audio", "first_sound"}
QUESTION = "what are your opening hours"
PATIENCE_MS = 60_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """The object that the demo prints; it goes on meanwhile."""
    folder = tmp_path_factory.mktemp("demo")
    arguments = ["demo", "--json", "--calls", "3", "--keep", "--directory", str(folder)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.cli", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        status = await process.wait()
    assert status == 0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser whose microphone hears the question, from the moment on at which a page opens it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    # The question again and again: on a busy machine the agent is there later.
    said = [part for _ in range(5) for part in (silence(6), speech(dialogue.QUESTION))]
    microphone = tmp_path_factory.mktemp("browser") / "said.wav"
    write_wav(microphone, np.concatenate([*said, silence(30)]))
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
    ]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        await started.close()


@asynccontextmanager
async def browsing(shown: dict[str, Any], browser: Browser) -> AsyncIterator[Page]:
    """A page of the console's operator."""
    page = await browser.new_page(base_url=shown["console"]["url"], viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    await page.goto("/sign-in")
    await page.get_by_label("Name").fill(shown["console"]["user"])
    await page.get_by_label("Password").fill(shown["console"]["password"])
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Now").wait_for()
    yield page
    await page.close()


def silence(seconds: float) -> Samples:
    return np.zeros(round(RATE * seconds), dtype=np.int16)


def write_wav(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def sides(ogg: bytes) -> tuple[Samples, Samples]:
    """The caller's side of a recording, and the agent's."""
    resampler = av.AudioResampler(format="s16p", layout="stereo", rate=RATE)
    with av.open(io.BytesIO(ogg), "r") as container:
        blocks = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    caller, agent = np.concatenate(blocks, axis=1)
    return caller, agent


async def test_three_callers_at_once_over_the_tiers_hear_the_right_answer(shown: dict[str, Any]) -> None:
    assert shown["ok"]
    calls = shown["calls"]
    assert {call["tier"] for call in calls} == {"premium", "standard", "free"}
    for call in calls:
        assert call["queue"] == call["tier"]
        assert call["worker"].startswith(f"{call['tier']}@")
        assert QUESTION in call["agent_heard"]
        assert HOURS in call["caller_heard"]
        assert call["ms"].keys() >= STEPS
        assert call["recording"]
    assert shown["flower"]["url"].startswith("http://127.0.0.1:")
    assert shown["join"]["link"] == f"{shown['console']['url']}/try?tenant=bakery"


async def test_its_calls_are_on_the_console_with_their_words_and_the_recording_has_them_too(
    shown: dict[str, Any], browser: Browser
) -> None:
    async with browsing(shown, browser) as page:

        async def all_there() -> bool:
            await page.goto("/calls")
            return await page.locator("tbody th a").count() == len(shown["calls"])

        await until(all_there, 60, every=1)
        for call in shown["calls"]:
            await expect(page.get_by_role("link", name=call["room"])).to_be_visible()
        await page.get_by_role("link", name=shown["calls"][0]["room"]).click()
        await expect(page.get_by_text(QUESTION)).to_be_visible()
        await expect(page.locator(".latency .sum").first).to_contain_text("after")
        await expect(page.locator(".lanes path")).to_have_count(2)
        source = await page.locator("audio").get_attribute("src")
        played = await page.request.get(source or "")
        assert played.status == 200
        caller, agent = await asyncio.to_thread(sides, await played.body())
        assert QUESTION in recognise(caller, [dialogue.QUESTION, dialogue.STORY_REQUEST, dialogue.INTERRUPTION])
        assert HOURS in recognise(agent, dialogue.answers())


async def test_an_operator_tries_a_call_and_sees_what_the_agent_hears_and_how_fast_it_answers(
    shown: dict[str, Any], browser: Browser
) -> None:
    async with browsing(shown, browser) as page:
        await page.goto(shown["join"]["link"])
        await page.get_by_role("button", name="Call").click()
        lines = page.locator("#lines")
        await expect(lines.locator(".caller").first).to_contain_text(QUESTION, timeout=PATIENCE_MS)
        await expect(lines.get_by_text("nine in the morning").first).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.locator("#last-reply")).to_contain_text("s", timeout=PATIENCE_MS)
        await expect(page.locator("#steps")).to_contain_text("agent speaks", timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.locator("#status")).to_contain_text("hung up", timeout=PATIENCE_MS)
        await page.get_by_role("link", name="The whole call").click()
        await expect(page.locator(".story")).to_contain_text("room started", timeout=PATIENCE_MS)
