"""The Lua scripts: each header names what its script takes and returns, and Python passes exactly that."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tasks.rooms import keys
from tasks.rooms.scripts import load
from tests.unit.conventions.source_tree import ROOT

ROOMS = ROOT / "tasks" / "rooms"
CALLERS = tuple(
    ROOMS / f"{name}.py" for name in ("store", "waitlist", "census", "numbers", "open_rooms", "operations", "overview")
)
FILES = sorted((ROOT / "tasks").rglob("*.lua"))
ACTIONS = sorted(path.stem for path in (ROOMS / "lua").glob("*.lua"))
LONGEST_LINE = 120
NO_NAMES = ("none", "pairs", "the ", "then ", "those ")
"""What a line of KEYS or ARGV in a header begins with if it lists no names."""

each_file = pytest.mark.parametrize("file", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in FILES])
each_action = pytest.mark.parametrize("action", ACTIONS)


def header(file: Path) -> str:
    """Return the comment at the head of a file, without its dashes."""
    lines = file.read_text(encoding="utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(line[3:] for line in lines[:end]) + "\n"


def section(file: Path, table: str) -> list[str]:
    """Return the lines of a header about KEYS or ARGV."""
    found = re.search(rf"^{table}  (.*\n(?: .*\n)*)", header(file), re.MULTILINE)
    assert found, f"{file.name}: the header has no {table}"
    return [line.strip() for line in found[1].splitlines()]


def named(file: Path, table: str) -> list[str]:
    """Return the names that a header lists: `name, name (type)`, and after two spaces a note."""
    names: list[str] = []
    for line in section(file, table):
        if not line.startswith(NO_NAMES):
            listed = re.sub(r" \([^)]*\)", "", re.split(r" {2,}|;", line)[0])
            names += [name.strip() for name in listed.split(",") if name.strip() and not name.startswith(" then ")]
    return names


def unpacked(file: Path, table: str) -> list[str]:
    """Return the names that a script unpacks from KEYS or ARGV."""
    found = re.search(rf"^local ([\w, \n]+?) = unpack\({table}\b.*\)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return re.findall(r"\w+", found[1]) if found else []


def scripts(caller: ast.Module) -> dict[str, str]:
    """Return the attributes to which a class assigns its scripts, each with its action."""
    return {
        node.targets[0].attr: node.value.args[1].value
        for node in ast.walk(caller)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "Script"
        and isinstance(node.value.args[1], ast.Constant)
        and isinstance(node.value.args[1].value, str)
    }


def calls() -> dict[str, list[ast.Call]]:
    """Return the calls of each action in Python."""
    found: dict[str, list[ast.Call]] = {}
    for path in CALLERS:
        caller = ast.parse(path.read_text(encoding="utf-8"))
        actions = scripts(caller)
        for node in ast.walk(caller):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in actions:
                found.setdefault(actions[node.func.attr], []).append(node)
    return found


@each_file
def test_a_header_names_what_the_script_unpacks_and_what_it_returns(file: Path) -> None:
    for table in ("KEYS", "ARGV"):
        assert named(file, table) == unpacked(file, table), table
    assert re.search(r"^Returns ", header(file), re.MULTILINE)


@each_file
def test_a_script_reads_keys_and_arguments_by_name(file: Path) -> None:
    _, _, body = file.read_text(encoding="utf-8").partition("\n\n")
    assert not re.findall(r"(?:KEYS|ARGV)\[\d+\]", body)
    assert not [line for line in body.splitlines() if len(line) > LONGEST_LINE]


@each_action
def test_an_action_is_called_with_exactly_the_names_that_it_unpacks(action: str) -> None:
    source = load(action)
    wanted = {*source.keys, *source.arguments, *source.last_keys, *source.last_arguments} - keys.FIXED.keys()
    listed = section(ROOMS / "lua" / f"{action}.lua", "ARGV")
    takes_more = any(re.match(r"(then )?(pairs|any number) of ", line) for line in listed)
    (call,) = calls()[action]
    assert {word.arg for word in call.keywords} - {"more_keys"} == wanted
    assert bool(call.args) == takes_more
    takes_none = section(ROOMS / "lua" / f"{action}.lua", "KEYS")[0].startswith("none")
    wants_any = not source.keys and not source.last_keys and not takes_none
    assert any(word.arg == "more_keys" for word in call.keywords) == wants_any


@each_action
def test_an_action_unpacks_what_its_includes_use(action: str) -> None:
    source = load(action)
    text = (ROOMS / "lua" / f"{action}.lua").read_text(encoding="utf-8")
    for name in re.findall(r'^--- @include "(lib/\w+)"$', text, re.MULTILINE):
        for table, own in (("KEYS", source.keys), ("ARGV", source.arguments)):
            for line in section(ROOMS / "lua" / f"{name}.lua", table):
                _, _, used = line.partition("uses the action's ")
                assert set(filter(None, used.split(", "))) <= {*own}, f"{name}: {table}"


def test_every_file_is_an_action_that_python_calls_or_an_include_of_one() -> None:
    assert set(calls()) == set(ACTIONS)
    texts = "".join(path.read_text(encoding="utf-8") for path in (ROOMS / "lua").rglob("*.lua"))
    included = set(re.findall(r'^--- @include "lib/(\w+)"$', texts, re.MULTILINE))
    assert included == {path.stem for path in (ROOMS / "lua" / "lib").glob("*.lua")}


@each_action
def test_the_includes_of_an_action_stand_behind_its_names_and_before_its_code(action: str) -> None:
    text = (ROOMS / "lua" / f"{action}.lua").read_text(encoding="utf-8")
    head = r'(?:--.*\n)+\n?(?:local [\w, \n]+? = unpack\((?:KEYS|ARGV)\)\n)*\n?(?:--- @include "lib/\w+"\n)*'
    matched = re.match(head, text)
    assert matched
    assert "@include" not in text[matched.end() :]
