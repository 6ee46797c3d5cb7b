"""The packages that `nox -s wheel` built in dist/."""

import sys
from pathlib import Path

import pytest
from build_tools import SOURCE

_TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
WHEELS = sorted((SOURCE / "dist" / "wheelhouse").glob(f"gpustack_draw-*-{_TAG}-*.whl"))

needs_wheel = pytest.mark.skipif(
    not WHEELS, reason="no wheel for this Python is in dist/wheelhouse"
)


def wheel_of_this_python() -> Path:
    """Return the newest wheel."""
    return WHEELS[-1]
