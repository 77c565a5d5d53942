"""REDIS_URL is read once: our own connections, kombu's and Flower's get the same out of it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flower.utils.broker import Broker
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from tasks.errors import InvalidSetting
from tasks.queue import celery_config
from tasks.redis_client import connect, connect_blocking
from tasks.settings import RedisSettings
from tasks.settings.redis_url import RedisUrl, Tls

SENTINELS = "sentinel://:se%40cret@one.example:26379,two.example,[::1]:5000/3"
AUTHORITIES = next(
    path
    for path in ("/etc/ssl/certs/ca-certificates.crt", ssl.get_default_verify_paths().openssl_cafile)
    if Path(path).exists()
)


def settings(url: str) -> RedisSettings:
    return RedisSettings.read({"REDIS_URL": url})


def test_a_url_names_all_sentinels_and_the_password_of_redis() -> None:
    found = RedisUrl.parse(SENTINELS)
    addresses = (("one.example", 26379), ("two.example", 26379), ("::1", 5000))
    assert found == RedisUrl(addresses, sentinels=True, password="se@cret", db=3)
    assert "se@cret" not in repr(found)
    assert "se@cret" not in str(found)
    assert RedisUrl.parse("sentinel://one") == RedisUrl((("one", 26379),), sentinels=True)
    assert RedisUrl.parse("redis://[::1]") == RedisUrl((("::1", 6379),))


def test_kombu_reads_the_same_out_of_its_url() -> None:
    connection = Connection(RedisUrl.parse(SENTINELS).broker_url())
    assert connection.alt == [
        "sentinel://:se%40cret@one.example:26379/3",
        "sentinel://:se%40cret@two.example:26379/3",
        "sentinel://:se%40cret@[::1]:5000/3",
    ]
    assert connection.password == "se@cret"
    assert connection.virtual_host == "3"


@given(st.text(min_size=1), st.text())
def test_whatever_is_percent_encoded_in_a_password_or_a_name_is_read_by_every_process(password: str, name: str) -> None:
    url = f"redis://{quote(name, safe='', errors='ignore')}:{quote(password, safe='', errors='ignore')}@host:6380/4"
    if ":@" in url:
        return
    read = settings(url)
    expected = {"username": read.server.username, "password": read.server.password, "host": "host", "port": 6380}
    assert read.server.password == password.encode(errors="ignore").decode()
    for client in (connect(read), connect_blocking(read)):
        options = client.connection_pool.connection_kwargs
        assert {option: options[option] for option in expected} == expected
    kombu = Connection(read.server.broker_url())
    assert (kombu.userid, kombu.password, kombu.hostname, kombu.port) == tuple(expected.values())
    flower: Any = Broker(read.server.broker_url())
    assert (flower.username or None, flower.password, flower.host, flower.port) == tuple(expected.values())


def test_celery_is_told_the_name_of_the_master_and_the_password_of_the_sentinels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", SENTINELS)
    monkeypatch.setenv("SWITCHBOARD_SENTINEL_MASTER", "calls")
    monkeypatch.setenv("SWITCHBOARD_SENTINEL_PASSWORD", "hush")
    options = celery_config.load()["broker_transport_options"]
    assert options["master_name"] == "calls"
    assert options["sentinel_kwargs"]["password"] == "hush"


def test_a_redis_alone_has_no_sentinels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    assert not RedisSettings.read().server.sentinels
    assert "master_name" not in celery_config.load()["broker_transport_options"]
    assert celery_config.load()["broker_use_ssl"] is False


@pytest.mark.parametrize("scheme", ["rediss", "sentinels"])
@pytest.mark.parametrize("query", ["", f"?ssl_ca_certs={AUTHORITIES}"])
def test_every_client_verifies_certificate_and_host_name_where_the_url_says_tls(
    monkeypatch: pytest.MonkeyPatch, scheme: str, query: str
) -> None:
    monkeypatch.setenv("REDIS_URL", f"{scheme}://:hidden@host/0{query}")
    read = RedisSettings.read()
    wanted = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    if query:
        wanted["ssl_ca_certs"] = AUTHORITIES
    assert read.server.tls == Tls(AUTHORITIES if query else None)
    for client in (connect(read), connect_blocking(read)):
        options = client.connection_pool.connection_kwargs
        assert {name: options.get(name) for name in wanted} == wanted
    configuration = celery_config.load()
    assert configuration["broker_use_ssl"] == wanted
    assert "?" not in configuration["broker_url"]
    kombu = Connection(configuration["broker_url"], ssl=configuration["broker_use_ssl"])
    assert kombu.ssl == wanted


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("sentinel://one:1;sentinel://two:1", "name all Sentinels in one URL, sentinel://"),
        ("sentinel://:hidden@", "name all Sentinels in one URL"),
        ("sentinel://one/three", "name all Sentinels in one URL"),
        ("sentinel://one:70000,two", "each Sentinel is host:port"),
        ("sentinel://one,,two", "each Sentinel is host:port"),
        ("cluster://:hidden@one", "it begins with redis://, rediss://, sentinel:// or sentinels://"),
        ("127.0.0.1:6379", "it begins with redis://"),
        ("redis://:hidden#word@host:6379/0", "# is %23"),
        ("redis://:hid/den@host:6379/0", "/ is %2F"),
        ("redis://:12/34hidden@host:6379/0", "/ is %2F"),
        ("redis://:hidden?word@host:6379/0", r"\? is %3F"),
        ("rediss://:hidden?word@host:6379/0", r"\? is %3F"),
        ("rediss://:hidden?ssl_ca_certs=hidden@host:6379/0", r"\? is %3F"),
        ("sentinel://:hidden#word@host:26379/0", "# is %23"),
        ("redis://hidden@host:6379/0", "a password alone has a colon"),
        ("redis://:hidden@one,two", "several hosts are Sentinels"),
        ("redis://:hidden@host:0", "write it as redis://"),
        ("redis://:hidden@host:99999", "write it as redis://"),
        ("redis://:hidden@host:port", "write it as redis://"),
        ("redis://:hidden@host/db", "write it as redis://"),
        ("redis://:hidden@host/0?ssl_ca_certs=/ca.pem", "only a URL with TLS has a"),
        ("redis://:hidden@host/0?db=hidden", "only a URL with TLS has a"),
        ("rediss://:hidden@host/0?ssl_cert_reqs=CERT_REQUIRED", "leave ssl_cert_reqs out"),
        ("rediss://:hidden@host/0?ssl_cert_reqs=none", "leave ssl_cert_reqs out"),
        ("rediss://:hidden@host/0?ssl_check_hostname=False", "leave ssl_check_hostname out"),
        ("rediss://:hidden@host/0?ssl_ca_certs=/nowhere/ca.pem", "the file that ssl_ca_certs names cannot be used: No"),
        (f"rediss://:hidden@host/0?ssl_ca_certs={__file__}", "the file that ssl_ca_certs names cannot be used"),
        ("rediss://:hidden@host/0?ssl_keyfile=/key.pem", "ssl_keyfile needs ssl_certfile too"),
        ("rediss://:hidden@host/0?ssl_certfile=/nowhere", "the file that ssl_certfile or ssl_keyfile names"),
        ("rediss://:hidden@host/0?hidden=1", "after its"),
        ("sentinels://:hidden@host/0?ssl_ca_certs=", "after its"),
    ],
)
def test_a_url_that_cannot_be_used_says_what_is_wrong_and_not_what_it_was(
    monkeypatch: pytest.MonkeyPatch, url: str, cure: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(InvalidSetting, match=cure) as raised:
        RedisSettings.read()
    assert "REDIS_URL = '***'" in str(raised.value)
    assert "hid" not in str(raised.value)
