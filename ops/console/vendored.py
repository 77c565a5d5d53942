"""`python -m ops.console.vendored`: the packages of npm that the pages use, in `static/vendor/`.

The manifest names each package with its version, the integrity of its tarball as npm's registry has it, its licence,
and the files that are taken from it, each with its own integrity. The browser gets these files from the console, and
nothing from elsewhere.

    python -m ops.console.vendored                      download what the manifest names, and compare it
    python -m ops.console.vendored htmx.org=2.0.11      take another version, and write the manifest again

The registry is npm's own (`npm config get registry`), or that of `--registry`. No Node.js is needed then.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("static") / "vendor"
MANIFEST = FOLDER / "manifest.json"
SECONDS = 60.0
MOST_BYTES = 32 << 20


class VendorError(Exception):
    """Raised when a package cannot be taken. The message names the package and the cure."""


def integrity(content: bytes) -> str:
    """Return the integrity of a file or a tarball, as npm and browsers write it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


def read_manifest() -> dict[str, dict[str, Any]]:
    """Return the packages by their names."""
    packages: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return packages


def renew(registry: str, changes: dict[str, str]) -> list[str]:
    """Download all packages, `changes` in the versions that it names. Return a line for each.

    Raises VendorError before any file is written, so that the folder is whole in either case.
    """
    packages = read_manifest()
    if unknown := changes.keys() - packages.keys():
        raise VendorError(f"{min(unknown)} is not in {MANIFEST.name}. Add it there, with the files to take.")
    written: dict[str, bytes] = {}
    lines = []
    for name, package in packages.items():
        wanted = changes.get(name, package["version"])
        tarball, found = _tarball(registry, name, wanted)
        if wanted == package["version"] and found != package["integrity"]:
            raise VendorError(f"{name} {wanted} has the integrity {found}, and {package['integrity']} is expected.")
        package |= {"version": wanted, "integrity": found}
        for file, entry in package["files"].items():
            content = _member(tarball, entry["from"], name)
            entry["integrity"] = integrity(content)
            written[file] = content
        lines.append(f"{name} {wanted}: {', '.join(package['files'])}")
    for file, content in written.items():
        (FOLDER / file).write_bytes(content)
    MANIFEST.write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")
    return lines


def _tarball(registry: str, name: str, version: str) -> tuple[bytes, str]:
    """Return the tarball of a package, and its integrity, which is that of the registry's own description."""
    described = json.loads(_download(f"{registry}/{urllib.parse.quote(name, safe='@')}/{version}"))
    content = _download(described["dist"]["tarball"])
    found = integrity(content)
    if found != described["dist"]["integrity"]:
        raise VendorError(f"{name} {version} came with another content than its registry says. Try again.")
    return content, found


def _download(url: str) -> bytes:
    if not url.startswith("https://"):
        raise VendorError(f"{url} is not an address with https. Name another registry: --registry")
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - https alone, see above
            content: bytes = answer.read(MOST_BYTES)
    except (urllib.error.URLError, OSError) as error:
        raise VendorError(f"{url} cannot be downloaded: {error}") from error
    return content


def _member(tarball: bytes, path: str, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        try:
            member = archive.extractfile(f"package/{path}")
        except KeyError:
            member = None
        if member is None:
            raise VendorError(f"{name} has no file {path}. Correct `from` in {MANIFEST.name}.")
        return member.read()


def configured_registry() -> str:
    """Return the registry of npm's configuration. Raises VendorError without npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError("npm is not installed, whose configuration names the registry. Name one: --registry URL")
    asked = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise VendorError("npm does not say its registry. Name one: --registry URL")
    return asked.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the files. Return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.console.vendored", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("--registry", help="address of the registry; npm's own configuration if not given")
    parser.add_argument("packages", nargs="*", metavar="NAME=VERSION", help="take another version of a package")
    options = parser.parse_args(arguments)
    changes = dict(each.rpartition("=")[::2] for each in options.packages)
    try:
        registry = (options.registry or configured_registry()).rstrip("/")
        print(*renew(registry, changes), sep="\n")
    except VendorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
