"""Bringing servers to a machine that has none: what is found, and what is said when nothing can be."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ops.setup import SetupError, go, haproxy, helm, livekit_server, redis_server
from ops.setup.livekit import VERSION


class Heard:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def tick(self, text: str) -> None:
        self.lines.append(text)


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH. The cache is empty, and no package registry is in reach."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOPATH", str(tmp_path / "go"))
    monkeypatch.delenv("GOMODCACHE", raising=False)
    return folder


def test_the_servers_of_the_path_are_taken(programs: Path) -> None:
    redis = program(programs / "redis-server", "echo Redis server v=7.0.15 sha=00000000:0")
    livekit = program(programs / "livekit-server", "exit 1")
    balancer = program(programs / "haproxy", "exit 1")
    heard = Heard()
    assert redis_server(heard) == redis
    assert livekit_server(heard) == livekit
    assert haproxy() == balancer
    assert heard.lines == []


def test_a_redis_of_the_path_that_is_too_old_is_passed_over(programs: Path) -> None:
    program(programs / "redis-server", "echo Redis server v=5.0.7 sha=00000000:0")
    heard = Heard()
    with pytest.raises(SetupError):
        redis_server(heard)
    assert "5.0, which is too old" in heard.lines[0]


def test_what_was_brought_once_is_kept(programs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "livekit-switchboard"
    kept.mkdir(parents=True)
    redis = program(kept / "redis-server", "exit 0")
    livekit = program(kept / f"livekit-server-{VERSION}", "exit 0")
    heard = Heard()
    assert redis_server(heard) == redis
    assert livekit_server(heard) == livekit
    assert heard.lines == []


def test_without_the_network_it_says_what_to_install(programs: Path) -> None:
    with pytest.raises(SetupError, match=r"Install Redis 6\.2 or later"):
        redis_server(Heard())
    with pytest.raises(SetupError, match=r"Install Go 1\.26 or later(?s:.)*put a livekit-server 1\.13\.4 on the PATH"):
        livekit_server(Heard())


def test_a_go_that_cannot_reach_its_proxy_is_quoted_with_the_cure(programs: Path) -> None:
    program(
        programs / "go",
        'case "$1" in version) echo go version go1.26.8 linux/amd64;; env) ;;\n'
        '*) echo "module lookup disabled by GOPROXY=off" >&2; exit 1;; esac',
    )
    with pytest.raises(SetupError, match=r"disabled by GOPROXY=off(?s:.)*needs the network once"):
        livekit_server(Heard())


def test_a_go_that_is_new_enough_is_used_as_it_is(programs: Path, tmp_path: Path) -> None:
    found = program(
        programs / "go", 'case "$1" in version) echo go version go1.27 linux/amd64;; env) echo -tags=x;; esac'
    )
    tool = go.find((1, 26), tmp_path, Heard())
    assert tool.binary == found
    assert tool.env["GOFLAGS"] == "-tags=x -modcacherw"
    assert tool.env["GOTOOLCHAIN"] == "local"
    assert tool.env["GOPATH"] == str(tmp_path / "go"), "its caches stay its owner's"


def test_a_livekit_server_is_built_step_by_step_and_nothing_else_is_kept(programs: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    program(
        programs / "go",
        f"""case "$1" in
            version) echo go version go1.26.8 linux/amd64;;
            mod) echo '{{"Dir": "{source}"}}';;
            list) echo go: downloading example.com/a v1 >&2; echo a; echo b;;
            build) echo a >&2; echo b >&2
                while [ "$1" != -o ]; do shift; done
                echo built > "$2"; chmod 755 "$2";;
        esac""".replace("chmod", "/bin/chmod"),
    )
    heard = Heard()
    server = livekit_server(heard)
    assert server.read_text(encoding="utf-8") == "built\n"
    assert server.stat().st_mode & stat.S_IXUSR
    assert {path.name for path in server.parent.iterdir()} == {server.name, f"{server.name}.lock"}
    assert "livekit-server: 1 modules downloaded; compiling" in heard.lines
    assert "livekit-server: 2 of 2 packages compiled" in heard.lines


def test_a_helm_of_the_path_is_taken_if_it_is_of_the_major_version_that_would_be_built(programs: Path) -> None:
    found = program(programs / "helm", "echo v4.9.0+g0")
    assert helm(Heard()) == found
    program(found, "echo v3.22.0+g0")
    with pytest.raises(SetupError, match=r"put a helm 4\.\d+\.\d+ on the PATH"):
        helm(Heard())
