"""Every page in Chromium: nothing is refused by its policy, no script fails, and it fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.integration.ops.console.pages.house import ANSWERED, PASSWORD, RECORDED, SAID, House, open_room

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_MS = 30_000
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAGES = (
    "/",
    "/calls",
    f"/calls/{RECORDED}",
    "/tenants",
    "/tenants/acme",
    "/dead-letters",
    "/notices",
    "/notices?tenant=acme",
    "/try",
    "/audit",
    "/sign-in",
)
UNNAMED = """() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, audio, meter')]
  .filter((each) => !(each.textContent.trim() || each.labels?.length || each.ariaLabel || each.title))
  .map((each) => each.outerHTML)"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        # Chromium has no sandbox for root.
        chromium = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


@asynccontextmanager
async def visiting(
    browser: Browser, house: House, name: str = "ann", *, size: dict[str, int] | None = None, scheme: str = "light"
) -> AsyncIterator[Page]:
    """A page of a signed-in operator, on which nothing may go wrong."""
    context = await browser.new_context(
        base_url=house.url,
        viewport=size or WIDE,  # type: ignore[arg-type]  # a dictionary of these two
        color_scheme=scheme,  # type: ignore[arg-type]  # light or dark
    )
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    await page.goto("/sign-in")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("link", name="Now")).to_be_visible(timeout=PATIENCE_MS)
    # Before its scripts have run, a link of the page opens a page instead of the panel.
    await page.wait_for_load_state()
    yield page
    await context.close()
    assert wrong == []


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
async def test_every_page_works_fits_and_names_what_can_be_used(
    browser: Browser, house: House, size: dict[str, int], scheme: str
) -> None:
    async with visiting(browser, house, size=size, scheme=scheme) as page:
        for path in PAGES:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert await page.evaluate(UNNAMED) == [], path
            assert await page.locator("main").count() == 1
            assert await page.locator("h1").count() == 1, path


async def test_a_new_call_appears_and_its_panel_opens_and_closes_by_the_keyboard(
    browser: Browser, house: House
) -> None:
    async with visiting(browser, house, "otto") as page:
        await open_room(house.rooms, "RM_keys", "bolt")
        row = page.locator("#room-RM_keys")
        await expect(row).to_contain_text("call-bolt-keys", timeout=PATIENCE_MS)
        await row.get_by_role("link").focus()
        await page.keyboard.press("Enter")
        panel = page.get_by_role("dialog")
        await expect(panel.get_by_role("heading", name="Why it waits")).to_be_visible(timeout=PATIENCE_MS)
        await page.keyboard.press("Escape")
        await expect(panel).to_be_hidden()
        await row.get_by_role("link").press("Enter")
        await panel.get_by_role("link", name="End …").click()
        await panel.get_by_role("button", name="End it").click()
        await expect(panel.get_by_role("status")).to_contain_text("ends within", timeout=PATIENCE_MS)
        await expect(row).to_have_count(0, timeout=PATIENCE_MS)


async def test_a_viewer_is_not_offered_what_it_may_not_do(browser: Browser, house: House) -> None:
    async with visiting(browser, house, "bob") as page:
        await page.locator("#room-RM_one").get_by_role("link").click()
        panel = page.get_by_role("dialog")
        await expect(panel.get_by_role("heading", name="call-acme-one")).to_be_visible(timeout=PATIENCE_MS)
        assert await panel.get_by_role("link", name="End …").count() == 0
        await page.goto(f"/calls/{RECORDED}")
        await expect(page.get_by_text("takes the role listen")).to_be_visible()
        assert await page.locator("audio").count() == 0


async def test_a_recording_plays_from_where_one_clicks(browser: Browser, house: House) -> None:
    async with visiting(browser, house) as page:
        await page.goto("/calls?room=call-acme-*")
        await page.get_by_role("link", name="call-acme-cake").click()
        await expect(page.get_by_text(SAID)).to_be_visible()
        await expect(page.get_by_text(ANSWERED)).to_be_visible()
        await expect(page.locator(".lanes path")).to_have_count(2, timeout=PATIENCE_MS)
        await page.locator(".story .agent button.at").click()
        # The answer begins 2 s after the recording.
        playing = (
            "() => { const audio = document.querySelector('audio'); return !audio.paused && audio.currentTime > 1.9; }"
        )
        await page.wait_for_function(playing, timeout=PATIENCE_MS)
        box = await page.locator(".wave").bounding_box()
        assert box is not None
        await page.locator(".wave").click(position={"x": box["width"] / 4, "y": 10})
        earlier = "() => Math.abs(document.querySelector('audio').currentTime - 1.4) < 0.5"
        await page.wait_for_function(earlier, timeout=PATIENCE_MS)
