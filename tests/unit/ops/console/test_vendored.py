"""The packages of npm that the pages use: those of the manifest, whole, and with their licences."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from ops.console.vendored import FOLDER, MANIFEST, integrity, read_manifest

LICENCES = {"0BSD": "Zero-Clause BSD", "Apache-2.0": "Apache License"}


def test_each_vendored_file_is_the_one_of_the_manifest_and_there_is_no_other() -> None:
    named = {file: entry for package in read_manifest().values() for file, entry in package["files"].items()}
    assert {path.name for path in FOLDER.iterdir()} == {*named, MANIFEST.name}
    for file, entry in named.items():
        assert integrity((FOLDER / file).read_bytes()) == entry["integrity"], file


def test_each_package_has_an_exact_version_the_hash_of_its_tarball_and_its_licence() -> None:
    for name, package in read_manifest().items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"]), name
        algorithm, _, digest = package["integrity"].partition("-")
        assert algorithm == "sha512"
        assert len(base64.b64decode(digest)) == 64
        (licence,) = (FOLDER / file for file in package["files"] if file.endswith(".licence.txt"))
        assert LICENCES[package["licence"]] in licence.read_text()


def test_no_address_of_a_registry_is_in_the_manifest() -> None:
    assert "://" not in MANIFEST.read_text()


def test_pages_load_nothing_from_elsewhere_and_have_no_code_or_style_inline() -> None:
    folder = Path(FOLDER).parents[1] / "templates"
    pages = list(folder.rglob("*.html"))
    assert len(pages) > 15
    for path in pages:
        text = path.read_text()
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), path
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! src=)", text), path
