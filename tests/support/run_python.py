"""Runs code in a process of its own."""

import subprocess
import sys
import textwrap


def run_python(code: str, *arguments: str) -> str:
    """Run code in a process of its own that may do what would harm this one."""
    script = textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
    ).stdout
