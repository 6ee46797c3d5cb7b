"""A GPU that every machine can have: Mesa's Vulkan driver that computes on the CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import gpustack_draw

IS_REQUIRED = os.environ.get("GPUSTACK_DRAW_TEST_VULKAN") == "required"


@contextmanager
def software_gpu() -> Iterator[gpustack_draw.Device]:
    """List the software GPU, which ggml leaves out unless it is named, and return it.

    Skips the test without a Vulkan backend, of a package or of the build, and without such a
    driver, unless it is required.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GGML_VK_VISIBLE_DEVICES", "0")
        found = [each for each in gpustack_draw.devices() if each.type == "software"]
        if not found:
            if IS_REQUIRED:
                pytest.fail("no software GPU: CONTRIBUTING.md describes how to get one")
            pytest.skip("needs the Vulkan backend, and Mesa's llvmpipe as the first driver")
        yield found[0]
