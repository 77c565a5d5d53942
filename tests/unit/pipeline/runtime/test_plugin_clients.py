"""One TLS context for the clients of all plugins: it fails when httpx2 has moved."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import certifi
import httpx2
import pytest
from httpx2._transports import default as transports

from pipeline.runtime import plugin_clients


@pytest.fixture(autouse=True)
def sharing() -> Iterator[None]:
    """Share certificates during a test."""
    plugin_clients.share_certificates()
    yield
    vars(transports)["create_ssl_context"] = httpx2.create_ssl_context
    plugin_clients._ssl_context_for.cache_clear()


def context_of(client: httpx2.AsyncClient) -> ssl.SSLContext | None:
    transport = client._transport
    assert isinstance(transport, httpx2.AsyncHTTPTransport)
    return transport._pool._ssl_context


def test_two_clients_have_one_context_which_verifies() -> None:
    contexts = [context_of(httpx2.AsyncClient()) for _ in range(2)]
    assert contexts[0] is contexts[1]
    assert contexts[0] is not None
    assert contexts[0].verify_mode is ssl.CERT_REQUIRED
    assert contexts[0].check_hostname
    assert contexts[0].get_ca_certs()


def test_a_client_that_wants_a_context_of_its_own_has_it() -> None:
    own = ssl.create_default_context()
    assert context_of(httpx2.AsyncClient(verify=own)) is own
    unverified = context_of(httpx2.AsyncClient(verify=False))
    assert unverified is not None
    assert unverified.verify_mode is ssl.CERT_NONE


def test_other_certificates_in_the_environment_are_another_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = context_of(httpx2.AsyncClient())
    named = tmp_path / "certificates.pem"
    named.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    assert context_of(httpx2.AsyncClient()) is not before
    assert context_of(httpx2.AsyncClient(trust_env=False)) is not context_of(httpx2.AsyncClient())
