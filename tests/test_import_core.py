"""The compiled engine's OpenMP waits without taking a core from others."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libgomp is Linux's OpenMP")

SCRIPT = """
import os
from gpustack_draw.import_core import import_core
import_core()
print(os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("setting", "turns", "left"), [(None, "1000", "None"), ("77", "77", "77"), ("1000",) * 3]
)
@pytest.mark.parametrize("before", ["", "import numpy"])
def test_turns_of_a_waiting_thread(setting: str | None, turns: str, left: str, before: str) -> None:
    environment = {**os.environ, "OMP_DISPLAY_ENV": "verbose"}  # libgomp tells what it was set to
    environment.pop("GOMP_SPINCOUNT", None)
    if setting is not None:
        environment["GOMP_SPINCOUNT"] = setting
    command = [sys.executable, "-c", before + SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("built with another OpenMP, or without")
    assert re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr) == [turns]
    assert done.stdout.strip() == left
