"""The secrets of docker-compose.yml."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ops.docker.secret_files import LIVEKIT_REDIS_USER, REDIS_USERS, write
from ops.setup import SetupError


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_the_folder_is_closed_and_the_files_in_it_are_readable_for_containers(tmp_path: Path) -> None:
    write(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert modes.pop("livekit_keys") == 0o400
    assert set(modes.values()) == {0o444}


def test_secrets_that_depend_on_each_other_agree(tmp_path: Path) -> None:
    write(tmp_path / "secrets")
    secrets = {name: text.strip() for name, text in contents(tmp_path / "secrets").items()}
    assert secrets["livekit_keys"] == f"switchboard: {secrets['livekit_api_secret']}"
    Fernet(secrets["encryption_keys"])
    users = dict(re.findall(r"^user (\w+) .* #([0-9a-f]{64})$", secrets["redis_users"], re.MULTILINE))
    assert hashlib.sha256(secrets["redis_password_livekit"].encode()).hexdigest() == users.pop(LIVEKIT_REDIS_USER)
    assert f"password: {secrets['redis_password_livekit']}" in secrets["livekit.yaml"]
    assert set(users) == set(REDIS_USERS)
    for user, digest in users.items():
        match = re.fullmatch(rf"redis://{user}:([\w-]+)@redis:6379/0", secrets[f"redis_url_{user}"])
        assert match
        assert hashlib.sha256(match[1].encode()).hexdigest() == digest
    assert "user default reset off +@all ~* &*" in secrets["redis_users"].splitlines()


def test_two_installations_have_no_secret_in_common(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    # Without a password in it: it is a file.
    assert one.pop("database_url") == two.pop("database_url") == "sqlite:////var/lib/switchboard/records.db\n"
    assert not set(one.values()) & set(two.values())


def test_a_file_that_is_there_is_never_written_again(tmp_path: Path) -> None:
    write(tmp_path / "secrets")
    before = contents(tmp_path / "secrets")
    assert write(tmp_path / "secrets") == []
    assert contents(tmp_path / "secrets") == before


def test_a_file_that_is_missing_is_made_of_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path / "secrets")
    before = contents(tmp_path / "secrets")
    (tmp_path / "secrets" / "livekit_keys").unlink()
    (tmp_path / "secrets" / "redis_users").unlink()
    assert [path.name for path in write(tmp_path / "secrets")] == ["livekit_keys", "redis_users"]
    assert contents(tmp_path / "secrets") == before


def test_the_users_of_redis_are_those_of_this_version_with_the_passwords_that_are_there(tmp_path: Path) -> None:
    write(tmp_path / "secrets")
    before = contents(tmp_path / "secrets")
    users = tmp_path / "secrets" / "redis_users"
    users.chmod(0o600)
    users.write_text("user default off\n")
    assert write(tmp_path / "secrets") == [users]
    assert contents(tmp_path / "secrets") == before


def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)
    with pytest.raises(SetupError, match="chmod 700"):
        write(tmp_path / "secrets")
    assert contents(tmp_path / "secrets") == {}


def test_the_command_names_the_files_and_shows_no_secret(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.docker.secret_files", str(tmp_path / "secrets")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name, text in contents(tmp_path / "secrets").items():
        assert name in output
        assert text.strip() not in output
