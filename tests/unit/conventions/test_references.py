"""References in documents: files, headings, modules and defaults that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.conventions.documents import DOCUMENTS, each_document, read, rows
from tests.unit.conventions.source_tree import PACKAGES, ROOT

PATH = re.compile(rf"`((?:{'|'.join([*PACKAGES, 'tests', 'docs', 'requirements'])})/[\w./-]+)`")
MODULE = re.compile(rf"`(?:python -m )?((?:{'|'.join([*PACKAGES, 'tests'])})(?:\.\w+)+)(?::\w+)?`")
TASK_NAMES = {"tasks.run_room", "tasks.background.deliver"}
TODAY = [document for document in DOCUMENTS if document.name != "CHANGELOG.md"]  # which names what has gone, too
each_of_today = pytest.mark.parametrize("document", TODAY, ids=lambda path: str(path.relative_to(ROOT)))
SECONDS = {"MS": 0.001, "SECONDS": 1.0}


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_each_link_to_a_heading_leads_to_one(document: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text(encoding="utf-8")):
        page = document if not target else document.parent / target
        assert anchor in anchors(page), f"{target}#{anchor}"


@each_of_today
def test_each_file_that_a_document_names_exists(document: Path) -> None:
    named = PATH.findall(document.read_text(encoding="utf-8"))
    assert not [path for path in named if not (ROOT / path).exists()]


@each_of_today
def test_each_module_that_a_document_names_exists(document: Path) -> None:
    gone = []
    for name in set(MODULE.findall(document.read_text(encoding="utf-8"))) - TASK_NAMES:
        folder, _, last = name.replace(".", "/").rpartition("/")
        is_module = any((ROOT / f"{path}.py").exists() or (ROOT / path).is_dir() for path in [f"{folder}/{last}"])
        # Or a name in a module.
        module = ROOT / f"{folder}.py" if (ROOT / f"{folder}.py").exists() else ROOT / folder / "__init__.py"
        is_in_module = module.exists() and re.search(rf"\b{last}\b", module.read_text(encoding="utf-8"))
        if not is_module and not is_in_module:
            gone.append(name)
    assert not gone


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name != "settings.md"], ids=lambda path: path.name
)
def test_each_number_beside_its_setting_is_the_default(document: Path) -> None:
    defaults = {
        name: cells[0].strip("`") for name, cells in rows(read("docs/reference/settings.md"), "[A-Z_]+").items()
    }
    text = " ".join(document.read_text(encoding="utf-8").split())
    for number, unit, name in re.findall(r"\b(\d+(?:\.\d+)?)(?: (s|ms|min|h))? \(`(SWITCHBOARD_\w+)`\)", text):
        found = re.match(r"[\d.]+", defaults[name])
        assert found, name
        default = float(found[0]) * (SECONDS.get(name.rpartition("_")[2], 1.0) if unit else 1.0)
        assert float(number) * {"ms": 0.001, "min": 60, "h": 3600}.get(unit, 1) == pytest.approx(default), name
