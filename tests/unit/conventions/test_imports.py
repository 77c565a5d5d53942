"""What is imported by what, beyond what import-linter checks."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.conventions.source_tree import PACKAGES, ROOT, imported, is_shipped, modules, project


def declared_packages() -> set[str]:
    """Names of all that are declared, for the extras too."""
    whole = project()["project"]
    lines = [*whole["dependencies"], *(line for lines in whole["optional-dependencies"].values() for line in lines)]
    return {str(canonicalize_name(Requirement(line).name)) for line in lines} - {canonicalize_name(whole["name"])}


def test_every_package_that_is_imported_is_declared() -> None:
    declared = declared_packages()
    owners = metadata.packages_distributions()
    missing: set[str] = set()
    for path in filter(is_shipped, modules(*PACKAGES)):
        for module in imported(path):
            top = module.partition(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            # livekit is one namespace of several distributions.
            names = {canonicalize_name(name) for name in owners.get(top, [f"(nobody's) {top}"])}
            if not names & declared:
                missing.add(f"{path.relative_to(ROOT)}: {module}, of {', '.join(sorted(names))}")
    assert not missing


def test_every_package_that_is_declared_is_imported() -> None:
    declared = declared_packages()
    owners = metadata.packages_distributions()
    tops = {module.partition(".")[0] for path in modules(*PACKAGES) for module in imported(path)}
    used = {canonicalize_name(name) for top in tops for name in owners.get(top, [])}
    assert not declared - used


def test_a_receiver_starts_without_the_pipeline_and_without_the_database() -> None:
    program = (
        "import sys, webhooks.app\n"
        "heavy = ('pipeline', 'livekit.agents', 'onnxruntime', 'numpy',"
        " 'sqlalchemy', 'alembic', 'psycopg', 'aiosqlite')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_bare_python_can_write_the_secret_files() -> None:
    program = (
        "import sys, ops.docker.secret_files\n"
        "files = [getattr(module, '__file__', None) or '' for module in sys.modules.values()]\n"
        "print([file for file in files if 'site-packages' in file])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
