"""Run code in a separate process."""

import subprocess
import sys
import textwrap


def run_python(code: str, *arguments: str) -> str:
    """Run code in a separate process, which it may crash or modify."""
    script = textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
    ).stdout
