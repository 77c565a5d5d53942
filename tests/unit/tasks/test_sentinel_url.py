"""REDIS_URL may name Sentinels, for our own connections and for Celery's."""

from __future__ import annotations

import pytest
from kombu import Connection

from tasks.errors import InvalidSetting
from tasks.queue import celery_config
from tasks.sentinel_url import Sentinels
from tasks.settings import RedisSettings

URL = "sentinel://:se%40cret@one.example:26379,two.example,[::1]:5000/3"


def test_a_url_names_all_sentinels_and_the_password_of_redis() -> None:
    found = Sentinels.parse(URL)
    assert found == Sentinels((("one.example", 26379), ("two.example", 26379), ("::1", 5000)), None, "se@cret", 3)
    assert "se@cret" not in repr(found)
    assert Sentinels.parse("sentinel://one") == Sentinels((("one", 26379),))


def test_kombu_reads_the_same_out_of_its_url() -> None:
    connection = Connection(Sentinels.parse(URL).broker_url())
    assert connection.alt == [
        "sentinel://:se%40cret@one.example:26379/3",
        "sentinel://:se%40cret@two.example:26379/3",
        "sentinel://:se%40cret@[::1]:5000/3",
    ]
    assert connection.password == "se@cret"
    assert connection.virtual_host == "3"


def test_celery_is_told_the_name_of_the_master_and_the_password_of_the_sentinels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", URL)
    monkeypatch.setenv("SWITCHBOARD_SENTINEL_MASTER", "calls")
    monkeypatch.setenv("SWITCHBOARD_SENTINEL_PASSWORD", "hush")
    options = celery_config.load()["broker_transport_options"]
    assert options["master_name"] == "calls"
    assert options["sentinel_kwargs"]["password"] == "hush"


def test_a_redis_alone_has_no_sentinels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    assert RedisSettings.read().sentinels is None
    assert "master_name" not in celery_config.load()["broker_transport_options"]


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("sentinel://one:1;sentinel://two:1", "name all Sentinels in one URL, with a comma between two"),
        ("sentinel://:hidden@", "name all Sentinels in one URL"),
        ("sentinel://one/three", "name all Sentinels in one URL"),
        ("sentinel://one:70000,two", "each Sentinel is host:port"),
        ("sentinel://one,,two", "each Sentinel is host:port"),
        ("cluster://:hidden@one", "it begins with redis://, rediss:// or sentinel://"),
        ("127.0.0.1:6379", "it begins with redis://"),
    ],
)
def test_a_url_that_cannot_be_used_says_what_is_wrong_and_not_what_it_was(
    monkeypatch: pytest.MonkeyPatch, url: str, cure: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(InvalidSetting, match=cure) as raised:
        RedisSettings.read()
    assert "REDIS_URL = '***'" in str(raised.value)
    assert "hidden" not in str(raised.value)
