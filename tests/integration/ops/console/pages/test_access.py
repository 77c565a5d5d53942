"""Who gets in, what each may do, and forms that are refused."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.integration.ops.console.pages.house import ANSWERED, PASSWORD, RECORDED, SAID, House

STOPPED_SECONDS = 30.0
pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = (
    "/",
    "/calls",
    f"/calls/{RECORDED}",
    "/tenants",
    "/tenants/acme",
    "/dead-letters",
    "/notices",
    "/notices?tenant=acme",
    "/now/rooms/RM_one",
)
OPERATING = ("/try", "/audit", "/now/rooms/RM_one/end", "/now/rooms/RM_one/move")
LISTENING = (f"/calls/{RECORDED}/attempts/1/audio", f"/calls/{RECORDED}/attempts/1/waveform")
FORMS = ("/try", "/sign-out", "/now/rooms/RM_two/end", "/now/rooms/RM_one/move", "/now/workers/premium@one/drain")


async def test_a_stranger_is_turned_away_from_every_page(house: House) -> None:
    async with house.visitor() as stranger:
        for path in (*PAGES, *OPERATING, *LISTENING):
            status, page = await stranger.get(path)
            assert status == 303, path
            assert SAID not in page
        assert (await stranger.get("/now/changes", headers={}))[0] == 401
        for path in FORMS:
            assert (await stranger.post(path, tenant="acme"))[0] in {401, 403}, path


async def test_each_page_answers_an_operator_and_goes_nowhere_else(house: House) -> None:
    async with house.visitor("ann") as ann:
        for path in (*PAGES, *OPERATING):
            status, page = await ann.get(path)
            assert status == 200, (path, page)
            assert "http://" not in page.replace("http://127.0.0.1:16686/", ""), path
            assert " style=" not in page, path
            assert "<script>" not in page, path


async def test_roles_decide_who_operates_and_who_reads_and_hears(house: House) -> None:
    for name, operates, listens in (("bob", False, False), ("lisa", False, True), ("otto", True, False)):
        async with house.visitor(name) as visitor:
            for path in OPERATING:
                assert (await visitor.get(path))[0] == (200 if operates else 403), (name, path)
            for path in LISTENING:
                assert (await visitor.get(path))[0] == (200 if listens else 403), (name, path)
            status, page = await visitor.get(f"/calls/{RECORDED}")
            assert status == 200
            assert (SAID in page, ANSWERED in page) == (listens, listens), name
            assert "after 900 ms" in page
            if not operates:
                assert (await visitor.post("/now/rooms/RM_two/end"))[0] == 403
                assert (await visitor.post("/try", tenant="acme"))[0] == 403
    assert await house.rooms.get("RM_two") is not None


async def test_a_form_without_the_token_of_its_session_or_of_another_site_is_refused(house: House) -> None:
    async with house.visitor("ann") as ann, house.visitor("otto") as otto:
        for path in FORMS:
            assert (await ann.post(path, csrf="", tenant="acme"))[0] == 403, path
            assert (await ann.post(path, csrf=otto.csrf, tenant="acme"))[0] == 403, path
            assert (await ann.post(path, site="cross-site", tenant="acme"))[0] == 403, path
            assert (await ann.post(path, site="same-site", tenant="acme"))[0] == 403, path
        async with ann.session.post(
            "/sign-out", data={"csrf": ann.csrf}, headers={"Origin": "https://evil.example"}
        ) as it:
            assert it.status == 403
        room = await house.rooms.get("RM_two")
        assert room is not None
        assert room.state.is_open
        assert (await ann.get("/"))[0] == 200


async def test_the_form_of_the_sign_in_has_a_token_too(house: House) -> None:
    async with house.visitor() as stranger:
        await stranger.get("/sign-in")
        for csrf, site in (("", "same-origin"), ("guessed", "same-origin")):
            status, _ = await stranger.post("/sign-in", csrf=csrf, site=site, name="ann", password=PASSWORD)
            assert status == 403
        assert (await stranger.get("/"))[0] == 303


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer_and_soon_none(house: House) -> None:
    async with house.visitor() as stranger:
        answers = [await stranger.sign_in(name, "wrong password") for name in ("ann", "nobody")]
        assert [status for status, _ in answers] == [401, 401]
        assert all("Name or password is not right." in page for _, page in answers)
        for number in range(40):
            status, _ = await stranger.sign_in(f"guess-{number}", "wrong password")
            if status == 429:
                break
        else:
            pytest.fail("40 passwords were tried")
        assert (await stranger.sign_in("ann"))[0] == 429
    keys = [key async for key in house.rooms.redis.scan_iter("switchboard:console_attempts:*")]
    assert keys
    await house.rooms.redis.delete(*keys)


async def test_after_the_sign_in_only_a_path_of_the_console_is_gone_to(house: House) -> None:
    async with house.visitor() as visitor:
        for target, expected in (
            ("/calls?tenant=acme", "/calls?tenant=acme"),
            ("//evil.example", "/"),
            ("https:", "/"),
        ):
            _, page = await visitor.get("/sign-in", params={"next": target})
            assert f'name="next" value="{expected}"' in page.replace("&amp;", "&")


async def test_whoever_signs_out_is_out_and_the_cookie_is_worth_nothing(house: House) -> None:
    async with house.visitor("bob") as bob:
        (cookie,) = (each for each in bob.session.cookie_jar if each.key == "switchboard")
        assert cookie["httponly"]
        assert cookie["samesite"] == "lax"
        assert (await bob.post("/sign-out"))[0] == 303
        assert (await bob.get("/", headers={"Cookie": f"switchboard={cookie.value}", "Accept": "text/html"}))[0] == 303


async def test_every_answer_has_the_headers_that_keep_code_and_frames_out(house: House) -> None:
    async with house.visitor("ann") as ann:
        for path in ("/", "/sign-in", "/no-such-page", f"/calls/{RECORDED}/attempts/1/audio"):
            async with ann.session.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "unsafe-inline" not in policy
                assert "default-src 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "no-store" in answer.headers["Cache-Control"]


async def test_who_read_heard_and_did_what_is_in_the_audit_log(house: House) -> None:
    async with house.visitor("lisa") as lisa:
        await lisa.get(f"/calls/{RECORDED}")
        for _ in range(3):
            assert (await lisa.get(f"/calls/{RECORDED}/attempts/1/audio", headers={"Range": "bytes=0-99"}))[0] == 206
    async with house.visitor("ann") as ann:
        _, page = await ann.get("/audit", params={"name": "lisa"})
    assert page.count("heard the recording") == 1
    assert "read the transcript" in page
    assert "signed in" in page
    assert SAID not in page


async def test_what_is_said_is_not_shown_while_it_cannot_be_audited(house: House) -> None:
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE audit_entries RENAME TO audit_entries_away")
    try:
        async with house.visitor("lisa") as lisa:
            status, page = await lisa.get(f"/calls/{RECORDED}/attempts/1/audio?download=yes")
            assert status == 503, page
    finally:
        async with house.database.transaction() as connection:
            await connection.exec_driver_sql("ALTER TABLE audit_entries_away RENAME TO audit_entries")


async def test_it_stops_at_once_also_with_a_viewer(house: House) -> None:
    async with house.visitor("ann") as ann, ann.session.get("/now/changes") as stream:
        assert stream.status == 200
        house.console.send(signal.SIGTERM)
        # One that waits for its viewers ends by itself, too: after 5 s, with another status.
        assert await asyncio.wait_for(house.console.exited(), STOPPED_SECONDS) in {0, -signal.SIGTERM}
        await stream.content.read()
    await house.console.stop()
    await house.console.start()
