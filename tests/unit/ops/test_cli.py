from __future__ import annotations

import subprocess
import sys


def test_help_imports_neither_livekit_nor_celery() -> None:
    program = "import sys; from ops.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "demo" in output
    assert "ps" in output
    assert not {"livekit", "celery", "redis", "rich", "numpy"} & set(output.splitlines()[-1].split())
