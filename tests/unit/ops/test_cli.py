from __future__ import annotations

import subprocess
import sys


def test_help_imports_neither_livekit_nor_celery() -> None:
    program = "import sys; from ops.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "demo" in said
    assert "ps" in said
    assert not {"livekit", "celery", "redis", "rich", "numpy"} & set(said.splitlines()[-1].split())
