"""pip's configuration, handed on to uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.setup.packages import pip_settings, uv_environment


def test_uv_downloads_from_where_pip_is_told_to() -> None:
    settings = {
        "global.index-url": "https://mirror.example/simple",
        "global.extra-index-url": "\nhttps://one.example/simple\nhttps://two.example/simple",
        "install.trusted-host": "mirror.example",
        "global.timeout": "60",
    }
    assert uv_environment({"HOME": "/home/me"}, settings) == {
        "HOME": "/home/me",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INSECURE_HOST": "mirror.example",
    }


def test_the_environment_counts_before_the_files_and_uv_s_own_variables_before_pip_s() -> None:
    settings = {"global.index-url": "https://file.example", ":env:.index-url": "https://environment.example"}
    assert uv_environment({}, settings) == {"UV_DEFAULT_INDEX": "https://environment.example"}
    env = {"UV_DEFAULT_INDEX": "https://uv.example"}
    assert uv_environment(env, settings) == env


def test_a_folder_of_wheels_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    settings = {"global.find-links": f"{tmp_path} {tmp_path}/missing https://wheels.example"}
    assert uv_environment({}, settings) == {"UV_FIND_LINKS": f"{tmp_path},https://wheels.example"}


def test_pip_s_settings_are_read_from_files_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[install]\nextra-index-url =\n  https://one.example\n  https://two.example\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example")
    found = pip_settings()
    assert found["install.extra-index-url"].split() == ["https://one.example", "https://two.example"]
    assert found[":env:.index-url"] == "https://environment.example"
