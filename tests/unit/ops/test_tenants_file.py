"""What the tenants file is refused for, and where its keys come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.commands.tenants import declaration
from ops.commands.tenants.declaration import Declared, FileInvalidError
from ops.commands.tenants.key_values import KeyLinesInvalidError, KeyValues, NoValueError, read_lines
from pipeline.options import Secret

TIERS = {"premium": "premium", "free": "free"}
NO_KEYS = KeyValues(None, None)
KEYS = KeyValues({"ACME": Secret("from stdin")}, "vault")
NESTED = '{ provider = "local", fallbacks = [{ provider = "local" }] }'


def read(folder: Path, content: str, values: KeyValues = NO_KEYS) -> dict[str, Declared]:
    file = folder / "tenants.toml"
    file.write_text(content)
    return declaration.read(file, TIERS, values)


def problems(folder: Path, content: str, values: KeyValues = NO_KEYS) -> list[str]:
    with pytest.raises(FileInvalidError) as raised:
        read(folder, content, values)
    return str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "[tenants.acme] tier: Field required"),
        (
            'tier = "gold"',
            "[tenants.acme] tier: 'gold' does not exist; the tiers are free, premium (SWITCHBOARD_TIERS)",
        ),
        ('tier = "free"\ncolour = "red"', "[tenants.acme] colour: there is no such entry; there are tier, max_calls,"),
        ('tier = "free"\nmax_calls = 0', "[tenants.acme] max_calls: Input should be greater than 0"),
        ('tier = "free"\nnumbers = ["0123"]', "[tenants.acme] numbers: '0123' is not in E.164; write it as +1555"),
        ('tier = "free"\nnumbers = [15551234567]', "[tenants.acme] numbers: Input should be a valid string"),
        ('tier = "free"\nagent = "agent.py"', "[tenants.acme] agent: 'agent.py' is not written as module:name"),
        ('tier = "free"\nstt = 7', "[tenants.acme] stt: Input should be a valid dictionary"),
        ('tier = "free"\nstt = { model = "nova-3" }', "[tenants.acme.stt] provider: Field required"),
        (
            'tier = "free"\nstt = { provider = "whatsper" }',
            "[tenants.acme.stt] Unknown stt provider 'whatsper'. Known stt providers: deepgram, ",
        ),
        (
            'tier = "free"\nstt = { provider = "local", fallbacks = [{ provider = "local" }, { provider = "no" }] }',
            "[tenants.acme.stt.fallbacks.1] Unknown stt provider 'no'.",
        ),
        (
            'tier = "free"\ntts = { provider = "local", fallbacks = [{ provider = "local", fallbacks = [{}] }] }',
            "[tenants.acme.tts.fallbacks.0.fallbacks.0] provider: Field required",
        ),
        (
            f'tier = "free"\ntts = {{ provider = "local", fallbacks = [{NESTED}] }}',
            "[tenants.acme.tts.fallbacks.0] fallbacks: a fallback has none of its own",
        ),
        ('tier = "free"\nllm = { provider = "openai" }', "[tenants.acme.llm] The llm provider 'openai' needs a key"),
        (
            'tier = "free"\nllm = { provider = "local", voice = "ash" }',
            "[tenants.acme.llm] The llm provider 'local' cannot use voice = 'ash': leave it out",
        ),
        (
            'tier = "free"\ntts = { provider = "elevenlabs", key = "sk-123" }',
            '[tenants.acme.tts] key: it must be "env:NAME", "file:/path" or "stdin:NAME"',
        ),
        (
            'tier = "free"\ntts = { provider = "elevenlabs", key = "sk:123" }',
            "[tenants.acme.tts] key: a reference is one of env:…, file:…, stdin:…; for another one set SWITCHBOARD_KEY",
        ),
        (
            'tier = "free"\nvad = { patience = 1 }',
            "[tenants.acme.vad] patience: there is no such option; there are min",
        ),
        (
            'tier = "free"\nturn = { detection = "magic" }',
            "[tenants.acme.turn] detection: Input should be 'model' or 'vad'",
        ),
    ],
)
def test_an_invalid_tenant_is_reported_with_its_table_and_the_reason(tmp_path: Path, table: str, problem: str) -> None:
    reported = "\n".join(problems(tmp_path, f"[tenants.acme]\n{table}\n"))
    assert problem in reported
    assert "123\n" not in reported


@pytest.mark.parametrize("name", ['"two words"', '""', f'"{"x" * 129}"', '"bell\\u0007"'])
def test_an_id_that_no_room_could_name_is_refused(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, f'[tenants.{name}]\ntier = "free"\n')
    assert "the id must be 1 to 128 printable characters without blanks" in problem


def test_all_problems_of_all_tenants_are_listed_at_once(tmp_path: Path) -> None:
    content = """
    [tenants.acme]
    tier = "gold"
    max_calls = 0
    numbers = ["+15551234567"]
    stt = { provider = "deepgram", key = "env:KEY_OF_NOBODY", model = 7 }
    vad = { patience = 1, min_silence_seconds = "long", activation_threshold = "high" }
    [tenants.bolt]
    tier = "free"
    numbers = ["+15551234567", "+15557654321"]
    agent = "agent"
    """
    assert [line.partition(": ")[0] for line in problems(tmp_path, content)] == [
        "[tenants.acme] max_calls",
        "[tenants.acme.stt] model",
        "[tenants.acme] tier",
        "[tenants.acme.vad] patience",
        "[tenants.acme.vad] min_silence_seconds",
        "[tenants.acme.vad] activation_threshold",
        "[tenants.acme.stt] key",
        "[tenants.bolt] agent",
        "[tenants.bolt] numbers",
    ]


def test_a_number_has_one_tenant(tmp_path: Path) -> None:
    table = 'tier = "free"\nnumbers = ["+15551234567"]\n'
    assert problems(tmp_path, f"[tenants.acme]\n{table}[tenants.bolt]\n{table}") == [
        "[tenants.bolt] numbers: +15551234567 is a number of acme too; a number has one tenant"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[tenants.acme", "tenants.toml cannot be read: Expected ']'"),
        ("", "declares no tenant: it has no table [tenants.<id>]."),
        ("tenants = 7", "declares no tenant"),
        ('[tenants.acme]\ntier = "free"\n[tenant.bolt]\ntier = "free"', "has tenant, and only tables [tenants.<id>]"),
        ('tenants = { acme = "free" }', "[tenants.acme] is not a table"),
    ],
)
def test_a_file_without_tenants_is_refused_with_the_reason(tmp_path: Path, content: str, problem: str) -> None:
    assert problem in problems(tmp_path, content)[0]


def test_each_key_is_read_from_the_location_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("ACME_KEY", " from the environment ")
    declared = read(
        tmp_path,
        f"""
        [tenants.acme]
        tier = "free"
        stt = {{ provider = "deepgram", key = "env:ACME_KEY", fallbacks = [
            {{ provider = "openai", key = "vault:acme/openai" }}] }}
        llm = {{ provider = "openai", key = "file:{tmp_path}/key" }}
        tts = {{ provider = "elevenlabs", key = "stdin:ACME" }}
        """,
        KEYS,
    )["acme"]
    assert declared.keys == {
        "stt": Secret("from the environment"),
        "llm": Secret("from a file"),
        "tts": Secret("from stdin"),
    }
    assert "from" not in repr(declared.keys)


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("env:KEY_OF_NOBODY", "the environment variable KEY_OF_NOBODY is not set here"),
        ("file:/nowhere/key", "/nowhere/key: No such file or directory"),
        ("file:/dev/null", "the file /dev/null is empty"),
        ("stdin:BOLT", "no line on stdin begins with BOLT="),
        ("encrypted:0123456789ab", "a reference is one of env:…, file:…, stdin:…, vault:…;"),
    ],
)
def test_a_missing_key_is_reported_with_its_location(reference: str, problem: str) -> None:
    with pytest.raises(NoValueError) as raised:
        KEYS.read(reference)
    assert problem in str(raised.value)


def test_keys_on_stdin_are_not_waited_for_unless_that_was_asked_for() -> None:
    with pytest.raises(NoValueError, match=r"write ACME=… to stdin, and add --keys -"):
        NO_KEYS.read("stdin:ACME")


def test_a_key_on_stdin_may_have_an_equals_sign() -> None:
    assert read_lines(["# those of acme\n", "\n", "ACME = a=b==\n", "BOLT=#1"]) == {
        "ACME": Secret("a=b=="),
        "BOLT": Secret("#1"),
    }


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["A=1", "s3cr3t"], "Line 2 of the keys is not NAME=key."),
        (["A="], "Line 1 of the keys is not NAME=key."),
        (["A=s3cr3t", "A=1"], "Line 2 of the keys has A a second time."),
    ],
)
def test_a_malformed_line_is_reported_by_its_number_alone(lines: list[str], problem: str) -> None:
    with pytest.raises(KeyLinesInvalidError) as raised:
        read_lines(lines)
    assert str(raised.value) == problem
