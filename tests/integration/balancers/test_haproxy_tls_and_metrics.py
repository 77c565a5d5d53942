"""HAProxy with TLS, and its own metrics, with the configuration that operators use."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from livekit import api
from prometheus_client.parser import text_string_to_metric_families

from ops.stack.binaries import Binaries
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from tests.integration.balancers.test_headers import Received, recording_receiver
from tests.support.certificates import Authority
from tests.support.shipped_haproxy import HAProxy, shipped_haproxy
from tests.support.waiting import until
from tests.unit.conventions.documents import read

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def received() -> list[Received]:
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory, authority: Authority, received: list[Received]
) -> AsyncIterator[HAProxy]:
    directory = tmp_path_factory.mktemp("haproxy")
    issued = authority.issue(HOST)
    # HAProxy wants the certificate and its key in one file.
    both = directory / "both.pem"
    both.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
    tls = f"{{address}} ssl crt {both}"
    async with (
        recording_receiver(received) as port,
        shipped_haproxy(
            binaries, directory, PortPicker(), [port] * 2, HAPROXY_WEBHOOKS=tls, HAPROXY_CALLS=tls
        ) as running,
    ):
        yield running


async def test_calls_are_served_by_tls_and_not_without(proxy: HAProxy, authority: Authority) -> None:
    url = f"{HOST}:{proxy.ports.calls}/calls"
    trusted = ssl.create_default_context(cafile=str(authority.certificate))
    async with aiohttp.ClientSession() as session:
        async with session.post(f"https://{url}", ssl=trusted) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"http://{url}")


async def test_livekit_sends_its_webhooks_by_tls_to_an_authority_that_it_is_told_to_trust(
    proxy: HAProxy, binaries: Binaries, tmp_path: Path, authority: Authority, received: list[Received]
) -> None:
    picker = PortPicker()
    server = LiveKitServer(
        tmp_path,
        {"SSL_CERT_FILE": str(authority.certificate)},
        binary=str(binaries.livekit),
        port=picker.pick(),
        tcp_port=picker.pick(),
        udp_port=picker.pick(),
        webhook_url=f"https://{HOST}:{proxy.ports.webhooks}/livekit/webhook",
    )
    await server.start()
    try:
        async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name="by-tls"))

        async def announced() -> bool:
            return any(b'"room_started"' in each.body and b"by-tls" in each.body for each in received)

        await until(announced)
    finally:
        await server.stop()


async def test_prometheus_reads_how_many_receivers_are_up_and_what_was_answered(proxy: HAProxy) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{HOST}:{proxy.ports.metrics}/metrics") as response:
            assert response.status == 200
            text = await response.text()
        async with session.get(f"http://{HOST}:{proxy.ports.metrics}/") as other:
            assert other.status == 404
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["haproxy_server_status", "UP", "receiver-1", "receivers"] == 1
    assert samples["haproxy_backend_active_servers", "receivers"] == 2
    assert samples["haproxy_frontend_http_responses_total", "2xx", "calls"] >= 1
    documented = set(re.findall(r"`(haproxy_\w+)", read("docs/howto/haproxy.md")))
    assert documented
    assert documented <= {name for name, *_ in samples}
