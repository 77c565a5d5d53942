"""`python -m ops.helm.make_chart`: lint the chart, render it with each set of values, and write what came out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ops.helm import chart
from ops.setup import SetupError, helm

MINIMAL = chart.VALUES / "minimal.yaml"


class ChartError(Exception):
    """The chart is refused by helm, or takes values that it has to refuse. The message says which."""


class Helm:
    """helm, with a folder of its own for what it keeps."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary = binary
        self._env = {
            **os.environ,
            **{f"HELM_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")},
        }

    def lint(self, values: Path) -> None:
        """Lint the chart. Raises ChartError with helm's output."""
        result = self._run("lint", "--strict", str(chart.CHART), "--values", str(values))
        if result.returncode:
            raise ChartError(f"helm lint with {values.name}:\n{result.stdout}{result.stderr}")

    def template(self, *values: Path) -> subprocess.CompletedProcess[str]:
        """Render the chart."""
        return self._run(
            *("template", chart.RELEASE, str(chart.CHART)),
            *("--namespace", chart.NAMESPACE, "--kube-version", chart.KUBERNETES),
            *(option for path in values for option in ("--values", str(path))),
        )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._binary, *arguments], env=self._env, capture_output=True, text=True, check=False, timeout=120
        )


def copy_rules() -> None:
    """Copy the alerts into the chart, or remove a copy of alerts that there are no more."""
    if chart.RULES.exists():
        chart.RULES_IN_CHART.parent.mkdir(exist_ok=True)
        shutil.copyfile(chart.RULES, chart.RULES_IN_CHART)
    else:
        chart.RULES_IN_CHART.unlink(missing_ok=True)


def render(helm_program: Helm) -> None:
    """Lint and render all sets of values. Raises ChartError."""
    chart.RENDERED.mkdir(exist_ok=True)
    for old in chart.RENDERED.iterdir():
        old.unlink()
    for values in chart.sets_of_values():
        helm_program.lint(values)
        result = helm_program.template(values)
        if result.returncode:
            raise ChartError(f"helm template with {values.name}:\n{result.stderr}")
        chart.rendered(values).write_text(chart.header(values) + result.stdout, encoding="utf-8")


def refuse(helm_program: Helm, folder: Path) -> None:
    """Render each case of values that have to be refused, over the minimal ones, and write helm's messages.

    Raises ChartError if one is taken.
    """
    cases: dict[str, Any] = json.loads(chart.REFUSED.read_text(encoding="utf-8"))
    messages = {}
    for number, (case, values) in enumerate(cases.items()):
        # JSON is YAML, too.
        file = folder / f"case-{number}.yaml"
        file.write_text(json.dumps(values), encoding="utf-8")
        result = helm_program.template(MINIMAL, file)
        if not result.returncode:
            raise ChartError(f"{chart.REFUSED.name}: helm template takes the case {case!r}")
        lines = [line.strip() for line in result.stderr.splitlines()]
        messages[case] = [line for line in lines if line and not line.startswith("Use --debug")]
    text = json.dumps({"digest": chart.digest(chart.REFUSED), "messages": messages}, indent=1, ensure_ascii=False)
    chart.rendered(chart.REFUSED).write_text(f"{text}\n", encoding="utf-8")


def main() -> int:
    """Make the chart. Return 0, or 1 with the reason on stderr."""
    try:
        binary = helm()
        copy_rules()
        with tempfile.TemporaryDirectory(prefix="switchboard-helm-") as folder:
            program = Helm(binary, Path(folder))
            render(program)
            refuse(program, Path(folder))
    except (SetupError, ChartError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for values in chart.sets_of_values():
        print(f"{chart.rendered(values).relative_to(Path.cwd())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
